"""The rows that a summary is about, picked once from the mirror and read many times.

Two temporary tables of one cursor. `chosen_facts`: what people did on a day, by what it names, from
`usage_user_daily`; with a model or a project from `usage_session_daily`, since only sessions have
these. `chosen_sessions`: the sessions that started in the window, or in that before it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from telemetry import mirror
from telemetry.stats.filters import Filters
from telemetry.stats.windows import Window

FACTS = (
    "day, user_id, username, event_type, tool_name, source, ref_id, item_kind, name, "
    "calls, invocations, errors, rejected, interrupted"
)
SESSIONS = (
    "session_pk, user_id, username, started_at::DATE AS day, started_at, project, primary_model, "
    "prompts, active_seconds, responses, usage_final_share, input_tokens, output_tokens, "
    "cache_creation_tokens, cache_read_tokens, cost_usd"
)
EVENT_CONDITIONS = {
    "source": "source = ?",
    "marketplace": "source = 'curated' AND split_part(ref_id, '/', 1) = ?",
    "plugin": "ref_id = ?",
    "tool": "tool_name = ?",
    "item": "name = ? AND item_kind <> 'tool'",
}
FACTS_OF_SESSIONS = """
    (SELECT d.*, p.username FROM usage_session_daily d JOIN usage_people p USING (user_id)
     WHERE d.session_pk IN (SELECT session_pk FROM usage_session_summary WHERE {picked}))
"""
SESSION_CONDITIONS = {"model": "primary_model = ?", "project": "project = ?"}


@dataclass
class Selection:
    """A cursor on the mirror with both tables."""

    cursor: Any
    window: Window
    filters: Filters

    def rows(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self.cursor.execute(query, values or []).fetchall()
        return rows


@contextmanager
def select(window: Window, filters: Filters) -> Iterator[Selection]:
    """Raises MirrorUnavailable."""
    with mirror.reader() as cursor:
        selection = Selection(cursor, window, filters)
        _make(selection, "chosen_facts", *_facts(window, filters))
        _make(selection, "chosen_sessions", *_sessions(window, filters))
        yield selection


def _make(selection: Selection, name: str, query: str, values: list[Any]) -> None:
    selection.cursor.execute(f"CREATE TEMP TABLE {name} AS {query}", values)


def _facts(window: Window, filters: Filters) -> tuple[str, list[Any]]:
    span: list[Any] = [window.before_first, window.last]
    conditions, values = _conditions(EVENT_CONDITIONS, filters.of_events)
    if filters.person:
        conditions, values = [*conditions, "username = ?"], [*values, filters.person]
    if not filters.of_sessions:
        return _where(FACTS, "usage_user_daily", conditions), [*span, *values]
    picked, of_session = _conditions(SESSION_CONDITIONS, filters.of_sessions)
    rows = FACTS_OF_SESSIONS.format(picked=" AND ".join(picked))
    return _where(FACTS, rows, conditions), [*of_session, *span, *values]


def _where(columns: str, table: str, conditions: list[str]) -> str:
    return (
        f"SELECT {columns} FROM {table} "  # noqa: S608
        f"WHERE {' AND '.join(['day BETWEEN ? AND ?', *conditions])}"
    )


def _sessions(window: Window, filters: Filters) -> tuple[str, list[Any]]:
    values: list[Any] = [window.before_first, window.until]
    conditions = ["started_at >= ?", "started_at < ?"]
    if filters.person:
        conditions.append("username = ?")
        values.append(filters.person)
    picked, of_session = _conditions(SESSION_CONDITIONS, filters.of_sessions)
    conditions += picked
    values += of_session
    if filters.of_events:
        wanted, of_events = _conditions(EVENT_CONDITIONS, filters.of_events)
        conditions.append(
            # A session has no event before it starts, so older days need no look.
            "session_pk IN (SELECT session_pk FROM usage_session_daily "  # noqa: S608
            f"WHERE day >= ? AND {' AND '.join(wanted)})"
        )
        values += [window.before_first, *of_events]
    where = " AND ".join(conditions)
    return f"SELECT {SESSIONS} FROM usage_session_summary WHERE {where}", values  # noqa: S608


def _conditions(known: dict[str, str], chosen: dict[str, str]) -> tuple[list[str], list[Any]]:
    return [known[name] for name in chosen], list(chosen.values())


def first_and_last_day(selection: Selection) -> tuple[date, date] | None:
    """The days of which there is anything at all; None of an empty mirror."""
    found = selection.rows(
        "SELECT min(day), max(day) FROM (SELECT min(day) AS day FROM usage_user_daily "
        "WHERE day > DATE '1970-01-01' UNION ALL SELECT max(day) FROM usage_user_daily "
        "UNION ALL SELECT min(started_at)::DATE FROM usage_session_summary "
        "UNION ALL SELECT max(started_at)::DATE FROM usage_session_summary) "
        "WHERE day > DATE '1970-01-01'"
    )
    first, last = found[0]
    return (first, last) if first else None
