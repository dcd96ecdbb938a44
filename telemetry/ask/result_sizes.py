"""Calls whose result could be of any size: each has to say in the text how much it asks for.

Works on expressions of DuckDB's parse tree, before anything is bound or evaluated.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from telemetry.ask import allow_list
from telemetry.ask.refusal import Reason, SqlRefused

Expression = dict[str, Any]

# Functions of what is there already: as long as a value, or as a span of time in such units.
_LENGTHS = frozenset({"len", "length", "array_length", "cardinality", "strlen", "char_length"})
_SPANS = frozenset({"date_diff", "datediff", "date_sub", "datesub"})
_SPAN_UNITS = frozenset({"hour", "day", "week", "month", "quarter", "year", "decade", "century"})
_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "week": 7 * 86_400,
    "month": 28 * 86_400,
    "quarter": 90 * 86_400,
    "year": 365 * 86_400,
    "decade": 3650 * 86_400,
}
_INTERVAL = re.compile(r"\s*-?\s*(\d+)\s*([a-z]+?)s?\s*", re.IGNORECASE)
# A step below that over an unknown span would be more rows than a question can want.
_SMALLEST_STEP = 3600
_LARGEST_EXACT = 2.0**53
_WIDTH = re.compile(r"\d{4,}|\*|\{[^{}]*\{")


def check_size(call: Expression) -> None:
    """Raise SqlRefused where the call may ask for more than the allow-list's sizes."""
    name = str(call["function_name"]).lower()
    if name in allow_list.SERIES:
        _check_series(name, call)
    elif name in allow_list.LENGTH_ARGUMENT:
        place, most = allow_list.LENGTH_ARGUMENT[name]
        _check_length(name, call, place, most)
    elif name in allow_list.TEMPLATES:
        _check_template(name, call)
    elif name in allow_list.NAMED_AGGREGATION:
        _check_named_aggregate(name, call)
    if name in allow_list.GROWING:
        _check_alone(name, call)


def _refuse(name: str, problem: str, fix: str) -> SqlRefused:
    return SqlRefused(Reason.SIZE, f"{name}() was refused: {problem}.", fix=fix, names=(name,))


def _is_chained(call: Expression) -> bool:
    # x.repeat(3) is written as repeat(3) in a schema x: the arguments stand elsewhere.
    return call["schema"] not in ("", "main")


def _check_length(name: str, call: Expression, place: int, most: int) -> None:
    arguments = call["children"]
    if name == "bar" and len(arguments) == place and not _is_chained(call):
        return
    length = None if len(arguments) <= place else _most(arguments[place])
    if _is_chained(call) or length is None or not abs(length) <= most:
        raise _refuse(
            name,
            f"its length is not known to be at most {most}",
            f"Write the length as a number, or as least(…, {most}).",
        )


def _check_template(name: str, call: Expression) -> None:
    first = call["children"][0] if call["children"] else {}
    template = _text(first)
    if _is_chained(call) or template is None or _WIDTH.search(template):
        raise _refuse(
            name,
            "its template is not a text with widths below 1000",
            "Write the template as a text, or use || to join.",
        )


def _check_named_aggregate(name: str, call: Expression) -> None:
    arguments = call["children"]
    aggregate = _text(arguments[1]) if len(arguments) > 1 else None
    known = aggregate is not None and aggregate.lower() in allow_list.AGGREGATES
    if _is_chained(call) or not known:
        raise SqlRefused(
            Reason.FUNCTION,
            f"{name}() was refused: its aggregate is not a known name written as a text.",
            fix=f"Write the aggregate's name, as in {name}(values, 'sum').",
            names=(name,),
        )


def _check_alone(name: str, call: Expression) -> None:
    for inner in _calls(call["children"]):
        if inner in allow_list.GROWING:
            raise _refuse(
                name, f"{inner}() stands inside of it, and sizes multiply", "Use one of them."
            )


def _calls(part: Any) -> Iterator[str]:
    """The names of all functions called anywhere in a part of the tree."""
    open_parts = [part]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, dict):
            if "function_name" in part:
                yield str(part["function_name"]).lower()
            open_parts.extend(part.values())
        elif isinstance(part, list):
            open_parts.extend(part)


def _check_series(name: str, call: Expression) -> None:
    arguments = call["children"]
    step = _seconds(arguments[2]) if len(arguments) == 3 else None
    if _is_chained(call) or any(argument.get("alias") for argument in arguments):
        rows = None
    elif step is not None:
        rows = _rows_of_time(arguments, step)
    else:
        rows = _rows_of_numbers(arguments)
    if rows is None or not rows <= allow_list.MAX_ROWS:
        raise _refuse(
            name,
            f"it is not known to make at most {allow_list.MAX_ROWS} values",
            f"Write its bounds as numbers or dates, or as least(…, {allow_list.MAX_ROWS}).",
        )


def _rows_of_numbers(arguments: list[Expression]) -> float | None:
    """How many values at most, None where that is not known."""
    if not 1 <= len(arguments) <= 3:
        return None
    start = 0.0 if len(arguments) == 1 else _number(arguments[0])
    stop = _most(arguments[0 if len(arguments) == 1 else 1])
    step = _number(arguments[2]) if len(arguments) == 3 else 1.0
    if start is None or stop is None or not step:
        return None
    if step < 0 and any(_number(bound) is None for bound in arguments[:2]):
        # Downwards a bound that is a most only says nothing.
        return None
    return abs(stop - start) / abs(step) + 1


def _rows_of_time(arguments: list[Expression], step: float) -> float | None:
    start, stop = _instant(arguments[0]), _instant(arguments[1])
    if start is not None and stop is not None:
        return abs((stop - start).total_seconds()) / step + 1 if step else None
    if any(_is_unreadable(bound) for bound in arguments[:2]):
        return None
    # From the first to the last day of the data, say.
    return 0.0 if step >= _SMALLEST_STEP else None


def _seconds(step: Expression) -> float | None:
    """The length of an interval written as such, None for anything else; a sign is left out."""
    step = _without_sign(step)
    if step["class"] == "CAST" and step["cast_type"]["id"] == "INTERVAL":
        found = _INTERVAL.fullmatch(_text(step["child"]) or "")
        return float(found[1]) * _SECONDS.get(found[2].lower(), 0) if found else 0.0
    if step["class"] == "FUNCTION" and str(step["function_name"]).startswith("to_"):
        unit = str(step["function_name"]).removeprefix("to_").removesuffix("s")
        count = _number(step["children"][0]) if len(step["children"]) == 1 else None
        return (count or 0.0) * _SECONDS.get(unit, 0)
    return None


def _instant(expression: Expression) -> datetime | None:
    """A date or time written as a text, without a zone; None for anything else."""
    while expression["class"] == "CAST":
        expression = expression["child"]
    try:
        return datetime.fromisoformat(_text(expression) or "").replace(tzinfo=None)
    except ValueError:
        return None


def _is_unreadable(expression: Expression) -> bool:
    """Whether a time is written out, and as no day of the years 1 to 9999."""
    while expression["class"] == "CAST":
        expression = expression["child"]
    return expression["class"] == "CONSTANT" and _instant(expression) is None


def _text(expression: Expression) -> str | None:
    if expression.get("class") != "CONSTANT":
        return None
    value = expression["value"]
    return str(value["value"]) if value["type"]["id"] == "VARCHAR" and "value" in value else None


def _without_sign(expression: Expression) -> Expression:
    is_sign = expression["class"] == "FUNCTION" and expression["function_name"] in ("-", "+")
    if is_sign and len(expression["children"]) == 1:
        child: Expression = expression["children"][0]
        return child
    return expression


def _number(expression: Expression) -> float | None:
    """The value of a number that is written out, with + - * and casts; None for anything else."""
    kind = expression["class"]
    if kind == "CONSTANT":
        return _constant(expression["value"])
    if kind == "CAST":
        return _number(expression["child"])
    if kind != "FUNCTION" or expression["function_name"] not in ("+", "-", "*", "trunc"):
        return None
    values = [_number(child) for child in expression["children"]]
    known = [value for value in values if value is not None]
    if not known or len(known) != len(values):
        return None
    return _exact(_calculate(str(expression["function_name"]), known))


def _calculate(sign: str, values: list[float]) -> float:
    first = values[0]
    if len(values) == 1:
        return -first if sign == "-" else first
    second = values[1]
    if sign == "*":
        return first * second
    return first - second if sign == "-" else first + second


def _constant(value: dict[str, Any]) -> float | None:
    written = value.get("value")
    if isinstance(written, dict):
        # Of more than 64 bits.
        return None
    if isinstance(written, bool) or not isinstance(written, int | float):
        return None
    if value["type"]["id"] == "DECIMAL":
        return float(written) / 10.0 ** int(value["type"]["type_info"]["scale"])
    return _exact(float(written))


def _exact(number: float) -> float | None:
    """None for what a float would round, infinities too: sizes are far below."""
    return number if abs(number) <= _LARGEST_EXACT else None


def _most(expression: Expression) -> float | None:
    """A number that the value does not exceed; lengths of what is there count as nothing."""
    number = _number(expression)
    if number is not None:
        return number
    if expression["class"] == "CAST":
        return _most(expression["child"])
    if expression["class"] != "FUNCTION" or expression["schema"] not in ("", "main"):
        return None
    return _most_of_call(str(expression["function_name"]).lower(), expression["children"])


def _most_of_call(name: str, arguments: list[Expression]) -> float | None:
    unit = _text(arguments[0]) if arguments else None
    if name in _LENGTHS or (name in _SPANS and unit in _SPAN_UNITS):
        return 0.0
    if name == "+" and len(arguments) == 2:
        known = [bound for part in arguments if (bound := _most(part)) is not None]
        return sum(known) if len(known) == 2 else None
    if name == "-" and len(arguments) == 2 and _number(arguments[1]) is not None:
        first = _most(arguments[0])
        return None if first is None else first - (_number(arguments[1]) or 0.0)
    if name == "least":
        known = [bound for part in arguments if (bound := _most(part)) is not None]
        return min(known, default=None)
    return None
