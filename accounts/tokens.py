"""Personal access tokens: their text form, and the writes and the look-up that use it.

A token is `agn_` + 32 random bytes in base 62 (43 signs) + their CRC-32 in base 62 (6 signs).
The checksum lets a typo or a scanner's false find be refused without asking the database. Only
an HMAC of the token is stored: the token carries 256 bits of chance, so no slow hash is needed.
"""

import hmac
import re
import secrets
import zlib
from datetime import datetime, timedelta

from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from accounts import audit
from accounts.errors import AgnesError
from accounts.models import ApiToken, AuditEvent, Scope, User

MARK = "agn_"
BODY_LENGTH = 43
CHECKSUM_LENGTH = 6
PREFIX_LENGTH = 8
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PATTERN = re.compile(rf"{MARK}[0-9A-Za-z]{{{BODY_LENGTH + CHECKSUM_LENGTH}}}")
# Writing last_used_at at each request would make every read a write.
LAST_USED_STEP = timedelta(minutes=1)


class InvalidToken(AgnesError):
    code = "invalid_token"
    status = 401


class ExpiredToken(AgnesError):
    code = "expired_token"
    status = 401


class RevokedToken(AgnesError):
    code = "revoked_token"
    status = 401


class InactiveUser(AgnesError):
    code = "inactive_user"
    status = 401


class UnusableTokenRequest(AgnesError):
    code = "unusable_token_request"
    status = 422


@transaction.atomic
def issue_token(
    *,
    by: User | None,
    user: User,
    name: str,
    scopes: list[str],
    expires_at: datetime | None = None,
    now: datetime,
    door: AuditEvent.Door,
) -> tuple[ApiToken, str]:
    """A new token of `user` and its text, which can never be shown again.

    Raises UnusableTokenRequest on an empty or unknown scope, the admin scope for somebody who is
    no admin, a date in the past or an inactive user.
    """
    _refuse_unusable(user=user, scopes=scopes, expires_at=expires_at, now=now)
    text = _make_text()
    token = ApiToken.objects.create(
        user=user,
        name=name,
        scopes=sorted(set(scopes)),
        prefix=_prefix(text),
        digest=_digest(text),
        expires_at=expires_at,
    )
    audit.record(
        action="token.create",
        actor=by,
        resource_type="token",
        resource_id=str(token.pk),
        subject=user,
        details={"name": name, "scopes": token.scopes, "prefix": token.prefix},
        door=door,
    )
    return token, text


@transaction.atomic
def revoke_token(
    *,
    by: User | None,
    token: ApiToken,
    now: datetime,
    door: AuditEvent.Door,
    request: HttpRequest | None = None,
) -> None:
    """Ends the token for good; a token that is already revoked keeps its first date."""
    changed = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)
    token.refresh_from_db()
    if not changed:
        return
    audit.record(
        action="token.revoke",
        actor=by,
        resource_type="token",
        resource_id=str(token.pk),
        subject=token.user,
        details={"name": token.name, "prefix": token.prefix},
        door=door,
        request=request,
    )


def find_token(text: str, *, now: datetime) -> ApiToken:
    """The usable token with this text, its user loaded, and its last use noted.

    Raises InvalidToken, RevokedToken, ExpiredToken or InactiveUser.
    """
    token = _matching(text) if _well_formed(text) else None
    if token is None:
        raise InvalidToken("This token is not known.", fix="Make a new token and use it whole.")
    if token.revoked_at is not None:
        raise RevokedToken("This token was revoked.", fix="Make a new token.")
    if token.expires_at is not None and token.expires_at <= now:
        raise ExpiredToken("This token has expired.", fix="Make a new token.")
    if not token.user.is_active:
        raise InactiveUser("This account is switched off.", fix="Ask an admin of this Agnes.")
    _note_use(token, now=now)
    return token


def _refuse_unusable(
    *, user: User, scopes: list[str], expires_at: datetime | None, now: datetime
) -> None:
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown or not scopes:
        named = f"Unknown scopes: {', '.join(unknown)}." if unknown else "A token needs a scope."
        raise UnusableTokenRequest(named, fix=f"Choose from {', '.join(Scope.values)}.")
    if Scope.ADMIN in scopes and not user.is_staff:
        raise UnusableTokenRequest(
            f"{user.username} is no admin.", fix="Leave the admin scope out, or make them admin."
        )
    if expires_at is not None and expires_at <= now:
        raise UnusableTokenRequest(
            f"The date {expires_at.isoformat()} is past.", fix="Give a date in the future."
        )
    if not user.is_active:
        raise UnusableTokenRequest(
            f"{user.username} is switched off.", fix="Activate the account first."
        )


def _matching(text: str) -> ApiToken | None:
    digest = _digest(text)
    candidates = ApiToken.objects.select_related("user").filter(prefix=_prefix(text))
    for token in candidates:
        if hmac.compare_digest(token.digest, digest):
            return token
    return None


def _note_use(token: ApiToken, *, now: datetime) -> None:
    if token.last_used_at is None or now - token.last_used_at >= LAST_USED_STEP:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        token.last_used_at = now


def _make_text() -> str:
    body = _base62(int.from_bytes(secrets.token_bytes(32)), BODY_LENGTH)
    return f"{MARK}{body}{_checksum(body)}"


def _well_formed(text: str) -> bool:
    if not PATTERN.fullmatch(text):
        return False
    body = text[len(MARK) : len(MARK) + BODY_LENGTH]
    return _checksum(body) == text[len(MARK) + BODY_LENGTH :]


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def _prefix(text: str) -> str:
    return text[len(MARK) : len(MARK) + PREFIX_LENGTH]


def _digest(text: str) -> str:
    return salted_hmac("accounts.ApiToken", text, algorithm="sha256").hexdigest()


def _base62(number: int, length: int) -> str:
    signs: list[str] = []
    while number:
        number, rest = divmod(number, 62)
        signs.append(DIGITS[rest])
    return "".join(reversed(signs)).rjust(length, DIGITS[0])
