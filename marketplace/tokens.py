"""Tokens of private repositories: sealed in the database, or named by an environment variable."""

import base64
import hashlib
from typing import ClassVar, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from accounts.errors import AgnesError
from marketplace.models import Marketplace

PURPOSE: Final = b"agnes.marketplace.token"
LONGEST: Final = 2_000


class TokenUnreadable(AgnesError):
    """A token that is set but cannot be had."""

    code: ClassVar[str] = "marketplace_token_unreadable"
    status: ClassVar[int] = 409


def seal(token: str) -> str:
    """The token encrypted under the instance's secret key; empty for none."""
    return _keys().encrypt(token.encode()).decode() if token else ""


def token_of(marketplace: Marketplace) -> str:
    """The token to send, empty where none is set. Raises TokenUnreadable."""
    if marketplace.token_variable:
        token = str(settings.AGNES_MARKETPLACE_TOKENS.get(marketplace.token_variable, ""))
        if not token:
            raise TokenUnreadable(
                f"The environment variable {marketplace.token_variable} is not set.",
                fix="Set it for the web server and the worker, and restart them.",
            )
        return token
    if not marketplace.token_sealed:
        return ""
    try:
        return _keys().decrypt(marketplace.token_sealed.encode()).decode()
    except InvalidToken:
        raise TokenUnreadable(
            "The stored token was encrypted under another AGNES_SECRET_KEY.",
            fix="Give the token again.",
        ) from None


def _keys() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_key(secret)) for secret in secrets])


def _key(secret: str | bytes) -> bytes:
    text = secret if isinstance(secret, bytes) else secret.encode()
    return base64.urlsafe_b64encode(hashlib.blake2b(text, key=PURPOSE, digest_size=32).digest())
