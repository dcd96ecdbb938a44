"""The sandbox's own wall over many statements, none of which passed the guard before.

Here in the test's process, without the limits of the system: DuckDB as the worker sets it up, and
what the worker looks at. What the limits add is shown in test_sandbox_process.py.
"""

from pathlib import Path

import duckdb
import pytest

from telemetry.mirror.sandbox_worker.barrier import Refused
from tests.telemetry.mirror.sandbox_engine import Engine
from tests.telemetry.sql_statements import HOSTILE_READS_AND_WRITES, LEGITIMATE


def problem(engine: Engine, sql: str) -> Exception | None:
    try:
        engine.run(sql)
    except (Refused, duckdb.Error) as error:
        return error
    return None


@pytest.mark.parametrize("group", HOSTILE_READS_AND_WRITES)
def test_what_wants_more_than_the_mirror_is_stopped_without_the_guard(
    engine: Engine, group: str
) -> None:
    assert [sql for sql in HOSTILE_READS_AND_WRITES[group] if not problem(engine, sql)] == []


@pytest.mark.parametrize("group", LEGITIMATE)
def test_a_legitimate_question_is_answered(engine: Engine, group: str) -> None:
    problems = {sql: problem(engine, sql) for sql in LEGITIMATE[group]}

    assert {sql: str(error) for sql, error in problems.items() if error} == {}


@pytest.mark.parametrize(
    "sql",
    [
        "SET threads = 8",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "INSTALL sqlite",
        "LOAD sqlite",
        "ATTACH 'other.duckdb'",
        "COPY usage_events TO 'x.csv'",
        "FROM read_text('/etc/hosts')",
        "FROM '/etc/hosts'",
        "FROM read_csv('https://example.org/x.csv')",
        "FROM glob('/*')",
        "DELETE FROM usage_events",
        "CREATE TABLE agnes.t AS SELECT 1",
    ],
)
def test_the_engines_own_lock_holds_without_the_barrier(engine: Engine, sql: str) -> None:
    with pytest.raises(duckdb.Error):
        engine.connection.execute(sql).fetchall()


def test_variables_of_python_are_not_tables(engine: Engine) -> None:
    planted = [{"secret": 1}]

    with pytest.raises(duckdb.CatalogException, match="planted"):
        engine.connection.execute("SELECT * FROM planted").fetchall()
    assert planted


def test_the_clock_is_utc(engine: Engine) -> None:
    answer = engine.run("SELECT '2026-06-15 12:00:00+02'::TIMESTAMPTZ::TIMESTAMP, now()")

    assert answer["rows"][0][0] == "2026-06-15T10:00:00"
    assert answer["rows"][0][1].endswith("+00:00")


def test_memory_set_aside_for_sorting_is_bounded_and_no_file_takes_the_rest(
    engine: Engine, tmp_path: Path
) -> None:
    with pytest.raises(duckdb.OutOfMemoryException):
        engine.run(
            "SELECT a.cwd || b.cwd || a.id || b.id AS t, count(*) "
            "FROM usage_events a, usage_events b GROUP BY t ORDER BY t"
        )
    assert not list(tmp_path.iterdir())
