"""A mirror with many events, written into the build file by DuckDB itself."""

from datetime import UTC, datetime

from telemetry.mirror.build import BuildFile
from telemetry.mirror.connection import folder
from telemetry.mirror.publish import publish
from telemetry.mirror.tables import BY_NAME

EVENTS_PER_SESSION = 400

# As long and as varied as real values: ids that do not compress, names and folders that do.
VALUES = {
    "id": "(hash(i) >> 1)::BIGINT",
    "session_pk": "s::BIGINT",
    "session_id": "printf('%08x-aaaa-4bbb-8ccc-%012x', s, s * 7919)",
    "session_file": "printf('%08x-aaaa-4bbb-8ccc-%012x.jsonl', s, s * 7919)",
    "user_id": "1 + s % 1000",
    "username": "'user-' || (s % 1000)",
    "event_uuid": "uuid()::VARCHAR",
    "parent_uuid": "uuid()::VARCHAR",
    "event_type": "CASE WHEN h % 10 < 8 THEN 'tool_use' ELSE 'mcp_call' END",
    "tool_name": "['Bash', 'Read', 'Edit', 'Write', 'Grep', 'Skill', 'Glob'][(h % 7)::INT + 1]",
    "skill_name": "CASE WHEN h % 7 = 5 THEN 'plug:skill-' || (h % 50) END",
    "is_error": "h % 17 = 0",
    "outcome": "CASE WHEN h % 17 = 0 THEN 'failed' ELSE 'ok' END",
    "is_invocation": "h % 7 = 5",
    "source": "CASE WHEN h % 7 = 5 THEN 'curated' ELSE 'builtin' END",
    "ref_id": "CASE WHEN h % 7 = 5 THEN 'shop/plug-' || (h % 50) END",
    "item_kind": "CASE WHEN h % 7 = 5 THEN 'skill' ELSE 'tool' END",
    "evidence": "'builtin'",
    "response_id": "(hash(i // 3) >> 1)::BIGINT",
    "tool_use_id": "'toolu_01' || substr(md5(i::VARCHAR), 1, 22)",
    "model": "'claude-sonnet-4-5'",
    "project": "'/home/user-' || (s % 1000) || '/work/project-' || (s % 40)",
    "git_branch": "'main'",
    "cwd": "'/home/user-' || (s % 1000) || '/work/project-' || (s % 40)",
    "occurred_at": "TIMESTAMP '2026-01-01' + to_milliseconds(s * 200000 + (i % 400) * 7000 + 17)",
    "processor_version": "1",
    "extracted_at": "TIMESTAMP '2026-06-01'",
}


def build_mirror(events: int) -> None:
    """A published mirror of the current settings' folder with this many events, in order."""
    folder().mkdir(parents=True, exist_ok=True)
    path = folder() / "build.duckdb"
    columns = BY_NAME["usage_events"].columns
    values = ", ".join(f"({VALUES.get(c.name, 'NULL')})::{c.type}" for c in columns)
    with BuildFile(path) as build:
        for start in range(0, events, 500_000):
            end = min(start + 500_000, events)
            build.database.execute(
                f"INSERT INTO usage_events SELECT {values} FROM (SELECT i, i // "  # noqa: S608
                f"{EVENTS_PER_SESSION} AS s, hash(i) AS h FROM range({start}, {end}) t(i))"
            )
        build.stamp(now=datetime(2026, 6, 1, tzinfo=UTC), applied_id=0)
    publish(path, folder())
