"""Values as DuckDB hands them over -> values that JSON can hold."""

import datetime
import decimal
from collections.abc import Callable
from typing import Any

# What a JavaScript reader would round.
LARGEST_INTEGER = 2**53 - 1


def plain(value: Any) -> Any:
    """A value of a result as JSON can hold it; docs/ask-security.md has the table."""
    convert = CONVERT.get(type(value))
    return str(value) if convert is None else convert(value)


def plain_integer(value: int) -> int | str:
    return value if -LARGEST_INTEGER <= value <= LARGEST_INTEGER else str(value)


def plain_float(value: float) -> float | str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def plain_decimal(value: Any) -> float | int | str:
    if not value.is_finite():
        return plain_float(float(value))
    if value == value.to_integral_value():
        return plain_integer(int(value))
    number = float(value)
    return number if type(value)(repr(number)) == value else str(value)


def plain_dict(value: dict[Any, Any]) -> Any:
    """A STRUCT, or a MAP; one whose keys are no texts becomes a list of pairs."""
    if all(isinstance(key, str) for key in value):
        return {key: plain(item) for key, item in value.items()}
    return [[plain(key), plain(item)] for key, item in value.items()]


def plain_interval(value: Any) -> str:
    """Days and time of day; DuckDB hands a month over as 30 days."""
    sign, value = ("-", -value) if value.days < 0 else ("", value)
    seconds = value.seconds
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    fraction = f".{value.microseconds:06}" if value.microseconds else ""
    days = f"{sign}{value.days} day{'' if value.days == 1 else 's'}"
    return f"{days} {clock}{fraction}"


def _sequence(value: Any) -> list[Any]:
    return [plain(item) for item in value]


def _iso(value: Any) -> str:
    return str(value.isoformat())


def _same(value: Any) -> Any:
    return value


CONVERT: dict[type, Callable[[Any], Any]] = {
    type(None): _same,
    bool: _same,
    str: _same,
    int: plain_integer,
    float: plain_float,
    decimal.Decimal: plain_decimal,
    bytes: bytes.hex,
    bytearray: bytearray.hex,
    list: _sequence,
    tuple: _sequence,
    dict: plain_dict,
    datetime.datetime: _iso,
    datetime.date: _iso,
    datetime.time: _iso,
    datetime.timedelta: plain_interval,
}
