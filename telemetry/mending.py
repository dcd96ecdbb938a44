"""What the typed decoder refuses, decoded all the same: cleaned, and cut down to known types."""

import json
import math
import re
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
import msgspec.inspect

MAX_COUNT = 2**40
"""Token counts beyond this are damage; millions of them still add up to a 64-bit number."""

DEEPEST = 100
"""Levels that are kept of a value nested too deep for the stack; what telemetry reads lies at ten
at most."""
MAX_TOKENS = 2**21
"""Texts and brackets looked at to cut such a value, a second's work; more is damage."""

# A string, ended or not, or one bracket; possessive, so that no text costs more than its length.
_TOKENS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{\]}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


def load_value(view: bytes) -> Any:
    """A JSON value by the standard library, clean.

    Raises nothing, and takes numbers of any size: those beyond a double or 64 bits are None, and so
    are the parts of a value nested too deep that lie below DEEPEST.
    """
    try:
        return Cleaner().load(view)
    except (ValueError, RecursionError):
        return None


def cut_deep(raw: bytes) -> bytes:
    """JSON with null for every array and object below DEEPEST; what those hold is not checked.

    Raises ValueError where they have no end, and for more than MAX_TOKENS texts and brackets.
    """
    kept, depth, parts = 0, 0, []
    for number, token in enumerate(_TOKENS.finditer(raw)):
        if number > MAX_TOKENS:
            raise ValueError("too many brackets")
        first = raw[token.start() : token.start() + 1]
        if first in (b"[", b"{"):
            depth += 1
            if depth == DEEPEST + 1:
                parts += [raw[kept : token.start()], b"null"]
        elif first in (b"]", b"}"):
            if depth == DEEPEST + 1:
                kept = token.end()
            depth -= 1
    if depth > DEEPEST:
        raise ValueError("brackets without an end")
    return b"".join([*parts, raw[kept:]])


def _parse_int(digits: str) -> int | None:
    return int(digits) if len(digits) < 20 else None


class Cleaner:
    """Takes out of a value what databases cannot hold; remembers whether text was mended."""

    def __init__(self) -> None:
        self.mended = False

    def load(self, raw: bytes) -> Any:
        """A JSON value, clean; without its deepest parts where it is nested too deep.

        Raises ValueError, and RecursionError where the stack is all but used up.
        """
        try:
            return self.clean(json.loads(raw, parse_int=_parse_int))
        except RecursionError:
            return self.clean(json.loads(cut_deep(raw), parse_int=_parse_int))

    def clean(self, part: Any) -> Any:
        if isinstance(part, str):
            whole = _SURROGATE.sub("\ufffd", part).replace("\x00", "")
            self.mended = self.mended or whole != part
            return whole
        if isinstance(part, dict):
            return {self.clean(key): self.clean(inner) for key, inner in part.items()}
        if isinstance(part, list):
            return [self.clean(inner) for inner in part]
        if isinstance(part, float) and not math.isfinite(part):
            return None
        return part


def fit(value: dict[str, Any], struct: Any) -> dict[str, Any]:
    """The parts of an object that a struct can take; parts of a wrong type count as absent."""
    kinds = _field_kinds(struct)
    fitted = {key: _fit_value(value[key], kind) for key, kind in kinds.items() if key in value}
    return {key: part for key, part in fitted.items() if part is not None}


@cache
def _field_kinds(struct: Any) -> dict[str, Any]:
    described = msgspec.inspect.type_info(struct)
    if not isinstance(described, msgspec.inspect.StructType):
        raise TypeError(f"{struct!r} is no struct")
    return {field.name: field.type for field in described.fields}


def _fit_value(part: Any, kind: Any) -> Any:
    if isinstance(kind, msgspec.inspect.UnionType):
        kind = next(one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType))
    match kind:
        case msgspec.inspect.RawType():
            return msgspec.Raw(json.dumps(part).encode())
        case msgspec.inspect.BoolType():
            return part if isinstance(part, bool) else None
        case msgspec.inspect.StrType():
            return part if isinstance(part, str) else None
        case msgspec.inspect.IntType():
            return _whole(part)
        case msgspec.inspect.DateTimeType():
            return _moment(part)
        case msgspec.inspect.ListType():
            items = part if isinstance(part, list) else []
            return [
                one
                for one in (_fit_value(item, kind.item_type) for item in items)
                if one is not None
            ]
        case msgspec.inspect.StructType():
            return fit(part, kind.cls) if isinstance(part, dict) else None
    raise TypeError(f"no rule to fit a {kind!r}")


def _whole(part: Any) -> int | None:
    """A number that is whole, 12.0 as much as 12, and not beyond MAX_COUNT; None for all else."""
    if isinstance(part, bool) or not isinstance(part, int | float):
        return None
    return int(part) if part == part // 1 and abs(part) < MAX_COUNT else None


def _moment(part: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(part)
    except (ValueError, TypeError):
        return None
