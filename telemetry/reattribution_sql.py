# ruff: noqa: S608 - the statements are put together from constants of this file only
"""The SQL of re-attribution, for SQLite and PostgreSQL.

The scope of a statement is three parameters: first and last session, and the earliest time.
"""

from functools import cache
from typing import Final, NamedTuple

CONTRIBUTIONS: Final = ("calls", "invocations", "errors", "rejected", "interrupted")
NAMED: Final = ("event_type", "tool_name", "skill_name", "subagent_type", "command_name")
EVIDENCE: Final = ("path_evidence", "field_plugin")
# In the order of event_names.Attribution.
WRITTEN: Final = (
    *("source", "item_kind", "ref_id", "marketplace", "plugin", "evidence", "item_version"),
    "candidates",
)
# Between and for want of values: control characters, which no name in a transcript's JSON holds
# unescaped; U+001F ends a value, U+001E stands for NULL.
COMBINATION: Final = " || '\x1f' || ".join(
    f"COALESCE(CAST(e.{column} AS text), '\x1e')" for column in (*NAMED, *EVIDENCE, *WRITTEN)
)
SCOPE: Final = "e.session_pk BETWEEN %s AND %s AND (e.occurred_at IS NULL OR e.occurred_at >= %s)"


class Statements(NamedTuple):
    """One database's statements, in the order in which they are used."""

    combinations: str
    """The key, names, evidence and attribution of every combination that occurs."""
    tables: tuple[str, ...]
    """Temporary tables, empty: attribution_change, attribution_event, attribution_day."""
    add_change: str
    find_events: str
    update_events: str
    touched: str
    """Session and day of each event that was changed."""
    update_invocations: str
    """Of the changed events that stand for an activation those that are not builtin."""
    add_day: str
    delete_contributions: str
    sums: str
    """session, user, day, names, source, ref_id, item_kind, CONTRIBUTIONS."""
    add_contribution: str


@cache
def statements(vendor: str) -> Statements:
    """For Django's `connection.vendor`: `sqlite` or `postgresql`."""
    postgres = vendor == "postgresql"
    day = "(e.occurred_at AT TIME ZONE 'UTC')::date" if postgres else "substr(e.occurred_at, 1, 10)"
    columns = [f"e.{column}" for column in (*NAMED, *EVIDENCE, *WRITTEN)]
    shown = ", ".join(columns[:-1]) + ", CAST(e.candidates AS text)"
    return Statements(
        combinations=(
            f"SELECT {COMBINATION}, {shown} FROM usage_events e WHERE {SCOPE} "
            f"GROUP BY {', '.join(columns)}"
        ),
        tables=_tables("timestamptz" if postgres else "text", "date" if postgres else "text"),
        add_change=(
            "INSERT INTO attribution_change (combination, dated, since, until, "
            f"{', '.join(WRITTEN)}) VALUES ({_marks(4 + len(WRITTEN))})"
        ),
        # CROSS JOIN keeps SQLite from looking through all events once per change.
        find_events=(
            "INSERT INTO attribution_event SELECT e.id, c.number FROM usage_events e "
            f"CROSS JOIN attribution_change c WHERE {SCOPE} AND c.combination = {COMBINATION} "
            "AND (c.dated = 0 OR (c.dated = 2 AND e.occurred_at IS NULL) OR (c.dated = 1 "
            "AND (c.since IS NULL OR e.occurred_at >= c.since) "
            "AND (c.until IS NULL OR e.occurred_at < c.until)))"
        ),
        update_events=_update_events(postgres),
        touched=(
            f"SELECT DISTINCT e.session_pk, {day} FROM usage_events e "
            "JOIN attribution_event x ON x.event_id = e.id"
        ),
        update_invocations=_update_invocations(),
        add_day="INSERT INTO attribution_day (session_pk, day) VALUES (%s, %s)",
        delete_contributions=(
            "DELETE FROM usage_session_daily WHERE (session_pk, day) IN "
            "(SELECT session_pk, day FROM attribution_day)"
        ),
        sums=_sums(day),
        add_contribution=(
            "INSERT INTO usage_session_daily (session_pk, user_id, day, event_type, tool_name, "
            f"source, ref_id, item_kind, name, {', '.join(CONTRIBUTIONS)}) "
            f"VALUES ({_marks(9 + len(CONTRIBUTIONS))})"
        ),
    )


def _marks(count: int) -> str:
    return ", ".join(["%s"] * count)


def _tables(time: str, day: str) -> tuple[str, ...]:
    number = "integer PRIMARY KEY" if time == "text" else "serial PRIMARY KEY"
    written = ", ".join(f"{column} text" for column in WRITTEN)
    return (
        *(f"DROP TABLE IF EXISTS attribution_{table}" for table in ("change", "event", "day")),
        f"CREATE TEMP TABLE attribution_change (number {number}, combination text, "
        f"dated integer, since {time}, until {time}, {written})",
        "CREATE INDEX attribution_change_key ON attribution_change (combination)",
        "CREATE TEMP TABLE attribution_event (event_id bigint PRIMARY KEY, change_number integer)",
        f"CREATE TEMP TABLE attribution_day (session_pk bigint, day {day})",
    )


def _update_events(postgres: bool) -> str:
    values = [f"{column} = c.{column}" for column in WRITTEN[:-1]]
    values.append(
        "candidates = CAST(c.candidates AS jsonb)" if postgres else "candidates = c.candidates"
    )
    return (
        f"UPDATE usage_events SET {', '.join(values)} FROM attribution_event x "
        "JOIN attribution_change c ON c.number = x.change_number "
        "WHERE usage_events.id = x.event_id"
    )


def _update_invocations() -> str:
    # An activation bears the id of the event that stands for it; a builtin one counts for none.
    stands = "(id = activation_id AND source <> 'builtin')"
    return (
        f"UPDATE usage_events SET is_invocation = {stands} "
        "WHERE id IN (SELECT event_id FROM attribution_event) AND activation_id IS NOT NULL "
        f"AND is_invocation <> {stands}"
    )


def _sums(day: str) -> str:
    names = ", ".join(f"e.{column}" for column in NAMED)
    keys = f"e.session_pk, e.user_id, d.day, {names}, e.source, e.ref_id, e.item_kind"
    outcomes = ", ".join(
        f"sum(CASE e.outcome WHEN '{outcome}' THEN 1 ELSE 0 END)"
        for outcome in ("failed", "rejected", "interrupted")
    )
    return (
        f"SELECT {keys}, count(*), sum(CASE WHEN e.is_invocation THEN 1 ELSE 0 END), {outcomes} "
        "FROM usage_events e JOIN attribution_day d ON d.session_pk = e.session_pk "
        f"AND d.day = {day} WHERE {SCOPE} GROUP BY {keys}"
    )
