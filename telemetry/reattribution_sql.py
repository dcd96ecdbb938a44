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
CONTEXT: Final = ("context_skill", "context_plugin")
RESPONSE_WRITTEN: Final = ("source", "ref_id", "marketplace", "plugin")
SCOPE: Final = "e.session_pk BETWEEN %s AND %s AND (e.occurred_at IS NULL OR e.occurred_at >= %s)"


class Rewriting(NamedTuple):
    """How one table's rows get new values; the statements in the order in which they are used."""

    combinations: str
    """Key, what attribution depends on, and attribution of every combination that occurs."""
    tables: tuple[str, ...]
    """Temporary tables, empty: attribution_change, attribution_row."""
    add_change: str
    find_rows: str
    update_rows: str
    touched: str
    """Session and day of each row that was changed."""


class Statements(NamedTuple):
    """One database's statements: events, what follows from them, and responses."""

    events: Rewriting
    update_invocations: str
    """Of the changed events that stand for an activation those that are not builtin."""
    days: tuple[str, ...]
    """A temporary table, empty: attribution_day."""
    add_day: str
    delete_contributions: str
    sums: str
    """session, user, day, names, source, ref_id, item_kind, CONTRIBUTIONS."""
    add_contribution: str
    responses: Rewriting


@cache
def statements(vendor: str) -> Statements:
    """For Django's `connection.vendor`: `sqlite` or `postgresql`."""
    postgres = vendor == "postgresql"
    day = "(e.occurred_at AT TIME ZONE 'UTC')::date" if postgres else "substr(e.occurred_at, 1, 10)"
    return Statements(
        events=_rewriting("usage_events", (*NAMED, *EVIDENCE), WRITTEN, SCOPE, postgres),
        update_invocations=_update_invocations(),
        days=(
            "DROP TABLE IF EXISTS attribution_day",
            "CREATE TEMP TABLE attribution_day "
            f"(session_pk bigint, day {'date' if postgres else 'text'})",
        ),
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
        responses=_rewriting(
            "usage_responses",
            CONTEXT,
            RESPONSE_WRITTEN,
            f"{SCOPE} AND e.context_skill <> ''",
            postgres,
        ),
    )


def _marks(count: int) -> str:
    return ", ".join(["%s"] * count)


def _rewriting(
    table: str, given: tuple[str, ...], written: tuple[str, ...], scope: str, postgres: bool
) -> Rewriting:
    """For a table whose columns `written` follow from the columns `given`."""
    day = "(e.occurred_at AT TIME ZONE 'UTC')::date" if postgres else "substr(e.occurred_at, 1, 10)"
    columns = [f"e.{column}" for column in (*given, *written)]
    shown = [f"CAST({one} AS text)" if one == "e.candidates" else one for one in columns]
    # Between and for want of values: control characters, which no name in a transcript's JSON
    # holds unescaped; U+001F ends a value, U+001E stands for NULL.
    combination = " || '\x1f' || ".join(
        f"COALESCE(CAST({column} AS text), '\x1e')" for column in columns
    )
    return Rewriting(
        combinations=(
            f"SELECT {combination}, {', '.join(shown)} FROM {table} e WHERE {scope} "
            f"GROUP BY {', '.join(columns)}"
        ),
        tables=_tables(written, postgres),
        add_change=(
            "INSERT INTO attribution_change (combination, dated, since, until, "
            f"{', '.join(written)}) VALUES ({_marks(4 + len(written))})"
        ),
        # CROSS JOIN keeps SQLite from looking through all rows once per change.
        find_rows=(
            f"INSERT INTO attribution_row SELECT e.id, c.number FROM {table} e "
            f"CROSS JOIN attribution_change c WHERE {scope} AND c.combination = {combination} "
            "AND (c.dated = 0 OR (c.dated = 2 AND e.occurred_at IS NULL) OR (c.dated = 1 "
            "AND (c.since IS NULL OR e.occurred_at >= c.since) "
            "AND (c.until IS NULL OR e.occurred_at < c.until)))"
        ),
        update_rows=_update_rows(table, written, postgres),
        touched=(
            f"SELECT DISTINCT e.session_pk, {day} FROM {table} e "
            "JOIN attribution_row x ON x.row_id = e.id"
        ),
    )


def _tables(written: tuple[str, ...], postgres: bool) -> tuple[str, ...]:
    number = "serial PRIMARY KEY" if postgres else "integer PRIMARY KEY"
    time = "timestamptz" if postgres else "text"
    columns = ", ".join(f"{column} text" for column in written)
    return (
        *(f"DROP TABLE IF EXISTS attribution_{table}" for table in ("change", "row")),
        f"CREATE TEMP TABLE attribution_change (number {number}, combination text, "
        f"dated integer, since {time}, until {time}, {columns})",
        "CREATE INDEX attribution_change_key ON attribution_change (combination)",
        "CREATE TEMP TABLE attribution_row (row_id bigint PRIMARY KEY, change_number integer)",
    )


def _update_rows(table: str, written: tuple[str, ...], postgres: bool) -> str:
    values = [
        f"{column} = CAST(c.{column} AS jsonb)"
        if postgres and column == "candidates"
        else f"{column} = c.{column}"
        for column in written
    ]
    return (
        f"UPDATE {table} SET {', '.join(values)} FROM attribution_row x "
        "JOIN attribution_change c ON c.number = x.change_number "
        f"WHERE {table}.id = x.row_id"
    )


def _update_invocations() -> str:
    # An activation bears the id of the event that stands for it; a builtin one counts for none.
    stands = "(id = activation_id AND source <> 'builtin')"
    return (
        f"UPDATE usage_events SET is_invocation = {stands} "
        "WHERE id IN (SELECT row_id FROM attribution_row) AND activation_id IS NOT NULL "
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
