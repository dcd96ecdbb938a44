"""The ranked tables of a summary. Every one is of the window's days, today so far included."""

from dataclasses import dataclass
from typing import Any

from telemetry.stats.selection import Selection

TOP = 10
# Uses of an item are its invocations; what is builtin has none, so its calls are counted.
USES = "sum(CASE WHEN source = 'builtin' THEN calls ELSE invocations END)"


@dataclass(frozen=True)
class NameRow:
    """A tool, item or plugin: `uses` are calls of a tool, invocations of anything else."""

    kind: str
    name: str
    source: str
    ref_id: str | None
    uses: int
    people: int
    calls: int
    errors: int
    rejected: int


@dataclass(frozen=True)
class PersonRow:
    username: str
    user_id: int
    sessions: int
    prompts: int
    tool_calls: int
    errors: int
    invocations: int
    active_seconds: float
    tokens: int
    cost_usd: float | None


@dataclass(frozen=True)
class SessionGroupRow:
    """Sessions of one model or project; `cost_usd` is None when none of it is known."""

    name: str
    sessions: int
    people: int
    prompts: int
    tokens: int
    cost_usd: float | None
    unknown_cost_sessions: int


@dataclass(frozen=True)
class UnusedRow:
    kind: str
    name: str
    source: str
    ref_id: str


@dataclass(frozen=True)
class Ranked:
    """The first rows of a table, and how many there are in all."""

    rows: list[Any]
    total: int


KINDS = ("tool", "skill", "agent", "mcp", "command", "plugin", "unattributed")

NAMES = f"""
    WITH facts AS (SELECT * FROM chosen_facts WHERE day >= $first),
    named AS (
        SELECT 'tool' AS kind, tool_name AS name, source, NULL AS ref_id, sum(calls) AS uses,
               count(DISTINCT user_id) AS people, sum(calls) AS calls, sum(errors) AS errors,
               sum(rejected) AS rejected
        FROM facts WHERE event_type <> 'slash_command' AND tool_name IS NOT NULL
        GROUP BY tool_name, source
        UNION ALL
        SELECT item_kind, name, source, ref_id, {USES}, count(DISTINCT user_id), sum(calls),
               sum(errors), sum(rejected)
        FROM facts WHERE item_kind IN ('skill', 'agent', 'mcp', 'command')
        GROUP BY item_kind, name, source, ref_id
        UNION ALL
        SELECT 'plugin', ref_id, source, ref_id, sum(invocations), count(DISTINCT user_id),
               sum(calls), sum(errors), sum(rejected)
        FROM facts WHERE ref_id IS NOT NULL
        GROUP BY source, ref_id
        UNION ALL
        SELECT 'unattributed', name, item_kind, NULL, sum(calls), count(DISTINCT user_id),
               sum(calls), sum(errors), sum(rejected)
        FROM facts WHERE source = 'unattributed'
        GROUP BY item_kind, name
    )
    SELECT kind, name, source, ref_id, uses::BIGINT, people, calls::BIGINT, errors::BIGINT,
           rejected::BIGINT, count(*) OVER (PARTITION BY kind) AS total
    FROM named WHERE uses > 0
    QUALIFY row_number() OVER (PARTITION BY kind ORDER BY uses DESC, name, source, ref_id) <= $top
    ORDER BY kind, uses DESC, name, source, ref_id
"""  # noqa: S608

PEOPLE = """
    WITH acted AS (
        SELECT user_id, any_value(username) AS username, sum(invocations) AS invocations,
               sum(calls) FILTER (event_type <> 'slash_command') AS tool_calls,
               sum(errors) FILTER (event_type <> 'slash_command') AS errors
        FROM chosen_facts WHERE day >= $first GROUP BY user_id
    ), held AS (
        SELECT user_id, any_value(username) AS username, count(*) AS sessions,
               sum(prompts) AS prompts, sum(active_seconds) AS active_seconds,
               sum(input_tokens + output_tokens + cache_creation_tokens + cache_read_tokens)
                   AS tokens,
               sum(cost_usd) AS cost_usd,
               count(*) FILTER (cost_usd IS NULL AND responses > 0) AS unknown
        FROM chosen_sessions WHERE day >= $first GROUP BY user_id
    )
    SELECT coalesce(acted.username, held.username) AS username, user_id,
           coalesce(sessions, 0), coalesce(prompts, 0)::BIGINT, coalesce(tool_calls, 0)::BIGINT,
           coalesce(errors, 0)::BIGINT, coalesce(invocations, 0)::BIGINT,
           coalesce(active_seconds, 0), coalesce(tokens, 0)::BIGINT,
           CASE WHEN unknown > 0 THEN cost_usd ELSE coalesce(cost_usd, 0) END,
           count(*) OVER () AS total
    FROM acted FULL JOIN held USING (user_id)
    ORDER BY coalesce(tool_calls, 0) DESC, coalesce(prompts, 0) DESC, username
    LIMIT $top
"""

SESSION_GROUPS = """
    SELECT coalesce(nullif({column}, ''), ''), count(*), count(DISTINCT user_id),
           sum(prompts)::BIGINT,
           sum(input_tokens + output_tokens + cache_creation_tokens + cache_read_tokens)::BIGINT,
           CASE WHEN count(*) FILTER (cost_usd IS NULL AND responses > 0) > 0 THEN sum(cost_usd)
                ELSE coalesce(sum(cost_usd), 0) END,
           count(*) FILTER (cost_usd IS NULL AND responses > 0),
           count(*) OVER () AS total
    FROM chosen_sessions WHERE day >= $first
    GROUP BY {column}
    ORDER BY 5 DESC, 1
    LIMIT $top
"""

ITEM_TABLES = (
    ("skill", "usage_attribution_skills", "skill_name"),
    ("agent", "usage_attribution_agents", "agent_name"),
    ("command", "usage_attribution_commands", "command_name"),
    ("mcp", "usage_attribution_mcp_servers", "server_name"),
)
ITEMS = " UNION ALL ".join(
    f"SELECT '{kind}' AS kind, {name} AS name, source, ref_id FROM {table} "  # noqa: S608
    "WHERE valid_to IS NULL"
    for kind, table, name in ITEM_TABLES
)
# A plugin's command is a skill too, under the same name: what is used as one of them is used.
UNUSED = f"""
    SELECT min(kind), name, source, ref_id, count(*) OVER () AS total
    FROM ({ITEMS}) AS item
    WHERE ref_id IS NOT NULL AND {{conditions}} AND NOT EXISTS (
        SELECT 1 FROM chosen_facts f
        WHERE f.day >= $first AND f.invocations > 0
          AND f.source = item.source AND f.ref_id = item.ref_id AND f.name = item.name)
    GROUP BY name, source, ref_id
    ORDER BY source, ref_id, name
    LIMIT $top
"""  # noqa: S608
ITEM_CONDITIONS = {
    "source": "source = $source",
    "marketplace": "source = 'curated' AND split_part(ref_id, '/', 1) = $marketplace",
    "plugin": "ref_id = $plugin",
    "item": "name = $item",
}


def names(selection: Selection, *, top: int = TOP) -> dict[str, Ranked]:
    """For each of KINDS the most used. An unattributed row has its item_kind for a source."""
    found = selection.rows(NAMES, {"first": selection.window.first, "top": top})
    ranked = {}
    for kind in KINDS:
        rows = [row for row in found if row[0] == kind]
        ranked[kind] = Ranked([NameRow(*row[:-1]) for row in rows], rows[0][-1] if rows else 0)
    return ranked


def people(selection: Selection, *, top: int = TOP) -> Ranked:
    """PersonRow of everybody active, the most tool calls first."""
    return _ranked(selection, PEOPLE, PersonRow, top)


def models(selection: Selection, *, top: int = TOP) -> Ranked:
    """SessionGroupRow by primary model, the most tokens first; an empty name is "no answer"."""
    return _ranked(selection, SESSION_GROUPS.format(column="primary_model"), SessionGroupRow, top)


def projects(selection: Selection, *, top: int = TOP) -> Ranked:
    """SessionGroupRow by project, the most tokens first."""
    return _ranked(selection, SESSION_GROUPS.format(column="project"), SessionGroupRow, top)


def unused_items(selection: Selection, *, top: int = TOP) -> Ranked:
    """UnusedRow of every item that is offered now and was not invoked within the selection."""
    chosen = selection.filters.of_events
    conditions = [ITEM_CONDITIONS[name] for name in chosen if name in ITEM_CONDITIONS]
    query = UNUSED.format(conditions=" AND ".join(conditions or ["true"]))
    values = {name: value for name, value in chosen.items() if name in ITEM_CONDITIONS}
    return _ranked(selection, query, UnusedRow, top, **values)


def _ranked(
    selection: Selection, query: str, row_type: type[Any], top: int, **values: str
) -> Ranked:
    given = {"first": selection.window.first, "top": top, **values}
    found = selection.rows(query, given)
    return Ranked([row_type(*row[:-1]) for row in found], found[0][-1] if found else 0)
