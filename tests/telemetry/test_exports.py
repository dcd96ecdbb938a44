import csv
import io
import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from accounts import audit
from accounts.models import AuditEvent, User
from telemetry import mirror
from telemetry.exports import Export, ExportRefused, ExportStream
from telemetry.models import Session, UsageEvent
from tests.telemetry.usage_rows import START, fill_session, make_event, make_session, make_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
HARD = 'quo"te, comma\nnewline\ttab ž 😀 \\ =1+1'


@pytest.fixture(autouse=True)
def mirror_folder(tmp_path: Path, settings: Any) -> None:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"


@pytest.fixture
def session() -> Session:
    """Events out of order, with every kind of hard text, missing values and no time."""
    session = make_session(make_user("ada"), "s1")
    fill_session(session, events=30)
    other = make_session(make_user("ben"), "s2")
    fill_session(other, events=3)
    UsageEvent.objects.bulk_create(
        [
            make_event(session, 900, occurred_at=None, cwd=HARD),
            make_event(session, 901, occurred_at=START - timedelta(days=2), git_branch=""),
            make_event(session, 902, occurred_at=START - timedelta(days=2), git_branch=None),
            make_event(session, 903, source="curated", ref_id="shop/lint", is_invocation=True),
        ]
    )
    mirror.sync(now=NOW)
    return session


def export(format: str = "json", table: str = "usage_events", **filters: str) -> bytes:
    wanted = Export.parse(format=format, table=table, **filters)
    with ExportStream(wanted, door=audit.Door.COMMAND) as stream:
        return b"".join(stream)


def as_text(value: object) -> str:
    """A value as CSV writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return str(value)


@pytest.mark.parametrize("table", sorted(mirror.BY_NAME))
def test_all_formats_hold_the_same_rows(table: str, session: Session) -> None:
    array = json.loads(export("json", table))
    lines = [json.loads(line) for line in export("ndjson", table).splitlines()]
    assert array == lines
    names = list(mirror.BY_NAME[table].column_names)
    rows = list(csv.reader(io.StringIO(export("csv", table).decode(), newline="")))
    assert rows[0] == names
    assert rows[1:] == [[as_text(row[name]) for name in names] for row in array]
    parquet = pq.read_table(io.BytesIO(export("parquet", table))).to_pylist()
    texts = [[as_text(row[name]) for name in names] for row in parquet]
    assert sorted(texts) == sorted(rows[1:])


def test_an_export_holds_exactly_the_rows_of_the_database(session: Session) -> None:
    rows = json.loads(export())
    assert {row["id"]: row["cwd"] for row in rows} == dict(
        UsageEvent.objects.values_list("pk", "cwd")
    )
    times = [row["occurred_at"] for row in rows]
    assert times == [*sorted(times[:-1]), None]  # rows without a time come last
    first = next(row for row in rows if row["id"] % 1_000_000 == 1)
    assert first["occurred_at"] == "2026-05-01T08:30:01.000000Z"
    assert first["is_error"] is False


def test_the_order_is_time_and_then_id_over_all_slices(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.mirror.copy.SLICE_ROWS", 4)
    monkeypatch.setattr("telemetry.mirror.copy.FIRST_ROWS", 1)
    spread = [
        make_event(session, 2000 + n, occurred_at=START + timedelta(minutes=7 * (n % 40)))
        for n in range(200)
    ]
    UsageEvent.objects.bulk_create(spread)
    mirror.rebuild(now=NOW)
    rows = json.loads(export())
    keys = [(row["occurred_at"] or "9", row["id"]) for row in rows]
    assert keys == sorted(keys)
    assert len(keys) == UsageEvent.objects.count()


def test_since_is_included_and_until_is_not(session: Session) -> None:
    at = {"since": "2026-05-01T08:30:03Z", "until": "2026-05-01T08:30:06Z", "user": "ada"}
    assert [row["id"] % 1_000_000 for row in json.loads(export(**at))] == [3, 4, 5]
    offset = {"since": "2026-05-01T10:30:03+02:00", "until": "2026-05-01 08:30:06", "user": "ada"}
    assert export(**offset) == export(**at)
    days = {"since": "2026-04-29", "until": "2026-04-30"}
    assert len(json.loads(export(**days))) == 2


def test_rows_without_a_time_are_in_no_range(session: Session) -> None:
    assert len(json.loads(export(since="1970-01-01"))) == UsageEvent.objects.count() - 1


def test_person_and_source_filter(session: Session) -> None:
    ben = User.objects.get(username="ben")
    for word in ("ben", str(ben.pk), "BEN@example.org"):
        assert {row["username"] for row in json.loads(export(user=word))} == {"ben"}
    assert [row["ref_id"] for row in json.loads(export(source="curated"))] == ["shop/lint"]


@pytest.mark.parametrize(
    "nothing",
    [
        {"since": "2030-01-01"},
        {"since": "2026-05-01", "until": "2026-05-01"},  # until is not included
        {"since": "2026-05-01T08:30:03Z", "until": "2026-05-01T10:30:03+02:00"},
    ],
)
def test_an_empty_export_is_valid_in_every_format(
    session: Session, nothing: dict[str, str]
) -> None:
    assert json.loads(export("json", **nothing)) == []
    assert export("ndjson", **nothing) == b""
    assert export("csv", **nothing).count(b"\n") == 1
    assert pq.read_table(io.BytesIO(export("parquet", **nothing))).num_rows == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"format": "xml"}, "csv, json, ndjson, parquet"),
        ({"table": "accounts_user"}, "usage_events"),
        ({"since": "yesterday"}, "2026-05-01T12:00:00Z"),
        ({"since": "2026-02-30"}, "2026-05-01T12:00:00Z"),
        ({"since": "2026-05-01T10:00:00 02:00"}, "%2B"),
        ({"since": "2026-W18"}, "not a day"),
        ({"since": "2026-05-02", "until": "2026-05-01"}, "earlier since"),
        ({"user": "nobody"}, "username"),
        ({"user": "1' OR '1'='1"}, "username"),
        ({"source": "official"}, "unattributed"),
        ({"table": "usage_people", "since": "2026-05-01"}, "no time"),
        ({"table": "usage_people", "source": "flea"}, "no source"),
        ({"table": "usage_tool_daily", "user": "ada"}, "no person"),
        ({"table": "usage_tool_daily", "since": "2026-05-01T12:00:00Z"}, "whole UTC days"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_the_fix(
    words: dict[str, str], message: str
) -> None:
    make_user("ada")
    with pytest.raises(ExportRefused, match=message.replace("+", r"\+")):
        Export.parse(**{"format": "csv", "table": "usage_events", **words})


def test_without_a_mirror_nothing_is_sent() -> None:
    with pytest.raises(mirror.MirrorUnavailable, match="usage_mirror rebuild"):
        export()


def test_an_export_is_audited_with_its_rows_and_filters(session: Session) -> None:
    export("ndjson", user="ada", since="2026-05-01")
    event = AuditEvent.objects.get(action="usage.export")
    assert event.subject == session.user
    assert event.details == {
        "format": "ndjson",
        "table": "usage_events",
        "filters": {"since": "2026-05-01T00:00:00Z", "user_id": session.user.pk},
        "row_count": 31,
        "completed": True,
    }


@pytest.mark.parametrize("chunks", [0, 1])
@pytest.mark.parametrize("format", ["csv", "json", "ndjson", "parquet"])
def test_a_stream_that_is_left_early_is_audited_as_incomplete(
    chunks: int, format: str, session: Session
) -> None:
    wanted = Export.parse(format=format, table="usage_events")
    stream = ExportStream(wanted, door=audit.Door.API)
    for _ in range(chunks):
        next(stream)
    stream.close()
    stream.close()
    event = AuditEvent.objects.get(action="usage.export")
    assert event.details["completed"] is False
    assert event.result == audit.Result.FAILED


def test_the_command_writes_a_file_that_json_reads(session: Session, tmp_path: Path) -> None:
    out = tmp_path / "events.json"
    call_command("usage_export", format="json", out=out, stderr=io.StringIO())
    assert out.read_bytes() == export("json")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["events.json"]


def test_the_command_writes_to_standard_output(session: Session) -> None:
    out = io.StringIO()
    call_command("usage_export", format="csv", user="ben", stdout=out)
    assert out.getvalue().encode() == export("csv", user="ben")


def test_a_failed_export_leaves_the_former_file(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "events.csv"
    out.write_text("former")

    def broken(*args: object, **kwargs: object) -> Any:
        yield b"half a row"
        raise OSError("no space left on device")

    monkeypatch.setattr("telemetry.exports.copy_stream", broken)
    with pytest.raises(CommandError, match="broke off"):
        call_command("usage_export", out=out)
    assert out.read_text() == "former"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["events.csv"]
    assert AuditEvent.objects.get(action="usage.export").details["completed"] is False


def test_the_command_refuses_with_the_same_words(session: Session) -> None:
    with pytest.raises(CommandError, match="earlier since"):
        call_command("usage_export", since="2026-05-02", until=str(date(2026, 5, 1)))


def test_the_command_knows_its_options() -> None:
    shown = subprocess.run(
        [sys.executable, "manage.py", "usage_export", "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for option in ("--format", "--since", "--until", "--user", "--source", "--table", "--out"):
        assert option in shown.stdout
