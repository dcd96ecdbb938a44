"""The rows that a summary is about: two views of one cursor, which every figure is read from.

`chosen_facts`: what people did on a day, by what it names, from `usage_user_daily`; with a model or
a project from `usage_session_daily`, since only sessions have these. `chosen_sessions`: those that
started in the window, or in that before it. Views, since the mirror's own columns are read faster
than copies of them.
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
# A view takes no parameters; what people typed reaches it as a variable, never as text of SQL.
EVENT_CONDITIONS = {
    "source": "source = getvariable('source')",
    "marketplace": (
        "source = 'curated' AND split_part(ref_id, '/', 1) = getvariable('marketplace')"
    ),
    "plugin": "ref_id = getvariable('plugin')",
    "tool": "tool_name = getvariable('tool')",
    "item": "name = getvariable('item') AND item_kind <> 'tool'",
}
SESSION_CONDITIONS = {
    "model": "primary_model = getvariable('model')",
    "project": "project = getvariable('project')",
}
PERSON = "username = getvariable('person')"
FACTS_OF_SESSIONS = """
    (SELECT d.*, s.username FROM usage_session_daily d
     JOIN (SELECT session_pk, username FROM usage_session_summary WHERE {picked}) s
     USING (session_pk))
"""


@dataclass
class Selection:
    """A cursor on the mirror with both views."""

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
        for name, value in filters.chosen.items():
            cursor.execute(f"SET VARIABLE {name} = ?", [value])
        cursor.execute(f"CREATE TEMP VIEW chosen_facts AS {_facts(window, filters)}")
        cursor.execute(f"CREATE TEMP VIEW chosen_sessions AS {_sessions(window, filters)}")
        yield Selection(cursor, window, filters)


def _facts(window: Window, filters: Filters) -> str:
    table = "usage_user_daily"
    if filters.of_sessions:
        picked = [SESSION_CONDITIONS[name] for name in filters.of_sessions]
        table = FACTS_OF_SESSIONS.format(picked=" AND ".join(picked))
    conditions = [f"day BETWEEN DATE '{window.before_first}' AND DATE '{window.last}'"]
    conditions += [EVENT_CONDITIONS[name] for name in filters.of_events]
    if filters.person:
        conditions.append(PERSON)
    return f"SELECT {FACTS} FROM {table} WHERE {' AND '.join(conditions)}"  # noqa: S608


def _sessions(window: Window, filters: Filters) -> str:
    first, until = f"TIMESTAMP '{window.before_first}'", f"TIMESTAMP '{window.until}'"
    conditions = [f"started_at >= {first} AND started_at < {until}"]
    conditions += [SESSION_CONDITIONS[name] for name in filters.of_sessions]
    if filters.person:
        conditions.append(PERSON)
    if filters.of_events:
        wanted = " AND ".join(EVENT_CONDITIONS[name] for name in filters.of_events)
        conditions.append(
            # A session has no event before it starts, so older days need no look.
            "session_pk IN (SELECT session_pk FROM usage_session_daily "  # noqa: S608
            f"WHERE day >= DATE '{window.before_first}' AND {wanted})"
        )
    return f"SELECT {SESSIONS} FROM usage_session_summary WHERE {' AND '.join(conditions)}"  # noqa: S608


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
