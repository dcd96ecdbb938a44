import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from telemetry import leases, mirror
from telemetry.mirror import tables
from telemetry.mirror.publish import Publication, publish
from telemetry.models import (
    AttributionSkill,
    PendingChange,
    Session,
    UsageEvent,
    UsageSessionDaily,
    UsageSessionSummary,
    UsageToolDaily,
)
from tests.telemetry.usage_rows import (
    fill_session,
    make_event,
    make_response,
    make_session,
    make_user,
    mark,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def count(table: str) -> int:
    with mirror.reader() as cursor:
        row = cursor.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        return int(row[0]) if row else 0


def assert_equal_to_database() -> None:
    verification = mirror.verify()
    assert [check for check in verification.checks if not check.same] == []


@pytest.fixture
def session() -> Session:
    session = make_session(make_user("ada"), "s1")
    fill_session(session)
    return session


def test_every_mirrored_column_is_named_and_typed_as_in_its_model() -> None:
    for table in tables.TABLES:
        fields = {field.column: field for field in table.model._meta.concrete_fields}
        for name, column in zip(table.source_columns, table.columns, strict=True):
            times = isinstance(fields[name], models.DateTimeField)
            assert (column.type == "TIMESTAMP") == times
    events = tables.BY_NAME["usage_events"].column_names
    assert {"id", "session_pk", "user_id", "is_invocation", "occurred_at"} <= set(events)
    assert not {"candidates", "path_evidence", "field_plugin"} & set(events)
    assert tables.BY_NAME["usage_people"].column_names == ("user_id", "username")


def test_no_mirrored_column_holds_an_address_or_a_secret() -> None:
    names = {name for table in tables.TABLES for name in table.column_names}
    assert not [name for name in names if "mail" in name or "digest" in name or "password" in name]


def test_a_marked_session_is_in_the_mirror_after_one_sync(session: Session) -> None:
    report = mirror.sync(now=NOW)
    assert report.complete
    assert count("usage_events") == 20
    assert count("usage_responses") == 10
    assert count("usage_session_summary") == 1
    assert count("usage_session_daily") == 1
    assert count("usage_people") == 1
    assert not PendingChange.objects.filter(consumer="mirror").exists()
    assert_equal_to_database()
    assert mirror.data_time() == NOW


def test_times_are_utc_without_a_zone_and_numbers_keep_all_their_digits(session: Session) -> None:
    UsageEvent.objects.bulk_create([make_event(session, 99, id=2**63 - 2, occurred_at=None)])
    response = make_response(session, 99)
    response.occurred_at = datetime.fromisoformat("2026-05-01T23:30:00.123456-02:00")
    response.save()
    mirror.sync(now=NOW)
    with mirror.reader() as cursor:
        moment = cursor.execute(
            "SELECT occurred_at, input_tokens FROM usage_responses WHERE id = ?", [response.pk]
        ).fetchone()
        assert moment == (datetime(2026, 5, 2, 1, 30, 0, 123456), 3_000_000_099)  # noqa: DTZ001
        undated = cursor.execute("SELECT id FROM usage_events WHERE occurred_at IS NULL")
        assert undated.fetchall() == [(2**63 - 2,)]


def test_a_changed_session_replaces_its_rows(session: Session) -> None:
    mirror.sync(now=NOW)
    UsageEvent.objects.filter(session_row=session, tool_name="Bash").delete()
    UsageEvent.objects.filter(session_row=session).update(outcome="rejected")
    mark("mirror", "session", session.pk)
    report = mirror.sync(now=NOW)
    assert (report.sessions, report.rebuilt) == (1, False)
    assert count("usage_events") == 15
    assert_equal_to_database()


def test_a_session_that_is_gone_is_gone_from_the_mirror(session: Session) -> None:
    mirror.sync(now=NOW)
    key = session.pk
    for model in (UsageEvent, UsageSessionSummary, UsageSessionDaily):
        model._default_manager.filter(session_row=session).delete()
    session.user.sessions.all().delete()
    mark("mirror", "session", key)
    mirror.sync(now=NOW)
    assert count("usage_events") == 0
    assert count("usage_people") == 0


def test_marked_days_and_tables_are_replaced_and_others_stay(session: Session) -> None:
    mirror.sync(now=NOW)
    for day in ("2026-05-01", "2026-05-02"):
        UsageToolDaily.objects.create(
            day=day, tool_name="Bash", source="builtin", invocations=1, error_count=0,
            rejected_count=0, interrupted_count=0, distinct_users=1, distinct_sessions=1,
        )  # fmt: skip
    AttributionSkill.objects.create(
        skill_name="lint:check", source="curated", ref_id="shop/lint", valid_from=NOW
    )
    mark("mirror", "day", "2026-05-01")
    mark("mirror", "table", "usage_attribution_skills")
    mark("mirror", "table", "a_table_of_a_later_version")
    report = mirror.sync(now=NOW)
    assert (report.sessions, report.days, report.tables) == (0, 1, 2)
    assert count("usage_tool_daily") == 1
    assert count("usage_attribution_skills") == 1
    assert not PendingChange.objects.filter(consumer="mirror").exists()


def test_nothing_pending_publishes_nothing_and_asks_one_question(session: Session) -> None:
    mirror.sync(now=NOW)
    mirror.sync(now=NOW)
    before = mirror.published_path().stat()
    with CaptureQueriesContext(connection) as queries:
        report = mirror.sync(now=NOW + timedelta(hours=1))
    assert len(queries) == 1
    assert report.publication is None
    assert mirror.published_path().stat().st_ino == before.st_ino


def test_marks_made_while_a_sync_runs_are_left_for_the_next(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mark_then_publish(*args: Any, **kwargs: Any) -> Publication:
        UsageEvent.objects.filter(session_row=session).update(cwd="/changed/meanwhile")
        mark("mirror", "session", session.pk)
        return publish(*args, **kwargs)

    monkeypatch.setattr("telemetry.mirror.updates.publish", mark_then_publish)
    mirror.sync(now=NOW)
    monkeypatch.undo()
    assert PendingChange.objects.filter(consumer="mirror").count() == 1
    mirror.sync(now=NOW)
    assert_equal_to_database()


def test_a_second_small_change_writes_blocks_and_not_the_file(mirror_folder: Path) -> None:
    sessions = [make_session(make_user(f"u{n}"), f"s{n}") for n in range(4)]
    for session in sessions:
        fill_session(session, events=3000)
    for _ in range(3):
        mark("mirror", "session", sessions[0].pk)
        report = mirror.sync(now=NOW)
    assert report.publication is not None
    assert not report.publication.whole
    assert report.publication.written < report.publication.size
    published, build = mirror_folder / "agnes.duckdb", mirror_folder / "build.duckdb"
    assert published.read_bytes() == build.read_bytes()
    assert_equal_to_database()


def test_what_does_not_fit_into_the_budget_stays_pending(session: Session) -> None:
    mirror.sync(now=NOW)
    mark("mirror", "session", session.pk)
    mark("mirror", "day", "2026-05-01")
    report = mirror.sync(now=NOW, budget=timedelta(0))
    assert not report.complete
    assert PendingChange.objects.filter(consumer="mirror").count() == 1
    assert mirror.sync(now=NOW).complete


def test_a_rebuild_goes_on_where_its_time_was_up(session: Session) -> None:
    steps = 0
    while not mirror.sync(now=NOW, budget=timedelta(0)).complete:
        steps += 1
        assert steps < 100
    # Sessions and each table by itself: every call did one step and kept it.
    assert steps > 5
    assert_equal_to_database()


def test_a_rebuild_that_was_stopped_starts_again_when_something_must_vanish(
    session: Session, mirror_folder: Path
) -> None:
    UsageEvent.objects.filter(session_row=session).update(cwd="/very/secret/place")
    mirror.sync(now=NOW, budget=timedelta(0))
    UsageEvent.objects.filter(session_row=session).delete()
    mark("mirror", "rebuild")
    calls = 0
    while not mirror.sync(now=NOW, budget=timedelta(0)).complete:
        calls += 1
        assert calls < 100
    assert files_with(b"/very/secret/place", mirror_folder) == []
    assert_equal_to_database()


def files_with(text: bytes, folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def test_after_a_rebuild_erased_text_is_in_no_file(session: Session, mirror_folder: Path) -> None:
    UsageEvent.objects.filter(session_row=session).update(cwd="/very/secret/place")
    for _ in range(3):  # so that build, published and spare file all hold it
        mirror.sync(now=NOW)
        mark("mirror", "session", session.pk)
    assert len(files_with(b"/very/secret/place", mirror_folder)) == 3
    UsageEvent.objects.filter(session_row=session).delete()
    mark("mirror", "rebuild")
    mirror.sync(now=NOW)
    assert files_with(b"/very/secret/place", mirror_folder) == []
    assert_equal_to_database()


@pytest.mark.parametrize("damage", ["missing", "garbage", "torn", "other tables"])
def test_a_build_file_that_cannot_be_used_is_built_anew(
    damage: str, session: Session, mirror_folder: Path
) -> None:
    mirror.sync(now=NOW)
    build = mirror_folder / "build.duckdb"
    if damage == "missing":
        build.unlink()
    elif damage == "garbage":
        build.write_bytes(os.urandom(300_000))
    elif damage == "torn":
        content = bytearray(build.read_bytes())
        content[12_288 + 100 :] = bytes(len(content) - 12_388)
        build.write_bytes(content)
    else:
        with duckdb.connect(str(build)) as database:
            database.execute("UPDATE mirror_meta SET schema_version = 'older'")
    mark("mirror", "session", session.pk)
    assert mirror.sync(now=NOW).rebuilt
    assert_equal_to_database()


@pytest.mark.parametrize("damage", ["missing", "garbage"])
def test_a_published_file_that_cannot_be_read_is_published_again(
    damage: str, session: Session
) -> None:
    mirror.sync(now=NOW)
    path = mirror.published_path()
    path.unlink()
    if damage == "garbage":
        path.write_bytes(b"not a database" * 10_000)
    with pytest.raises(mirror.MirrorUnavailable, match="usage_mirror rebuild"), mirror.reader():
        pass
    assert mirror.status().problem
    mirror.sync(now=NOW)
    assert count("usage_events") == 20
    assert not mirror.status().problem


def test_two_writers_do_not_meet(session: Session) -> None:
    held = leases.take("mirror", ttl=timedelta(minutes=1))
    assert held is not None
    with pytest.raises(mirror.MirrorBusy):
        mirror.sync(now=NOW)
    held.release()
    assert mirror.sync(now=NOW).complete


def test_verify_names_the_table_whose_content_differs(session: Session) -> None:
    mirror.sync(now=NOW)
    # As many rows, one letter of one row different, and nobody marked it.
    event = UsageEvent.objects.order_by("pk")[0]
    UsageEvent.objects.filter(pk=event.pk).update(cwd="/elsewhere")
    verification = mirror.verify()
    assert [check.table for check in verification.checks if not check.same] == ["usage_events"]


def test_status_tells_file_lag_and_rows(session: Session) -> None:
    mirror.sync(now=NOW)
    mark("mirror", "session", session.pk)
    status = mirror.status()
    assert status.pending == 1
    assert status.data_time == NOW
    assert status.rows["usage_events"] == 20
    assert status.bytes > 0
    assert status.schema_version == status.expected_schema_version
