"""A session's lines counted by the real extraction, without a database."""

from datetime import UTC, datetime, timedelta

from benchmarks.transcript_lines import Line, Thread, encode
from telemetry.events import EventRow, SessionRows
from tests.telemetry.fast_count import Files, derive_person

FIRST = "11111111-1111-4111-8111-111111111111"
SECOND = "22222222-2222-4222-8222-222222222222"
THIRD = "33333333-3333-4333-8333-333333333333"
MAIN = f"{FIRST}.jsonl"
START = datetime(2026, 9, 14, 8, tzinfo=UTC)
DAY = "2026-09-14"


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def ms(seconds: float) -> int:
    return int(after(seconds).timestamp() * 1000)


def thread(session_id: str = FIRST) -> Thread:
    return Thread(session_id)


def count(*lines: Line | bytes, name: str = MAIN) -> SessionRows:
    """The one session that a single file holds."""
    (rows,) = count_files({name: encode(lines)}).values()
    return rows


def count_files(files: Files) -> dict[str, SessionRows]:
    """Each session of one person's files."""
    return {rows.session_id: rows for rows in derive_person(files)}


def event(rows: SessionRows) -> EventRow:
    (only,) = rows.events
    return only
