"""Times as people read them: how long ago, the exact one on hover, with its zone."""

from datetime import UTC, date, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

STEPS = (
    (86400 * 365, "year"),
    (86400 * 30, "month"),
    (86400, "day"),
    (3600, "hour"),
    (60, "minute"),
)
NEVER = "never"


def relative(at: datetime, *, now: datetime) -> str:
    """ "3 hours ago", "in 2 minutes", "just now"; the largest whole unit."""
    seconds = (now - at).total_seconds()
    for length, unit in STEPS:
        count = int(abs(seconds) // length)
        if count:
            words = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "just now" if seconds >= 0 else "in a moment"


@register.filter
def moment(at: Any) -> SafeString | str:
    """How long ago; "never" for None."""
    if at is None:
        return NEVER
    return _time(at, relative(at, now=timezone.now()))


@register.filter
def instant(at: Any) -> SafeString | str:
    """The minute itself, in UTC; "never" for None."""
    if at is None:
        return NEVER
    return _time(at, f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC")


@register.filter
def day(value: Any) -> SafeString | str:
    """A UTC day such as 3 May 2026; "never" for None."""
    if value is None:
        return NEVER
    shown: date = value.astimezone(UTC).date() if isinstance(value, datetime) else value
    return format_html(
        '<time datetime="{}" title="{} (UTC day)">{}</time>',
        shown.isoformat(),
        shown.isoformat(),
        f"{shown.day} {shown:%b %Y}",
    )


def _time(at: datetime, words: str) -> SafeString:
    exact = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(),
        f"{exact:%Y-%m-%d %H:%M:%S} UTC",
        words,
    )
