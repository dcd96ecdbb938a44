"""What a statement reads: over which days its tables reach, and how it narrows them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import sqlglot
from sqlglot import exp

from telemetry import mirror
from telemetry.mirror.tables import BY_NAME, UNDATED

TIME_COLUMNS = frozenset({"day", "occurred_at", "started_at", "ended_at", "period_label"})
# What a person reads of a statement; and where to stop looking, so that no statement takes long.
MOST_CONDITIONS = 20
MOST_COMPARISONS = 100
DEEPEST = 30
_COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.Between)


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
    """The first conditions on times, as written out by sqlglot; none where it cannot read the SQL.

    For SQL that the guard let pass: the time for any other text has no bound.
    """
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
        return _conditions(tree)
    except (sqlglot.errors.SqlglotError, RecursionError):
        return []


def _conditions(tree: exp.Expr) -> list[str]:
    conditions: dict[str, None] = {}
    seen: set[int] = set()
    for column in tree.find_all(exp.Column):
        comparison = _compared(column)
        if comparison is None or id(comparison) in seen:
            continue
        seen.add(id(comparison))
        if not _joins(comparison):
            conditions[comparison.sql(dialect="duckdb")] = None
        if len(conditions) == MOST_CONDITIONS or len(seen) == MOST_COMPARISONS:
            break
    return list(conditions)


def _compared(column: exp.Column) -> exp.Expr | None:
    """The comparison that holds a time to its left; None where there is none close by."""
    if column.name.lower() not in TIME_COLUMNS:
        return None
    part: exp.Expr = column
    for _ in range(DEEPEST):
        parent = part.parent
        if parent is None or isinstance(parent, _COMPARISONS):
            return parent if parent is not None and part.arg_key == "this" else None
        part = parent
    return None


def _joins(comparison: exp.Expr) -> bool:
    """Whether it compares one table's time with another's."""
    other = comparison.args.get("expression")
    return other is not None and any(
        column.name.lower() in TIME_COLUMNS for column in other.find_all(exp.Column)
    )


def as_days(moment: datetime | None) -> str:
    """A UTC time as people read it, to the minute; empty for None."""
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""
