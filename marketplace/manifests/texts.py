"""Texts of manifests made safe to keep: decoded, bounded, without control characters."""

import math
import re
from typing import Any, Final

LONGEST_DESCRIPTION: Final = 4_000
LONGEST_NAME: Final = 100
"""Of a plugin, skill, agent, command, server or folder; what the tables hold follows from it."""

# Also what cannot be seen or turns text around: it makes one name look like another.
UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
IN_PATHS: Final = re.compile(r"[/\\:]")
KEBAB: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def decode(content: bytes) -> str:
    """UTF-8, a byte order mark dropped, line ends as `\\n`, what is not UTF-8 as U+FFFD."""
    text = content.decode("utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def clean(value: object, longest: int = LONGEST_DESCRIPTION) -> str:
    """A text for people to read; empty when `value` is no text."""
    if not isinstance(value, str):
        return ""
    text = value.encode("utf-8", errors="replace").decode() if _has_surrogates(value) else value
    text = CONTROL.sub("", text).strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"


def name_problem(name: object, longest: int = LONGEST_NAME) -> str | None:
    """Why this cannot be a name, as the end of a sentence; None when it can."""
    if not isinstance(name, str) or not name.strip():
        return "is empty or no text"
    if len(name) > longest:
        return f"is longer than {longest} characters"
    if UNSEEN.search(name) or _has_surrogates(name):
        return "holds control or invisible characters"
    if IN_PATHS.search(name) or name in {".", ".."}:
        return "holds a slash, a backslash or a colon, or is a path"
    if name != name.strip():
        return "begins or ends with a blank"
    return None


def is_keepable(value: Any) -> bool:
    """Whether a value can be written as JSON in UTF-8 and kept by PostgreSQL."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return "\x00" not in value and not _has_surrogates(value)
    if isinstance(value, dict):
        return all(is_keepable(each) for pair in value.items() for each in pair)
    return all(map(is_keepable, value)) if isinstance(value, list) else True


def shown(value: Any) -> str:
    """A value from a manifest for a message: one line, short, escaped."""
    text = ascii(value) if not isinstance(value, str) else ascii(value)[1:-1]
    return text if len(text) <= 80 else f"{text[:79]}…"


def line_of(text: str, wanted: str) -> int | None:
    """The line, from 1, on which `wanted` first stands; None when it does not."""
    place = text.find(wanted)
    return None if place < 0 else text.count("\n", 0, place) + 1


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in text)
