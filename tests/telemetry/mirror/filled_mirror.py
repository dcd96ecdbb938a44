"""A published mirror of made-up rows, written without the relational database."""

from datetime import UTC, datetime
from pathlib import Path

from telemetry.mirror.build import BuildFile
from telemetry.mirror.publish import publish

DATA_TIME = datetime(2026, 6, 15, 12, tzinfo=UTC)
EVENTS = """
INSERT INTO usage_events BY NAME SELECT
    i AS id, 'session-' || (i // 20) AS session_id,
    'session-' || (i // 20) || '.jsonl' AS session_file, i % 7 AS user_id,
    'person-' || (i % 7) AS username, 'tool_use' AS event_type,
    (['Bash', 'Read', 'Edit', 'mcp__jira__search', 'Skill'])[1 + i % 5] AS tool_name,
    i % 10 = 0 AS is_error, CASE WHEN i % 10 = 0 THEN 'failed' ELSE 'ok' END AS outcome,
    i % 3 = 0 AS is_invocation, 'builtin' AS source, 'claude-sonnet-5' AS model,
    '/home/person/žluť' AS cwd,
    TIMESTAMP '2026-06-15 10:00:00' - to_minutes(i) AS occurred_at, i // 20 AS session_pk
FROM range({events}) AS rows(i)
"""
SUMMARIES = """
INSERT INTO usage_session_summary BY NAME SELECT
    session_file, any_value(session_id) AS session_id, any_value(username) AS username,
    min(occurred_at) AS started_at, max(occurred_at) AS ended_at, count(*) AS tool_calls,
    count(*) FILTER (is_error) AS tool_errors, 0.25 * count(*) AS cost_usd,
    any_value(session_pk) AS session_pk
FROM usage_events GROUP BY session_file
"""
DAYS = """
INSERT INTO usage_tool_daily BY NAME SELECT
    occurred_at::DATE AS day, tool_name, source, count(*) AS invocations,
    count(*) FILTER (is_error) AS error_count, count(DISTINCT user_id) AS distinct_users
FROM usage_events GROUP BY ALL
"""


def publish_filled_mirror(folder: Path, *, events: int = 2_000) -> None:
    """`events` events of seven people, twenty to a session, one a minute before DATA_TIME - 2 h."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "build.duckdb"
    with BuildFile(path) as build:
        for statement in (EVENTS.format(events=events), SUMMARIES, DAYS):
            build.database.execute(statement)
        build.stamp(now=DATA_TIME, applied_id=1)
    publish(path, folder)
