"""Usernames: stable slugs of a-z, 0-9 and hyphens, never an e-mail address."""

import re
import unicodedata

from django.core.validators import RegexValidator

LONGEST = 64
validate_username = RegexValidator(
    r"\A[a-z0-9]+(-[a-z0-9]+)*\Z",
    "A username is made of a-z, 0-9 and single hyphens between them, such as 'ada-lovelace'.",
    code="invalid_username",
)


def username_from(text: str) -> str:
    """The slug of an e-mail's local part, or of any name; 'user' when nothing usable is left."""
    local = text.split("@", 1)[0]
    plain = unicodedata.normalize("NFKD", local).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return slug[:LONGEST].strip("-") or "user"


def numbered(slug: str, number: int) -> str:
    """`slug` for 1, `slug-2` for 2 and so on, never longer than the longest username."""
    if number == 1:
        return slug
    tail = f"-{number}"
    return slug[: LONGEST - len(tail)].rstrip("-") + tail
