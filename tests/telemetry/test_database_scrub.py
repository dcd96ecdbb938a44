"""Deleted rows leave PostgreSQL's files, and nothing is claimed where they do not."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from accounts.models import User
from telemetry import database_scrub, mirror
from telemetry.database_scrub import scrub_database, scrubbed_tables
from telemetry.models import Session
from tests.telemetry.processed_sessions import days_ago, empty_storage, process, store, turns
from tests.telemetry.transcript_lines import session_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's file: test_erasure"),
]
MARKER = "xyzzy-plugh-4711"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield
    mirror.close()


@pytest.fixture
def secret() -> Session:
    ada = User.objects.create_user("ada@example.org")
    lines = turns(session_of("secret"), days_ago(3, 1), marker=MARKER)
    session = store(ada, "secret", [{**line, "cwd": f"/home/{MARKER}"} for line in lines])
    store(ada, "other", turns(session_of("other"), days_ago(2)))
    process()
    return session


def tables_with(text: str) -> set[str]:
    """Tables in whose files, or in whose indices' files, the text stands."""
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SHOW data_directory")
        root = Path(cursor.fetchone()[0])
        cursor.execute(
            "SELECT relname, pg_relation_filepath(oid) FROM pg_class WHERE relname = ANY(%s)"
            " UNION SELECT table_.relname, pg_relation_filepath(indexrelid) FROM pg_index"
            " JOIN pg_class AS table_ ON table_.oid = indrelid WHERE table_.relname = ANY(%s)",
            [scrubbed_tables()] * 2,
        )
        files = cursor.fetchall()
    return {table for table, file in files if text.encode() in (root / file).read_bytes()}


def erase(session: Session) -> None:
    call_command("usage_erase", "--session", session.session_id, "--yes", stdout=StringIO())


def test_an_erased_session_is_in_no_table_and_no_statistics(secret: Session) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    assert {"telemetry_session", "usage_events"} <= tables_with(MARKER)

    erase(secret)

    assert tables_with(MARKER) == set()
    assert tables_with(secret.session_id) == set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stats WHERE most_common_vals::text ~ %s", [MARKER])
        assert cursor.fetchone() == (0,)


def test_rows_that_an_older_transaction_sees_are_told_with_what_to_run(
    secret: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_scrub, "PATIENCE", 0.0)
    older = connection.copy()
    try:
        with older.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
            with pytest.raises(CommandError, match="Not all of it is gone yet") as failed:
                erase(secret)
            cursor.execute("ROLLBACK")
    finally:
        older.close()

    assert "a transaction that began earlier still sees them" in str(failed.value)
    assert 'run VACUUM (FULL, ANALYZE) "' in str(failed.value)
    assert '"usage_events"' in str(failed.value)
    assert "usage_events" in tables_with(MARKER)
    assert scrub_database() == ""
    assert tables_with(MARKER) == set()


def test_a_table_that_is_in_use_is_told(secret: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_scrub, "PATIENCE", 0.0)
    monkeypatch.setattr(database_scrub, "LOCK_WAIT", "50ms")
    reader = connection.copy()
    try:
        with reader.cursor() as cursor:
            cursor.execute("BEGIN; SELECT count(*) FROM usage_events")
            problem = scrub_database()
            cursor.execute("ROLLBACK")
    finally:
        reader.close()

    assert problem.endswith('run VACUUM (FULL, ANALYZE) "usage_events";')
    assert "lock timeout" in problem


def test_tables_of_another_owner_are_told(secret: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_scrub, "PATIENCE", 0.0)
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE guest; GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest")
        cursor.execute("SET ROLE guest")
        try:
            problem = scrub_database()
        finally:
            cursor.execute("RESET ROLE; DROP OWNED BY guest; DROP ROLE guest")

    assert f"{len(scrubbed_tables())} tables (the database's user may not rewrite them)" in problem


def test_it_is_not_done_inside_a_transaction(secret: Session) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError):
        scrub_database()
