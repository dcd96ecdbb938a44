"""What commands print: tables for people, JSON for scripts, problems on stderr."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from agnes_cli.errors import ClientError

WIDEST = 60


def say(text: str = "") -> None:
    sys.stdout.write(_printable(f"{text}\n"))


def warn(text: str) -> None:
    sys.stderr.write(_printable(f"{text}\n"))


def say_json(data: object) -> None:
    sys.stdout.write(json.dumps(data, indent=1, ensure_ascii=True) + "\n")


def say_problem(error: ClientError, *, as_json: bool) -> None:
    """The envelope of the API, or its two sentences."""
    if as_json:
        told = {
            "code": error.code,
            "message": error.message,
            "fix": error.fix,
            "details": error.details,
        }
        sys.stderr.write(json.dumps({"error": told}) + "\n")
    else:
        warn(f"agnes: {error.message} {error.fix}")


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as they have to be; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max([_width(name), *(_width(row[at]) for row in cells)]) for at, name in enumerate(columns)
    ]
    numeric = [
        bool(cells) and all(_is_number(row[at]) for row in cells) for at in range(len(columns))
    ]
    say(_line(columns, widths, numeric))
    say("  ".join("-" * width for width in widths))
    for row in cells:
        say(_line(row, widths, numeric))


def size_of(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def plural(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = []
    for cell, width, right in zip(cells, widths, numeric):
        space = " " * (width - _width(cell))
        padded.append(space + cell if right else cell + space)
    return "  ".join(padded).rstrip()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = json.dumps(value) if isinstance(value, (dict, list, bool)) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _is_number(cell: str) -> bool:
    return cell == "" or cell.lstrip("-").replace(".", "", 1).isdigit()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _printable(text: str) -> str:
    """Without what could steer a terminal: names come from other people."""
    return "".join(
        sign if sign in "\n\t" or unicodedata.category(sign) not in ("Cc", "Cf", "Cs") else "\ufffd"
        for sign in text
    )
