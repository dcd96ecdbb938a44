"""The overview page of a large organisation, as the server answers it, whatever is filtered."""

import math
from datetime import UTC, datetime

from benchmarks import instance
from benchmarks.measures import Measure, timed

EVENTS = {"smoke": 100_000, "full": 10_000_000}
EVENTS_PER_SESSION = 100
PEOPLE, PROJECTS, DAYS, NAMES = 1_000, 400, 180, 60
ROUNDS = {"smoke": 1, "full": 5}
FILTERS = (
    "",
    "&person=user-7",
    "&source=curated",
    "&plugin=shop/plug-3",
    "&tool=Bash",
    "&model=claude-opus-4-6",
    "&project=/work/project-11",
)
# Sessions are numbered in order of time. Each did some of NAMES things on one day: what its
# events came to, by name.
CONTRIBUTIONS = """
    SELECT s AS session_pk, 1 + s % {people} AS user_id,
           (now()::TIMESTAMP - to_days(({days} - s * {days} // {sessions})::INT))::DATE AS day,
           CASE WHEN n % 6 = 5 THEN 'mcp_call' ELSE 'tool_use' END AS event_type,
           CASE WHEN n % 3 = 0 THEN 'Skill'
                ELSE ['Bash', 'Read', 'Edit', 'Write', 'Grep'][n % 5 + 1] END AS tool_name,
           CASE WHEN n % 3 = 0 THEN 'curated' ELSE 'builtin' END AS source,
           CASE WHEN n % 3 = 0 THEN 'shop/plug-' || (n % 20) END AS ref_id,
           CASE WHEN n % 3 = 0 THEN 'skill' ELSE 'tool' END AS item_kind,
           CASE WHEN n % 3 = 0 THEN 'plug:skill-' || n ELSE 'tool-' || n END AS name,
           {calls} AS calls, CASE WHEN n % 3 = 0 THEN 2 ELSE 0 END AS invocations,
           (hash(s * 61 + n) % 2)::INT AS errors, 0 AS rejected, 0 AS interrupted
    FROM range({sessions}) AS sessions(s), range({names}) AS names(n)
    WHERE hash(s * 61 + n) % 4 = 0
"""
SUMMARIES = """
    SELECT s AS session_pk, printf('session-%d.jsonl', s) AS session_file,
           printf('session-%d', s) AS session_id, 1 + s % {people} AS user_id,
           'user-' || (1 + s % {people}) AS username,
           '/work/project-' || (s % {projects}) AS project,
           now()::TIMESTAMP - to_days(({days} - s * {days} // {sessions})::INT) AS started_at,
           600.0 AS active_seconds, 7 AS prompts, 40 AS responses, 0.97 AS usage_final_share,
           ['claude-opus-4-6', 'claude-sonnet-4-5', 'other'][s % 3 + 1] AS primary_model,
           9000 AS input_tokens, 4000 AS output_tokens, 20000 AS cache_creation_tokens,
           900000 AS cache_read_tokens, CASE WHEN s % 3 < 2 THEN 0.4 END AS cost_usd
    FROM range({sessions}) AS sessions(s)
"""
PERSON_DAYS = """
    SELECT day, user_id, 'user-' || user_id AS username, event_type, tool_name, source, ref_id,
           item_kind, name, sum(calls) AS calls, sum(invocations) AS invocations,
           sum(errors) AS errors, 0 AS rejected, 0 AS interrupted,
           count(DISTINCT session_pk) AS sessions
    FROM usage_session_daily GROUP BY ALL ORDER BY day
"""
PEOPLE_ROWS = "SELECT 1 + i AS user_id, 'user-' || (1 + i) AS username FROM range({people}) t(i)"


def run(size: str) -> list[Measure]:
    """95 of 100 answers of the page, over all filters; beside it a plain scan of the window."""
    instance.start()
    build(EVENTS[size])
    client = signed_in()
    seconds = sorted(answer(client, query) for _ in range(ROUNDS[size]) for query in FILTERS)
    slowest = seconds[math.ceil(0.95 * len(seconds)) - 1]
    floor = {"DuckDB, one sum over the window": scan() * 1000}
    return [
        Measure("page, p95", slowest * 1000, "ms", "less", 150, floor),
        Measure("page, median", seconds[len(seconds) // 2] * 1000, "ms"),
    ]


def build(events: int) -> None:
    """A published mirror with what so many events come to in daily facts and summaries."""
    from telemetry.mirror.build import BuildFile
    from telemetry.mirror.connection import folder
    from telemetry.mirror.publish import publish

    folder().mkdir(parents=True, exist_ok=True)
    path = folder() / "build.duckdb"
    sessions = events // EVENTS_PER_SESSION
    sizes = {
        "sessions": sessions,
        # Few enough for each of them to have done something in the window.
        "people": min(PEOPLE, sessions // 50),
        "projects": min(PROJECTS, sessions // 50),
        "days": DAYS,
        "names": NAMES,
        "calls": EVENTS_PER_SESSION * 4 // NAMES,
    }
    with BuildFile(path) as build:
        build.database.execute("SET memory_limit = '2GB'")
        for table, query in (
            ("usage_people", PEOPLE_ROWS),
            ("usage_session_daily", CONTRIBUTIONS),
            ("usage_session_summary", SUMMARIES),
            ("usage_user_daily", PERSON_DAYS),
        ):
            build.database.execute(f"INSERT INTO {table} BY NAME {query.format(**sizes)}")
        build.stamp(now=datetime.now(UTC), applied_id=0)
    publish(path, folder())


def signed_in() -> object:
    from django.test import Client

    from accounts.models import User

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_user("ada@example.org", is_staff=True))
    answer(client, "")  # compiles the templates and opens the mirror
    return client


def answer(client: object, query: str) -> float:
    with timed() as clock:
        page = client.get(f"/admin/telemetry/?days=30{query}")  # type: ignore[attr-defined]
    if page.status_code != 200 or b"stat-value" not in page.content:
        raise AssertionError(f"the page with {query!r} shows no figures")
    return clock.seconds


def scan() -> float:
    from telemetry import mirror

    with mirror.reader() as cursor, timed() as clock:
        cursor.execute(
            "SELECT sum(calls) FROM usage_user_daily WHERE day >= current_date - 30"
        ).fetchall()
    return clock.seconds
