"""What a statement reads: over which days its tables reach, and how it narrows them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import sqlglot
from sqlglot import exp

from telemetry import mirror
from telemetry.mirror.tables import BY_NAME, UNDATED

TIME_COLUMNS = frozenset({"day", "occurred_at", "started_at", "ended_at", "period_label"})


@dataclass(frozen=True)
class TableRead:
    """A table and the first and last UTC day it holds; both None where its rows have no time."""

    name: str
    first_day: date | None
    last_day: date | None


def tables_read(names: Iterable[str]) -> list[TableRead]:
    """Raises MirrorUnavailable."""
    with mirror.reader() as database:
        found = []
        for name in names:
            time = BY_NAME[name].time
            days: tuple[date | None, date | None] = (None, None)
            if time:
                row = database.execute(
                    f'SELECT min("{time}")::DATE, max("{time}")::DATE FROM "{name}" '  # noqa: S608
                    f"WHERE \"{time}\" > DATE '{UNDATED}'"
                ).fetchone()
                days = (row[0], row[1]) if row else days
            found.append(TableRead(name, *days))
        return found


def date_conditions(sql: str) -> list[str]:
    """The conditions on times, as written out by sqlglot; none where it cannot read the SQL."""
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return []
    conditions = []
    for comparison in tree.find_all(exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.Between):
        columns = {column.name.lower() for column in comparison.this.find_all(exp.Column)}
        if columns & TIME_COLUMNS and not _joins(comparison):
            conditions.append(comparison.sql(dialect="duckdb"))
    return list(dict.fromkeys(conditions))


def _joins(comparison: exp.Condition) -> bool:
    """Whether it compares one table's time with another's."""
    other = comparison.args.get("expression")
    return other is not None and any(
        column.name.lower() in TIME_COLUMNS for column in other.find_all(exp.Column)
    )


def as_days(moment: datetime | None) -> str:
    """A UTC time as people read it, to the minute; empty for None."""
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""
