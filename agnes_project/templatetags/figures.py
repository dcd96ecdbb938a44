"""Numbers as people read them: thin separators, units, and what is not known said to be so.

Filters take None for "not known". A number that was shortened carries the whole one as its title.
"""

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

THIN = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
UNKNOWN = "unknown"
COMPACT = ((1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))
BINARY = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


@register.filter
def number(value: Any, decimals: int = 0) -> str:
    """1234567 as 1 234 567; a fraction is rounded to `decimals`."""
    if value is None:
        return UNKNOWN
    text = f"{value:,.{decimals}f}".replace(",", THIN)
    return text.replace("-", MINUS)


@register.filter
def compact(value: Any) -> SafeString | str:
    """1234567 as 1.23 M; below ten thousand as it is."""
    if value is None:
        return UNKNOWN
    if abs(value) < 10_000:
        return number(value)
    # What would round up to a thousand of a unit is one of the next.
    size, unit = next(step for step in COMPACT if abs(value) >= step[0] * 0.9995)
    return _with_unit(_three_digits(value / size), unit, number(value))


@register.filter
def share(value: Any) -> str:
    """0.1234 as 12.3 %. What is not all never reads as 100 %, and what is not none never as 0 %."""
    if value is None:
        return UNKNOWN
    percent = value * 100
    shown = f"{percent:.1f}".removesuffix(".0")
    if shown == "0" and percent > 0:
        return f"<{THIN}0.1{THIN}%"
    if shown == "100" and percent < 100:
        shown = "99.9"
    return f"{shown}{THIN}%"


@register.filter
def share_of(part: Any, whole: Any) -> str:
    """`part` of `whole` in percent; a dash where there is no whole."""
    if part is None or whole is None:
        return UNKNOWN
    return share(part / whole) if whole else "–"


@register.filter
def usd(value: Any) -> str:
    """Dollars with cents; smaller amounts say so instead of reading as nothing."""
    if value is None:
        return UNKNOWN
    if 0 < value < 0.01:
        return f"<{THIN}$0.01"
    return f"${number(value, 0 if value >= 10_000 else 2)}"


@register.filter
def duration(seconds: Any) -> str:
    """12 s, 4 min, 3 h 20 min, 120 h."""
    if seconds is None:
        return UNKNOWN
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{THIN}s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes}{THIN}min"
    hours, rest = divmod(minutes, 60)
    if hours >= 100 or not rest:
        return f"{number(round(minutes / 60))}{THIN}h"
    return f"{hours}{THIN}h {rest}{THIN}min"


@register.filter
def size(value: Any) -> SafeString | str:
    """Bytes in binary units."""
    if value is None:
        return UNKNOWN
    for step, unit in BINARY:
        if value >= step:
            return _with_unit(_three_digits(value / step), unit, f"{number(value)} bytes")
    return f"{number(value)}{THIN}B"


@register.simple_tag
def change(now: Any, before: Any, better: str = "") -> SafeString | str:
    """How much more than before, in percent, with an arrow; `better` is up, down or neither.

    Empty where there is nothing to compare with.
    """
    if now is None or not before:
        return ""
    ratio = (now - before) / before
    if abs(ratio) < 0.0005:
        return format_html('<span title="before: {}">no change</span>', _plain(before))
    direction = "up" if ratio > 0 else "down"
    judged = "" if not better else "better" if direction == better else "worse"
    percent = f"{abs(ratio) * 100:.0f}" if abs(ratio) >= 0.0995 else f"{abs(ratio) * 100:.1f}"
    return format_html(
        '<span class="{}" title="before: {}"><span aria-hidden="true">{}</span>'
        '<span class="visually-hidden">{} by </span> {}</span>',
        judged,
        _plain(before),
        "↑" if ratio > 0 else "↓",
        direction,
        f"{percent}{THIN}%",
    )


def _three_digits(value: float) -> str:
    decimals = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{decimals}f}".replace("-", MINUS)


def _with_unit(text: str, unit: str, whole: str) -> SafeString:
    return format_html(
        '<span title="{}">{}{}<span class="unit">{}</span></span>', whole, text, THIN, unit
    )


def _plain(value: Any) -> str:
    return number(value, 0 if value == int(value) else 2)
