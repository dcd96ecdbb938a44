"""The rows of an answer as people and programs read them: cells, csv, a chart where one fits."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from django.http import HttpResponse

from accounts.errors import AgnesError
from telemetry.ask.answers import Answer
from telemetry.mirror.sandbox import QueryResult, ResultColumn
from telemetry.taxonomy import Source

NUMBERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
MOST_DAYS = 120
"""Columns of a chart by day; more cannot be told apart."""
MOST_SERIES = 6
MOST_BARS = 40


@dataclass(frozen=True)
class DayChart:
    """`rows` are (day, a value for each of `names`), in order of time."""

    label: str
    names: tuple[str, ...]
    rows: list[tuple[date, tuple[float, ...]]]


@dataclass(frozen=True)
class BarChart:
    """A bar beside each row's number: the column `at` of the table, up to `most`."""

    at: int
    most: float


class NoRows(AgnesError):
    """The question has no rows that could be downloaded."""

    code: ClassVar[str] = "no_rows"
    status: ClassVar[int] = 422


def is_number(column: ResultColumn) -> bool:
    return column.type.split("(")[0].upper() in NUMBERS


def cell_text(value: Any) -> str:
    """A value on one line: empty for null, JSON for lists and structs."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def csv_lines(result: QueryResult) -> Iterator[str]:
    """A header and the rows, as RFC 4180 has it. Values are never changed."""
    line = io.StringIO(newline="")
    writer = csv.writer(line)
    for row in ([column.name for column in result.columns], *result.rows):
        writer.writerow([cell_text(value) for value in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def csv_response(answer: Answer) -> HttpResponse:
    """The rows as a file. Raises NoRows where the SQL did not run."""
    if answer.result is None:
        raise NoRows(answer.asked.error or "The question has no SQL.", fix="Change the SQL.")
    body = "".join(csv_lines(answer.result))
    name = f"question-{answer.asked.pk}.csv"
    return HttpResponse(
        body,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def chart_of(result: QueryResult) -> DayChart | BarChart | None:
    """The chart whose shape the rows have; None when none fits.

    A day and a number, or a day, a name and a number, make columns by day; a name in the first
    column and a number later make bars. Of several numbers the first is drawn: others may have
    another unit.
    """
    columns, rows = result.columns, result.rows
    if len(rows) < 2:
        return None
    numbers = [at for at, column in enumerate(columns) if is_number(column)]
    if not numbers:
        return None
    if columns[0].type == "DATE":
        return _days(columns, rows, numbers[0])
    values = [row[numbers[0]] for row in rows]
    drawable = all(_is_count(value) for value in values) and any(values)
    if columns[0].type == "VARCHAR" and len(rows) <= MOST_BARS and drawable:
        return BarChart(numbers[0], max(value or 0 for value in values))
    return None


def _days(columns: tuple[ResultColumn, ...], rows: list[list[Any]], number: int) -> DayChart | None:
    if any(row[0] is None or not _is_count(row[number]) for row in rows):
        return None
    by_name = number > 1 and columns[1].type == "VARCHAR"
    label = f"{columns[number].name} by {columns[0].name}"
    names = _series(rows) if by_name else [columns[number].name]
    days = sorted({row[0] for row in rows})
    if len(names) > MOST_SERIES or len(days) > MOST_DAYS or len(days) < 2:
        return None
    values: dict[tuple[str, str], float] = {}
    for row in rows:
        key = row[0], str(row[1]) if by_name else names[0]
        if key in values:
            return None
        values[key] = row[number] or 0
    return DayChart(
        label,
        tuple(names),
        [
            (date.fromisoformat(day), tuple(values.get((day, name), 0) for name in names))
            for day in days
        ],
    )


def _series(rows: list[list[Any]]) -> list[str]:
    """The names in their order; sources all four in theirs, as they have colours of their own."""
    names = list(dict.fromkeys(str(row[1]) for row in rows))
    return [source.value for source in Source] if set(names) <= set(Source) else names


def _is_count(value: Any) -> bool:
    """Whether a bar can show it: nothing, or a number that is not negative."""
    return value is None or (
        isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    )
