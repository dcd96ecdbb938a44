"""Whose files an import stores: people looked up, or created without a way to sign in."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from accounts import audit
from accounts.errors import AgnesError
from accounts.models import User, normalize_email
from accounts.usernames import LONGEST, username_from, validate_username
from telemetry.tombstones import is_erased_person

NO_ADDRESS = "no-address.invalid"
"""Reserved by RFC 2606, so no mail ever goes there."""


class UnusablePerson(AgnesError):
    code = "unusable_person"
    status = 422


class ErasedPerson(AgnesError):
    code = "erased_person"
    status = 410


def find_person(text: str) -> User | None:
    """The person with this e-mail address or username; None when there is none.

    Raises UnusablePerson for a text that is neither.
    """
    if "@" in text:
        return User.objects.filter(email=_checked_email(text)).first()
    return User.objects.filter(username=_checked_username(text)).first()


def known_addresses(text: str) -> tuple[str, ...]:
    """By what a tombstone of this person is found when there is no account. Raises as above."""
    if "@" in text:
        return (_checked_email(text),)
    username = _checked_username(text)
    return username, f"{username}@{NO_ADDRESS}"


@transaction.atomic
def create_person(text: str) -> User:
    """A new person with this e-mail address or username, who cannot sign in; audited.

    Raises UnusablePerson, or ErasedPerson when a person of that name was erased.
    """
    if "@" in text:
        email, username = _checked_email(text), ""
    else:
        username = _checked_username(text)
        email = f"{username}@{NO_ADDRESS}"
    if is_erased_person(text, email):
        raise ErasedPerson(
            f"{text!r} was erased and is not taken again.",
            fix="If they should come back, lift the tombstone: "
            f"manage.py usage_erase --user {text} --lift --yes",
        )
    user = User.objects.create_user(email, username=username)
    audit.record(
        action="user.create",
        door=audit.Door.COMMAND,
        resource_type="user",
        resource_id=str(user.pk),
        subject=user,
        details={"sign_in": False},
    )
    return user


def _checked_email(text: str) -> str:
    try:
        validate_email(text.strip())
    except ValidationError as error:
        raise UnusablePerson(
            f"{text!r} is no e-mail address.", fix="Give an e-mail address or a username."
        ) from error
    return normalize_email(text)


def _checked_username(text: str) -> str:
    try:
        validate_username(text)
    except ValidationError as error:
        raise UnusablePerson(
            f"{text!r} is no username: those are made of a-z, 0-9 and single hyphens.",
            fix=f"Use an e-mail address, or a name such as {username_from(text)!r}.",
        ) from error
    if len(text) > LONGEST:
        raise UnusablePerson(f"{text!r} is too long.", fix=f"Use at most {LONGEST} characters.")
    return text
