"""Segments and the blobs behind them: large ones, many small ones, lost and dropped ones."""

import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import connection

from accounts.models import User
from telemetry import compaction, preparation, transcript_blobs, transcript_store
from telemetry.compaction import MOST_SEGMENTS
from telemetry.models import (
    DoomedBlob,
    Session,
    TranscriptFile,
    TranscriptRevision,
    TranscriptSegment,
)
from telemetry.transcript_store import Status, accept
from tests.telemetry.stored_transcripts import blobs_on_disk, empty_storage, stored
from tests.telemetry.transcript_lines import line, session_of, transcript

pytestmark = pytest.mark.django_db
committing = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

LATER = NOW + timedelta(hours=1)

SID = session_of("first")

NAME = f"{SID}.jsonl"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org")


@pytest.fixture(autouse=True)
def _empty_storage() -> None:
    empty_storage()


@committing
def test_dropped_content_is_known_again(ada: User) -> None:
    content = transcript(SID, range(3))
    accept(user=ada, name=NAME, content=content, now=NOW)
    transcript_store.drop_bytes(list(TranscriptFile.objects.all()), now=NOW)

    assert not blobs_on_disk()
    assert accept(user=ada, name=NAME, content=content, now=LATER).status == Status.UNCHANGED
    assert not blobs_on_disk()


def test_growth_of_dropped_content_brings_all_of_it_back(ada: User) -> None:
    accept(user=ada, name=NAME, content=transcript(SID, range(3)), now=NOW)
    transcript_store.drop_bytes(list(TranscriptFile.objects.all()), now=NOW)
    grown = transcript(SID, range(5))

    assert accept(user=ada, name=NAME, content=grown, now=LATER).status == Status.GROWN
    assert stored(ada, NAME) == [grown]


@committing
def test_many_small_growths_end_up_in_few_segments(ada: User) -> None:
    for count in range(1, MOST_SEGMENTS + 3):
        accept(user=ada, name=NAME, content=transcript(SID, range(count)), now=NOW)

    assert stored(ada, NAME) == [transcript(SID, range(MOST_SEGMENTS + 2))]
    assert TranscriptSegment.objects.count() <= 3
    assert len(blobs_on_disk()) == TranscriptSegment.objects.count()
    assert not DoomedBlob.objects.exists()
    file = TranscriptFile.objects.get()
    sizes = TranscriptSegment.objects.values_list("stored_size", flat=True)
    assert file.stored_size == sum(sizes)


@committing
def test_a_reader_goes_on_when_segments_are_rewritten_under_it(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcript_blobs, "CHUNK", 64)
    for count in range(1, MOST_SEGMENTS + 1):
        accept(user=ada, name=NAME, content=transcript(SID, range(count)), now=NOW)
    reader = transcript_blobs.read_revision(TranscriptRevision.objects.get())
    begun = next(reader)

    whole = transcript(SID, range(MOST_SEGMENTS + 1))
    accept(user=ada, name=NAME, content=whole, now=NOW)

    assert TranscriptSegment.objects.count() == 1
    assert begun + b"".join(reader) == transcript(SID, range(MOST_SEGMENTS))


@committing
@pytest.mark.parametrize("moment", ["_compact", "read_runs", "write_blob"])
def test_a_file_that_grows_while_it_is_rewritten_stays_whole(
    ada: User, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    for count in range(1, MOST_SEGMENTS + 1):
        accept(user=ada, name=NAME, content=transcript(SID, range(count)), now=NOW)
    module = compaction if moment == "_compact" else transcript_blobs
    real, whole = getattr(module, moment), transcript(SID, range(50))
    compacting = compaction._compact

    def growing(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(module, moment, real)
        # What another request does at this moment: it grows the file, and rewrites nothing.
        monkeypatch.setattr(compaction, "_compact", lambda *_, **__: False)
        accept(user=ada, name=NAME, content=whole, now=NOW)
        monkeypatch.setattr(compaction, "_compact", compacting)
        return real(*args, **kwargs)

    def begin(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(module, moment, growing)
        return (growing if moment == "_compact" else compacting)(*args, **kwargs)

    monkeypatch.setattr(compaction, "_compact", begin)
    accept(user=ada, name=NAME, content=transcript(SID, range(MOST_SEGMENTS + 1)), now=NOW)

    assert stored(ada, NAME) == [whole]
    named = set(TranscriptSegment.objects.values_list("blob", flat=True))
    assert blobs_on_disk() == named


@committing
def test_a_damaged_revision_is_not_rewritten(ada: User) -> None:
    for count in range(1, MOST_SEGMENTS + 1):
        accept(user=ada, name=NAME, content=transcript(SID, range(count)), now=NOW)
    TranscriptSegment.objects.filter(number=3).delete()

    grown = transcript(SID, range(MOST_SEGMENTS + 3))
    accept(user=ada, name=NAME, content=grown[: grown.rindex(b"{")], now=NOW)
    accept(user=ada, name=NAME, content=grown, now=NOW)

    assert TranscriptSegment.objects.count() == MOST_SEGMENTS + 1


def test_a_gap_in_the_segments_is_told_and_never_skipped(ada: User) -> None:
    for count in (2, 4, 6):
        accept(user=ada, name=NAME, content=transcript(SID, range(count)), now=NOW)
    revision = TranscriptRevision.objects.get()
    runs = list(revision.segments.order_by("offset").values_list("offset", "size", "blob"))
    size = revision.size
    assert b"".join(transcript_blobs.read_runs(runs, size)) == transcript(SID, range(6))

    with pytest.raises(transcript_blobs.BytesMissing, match="no segment holds"):
        b"".join(transcript_blobs.read_runs([runs[0], runs[2]], size))
    with pytest.raises(transcript_blobs.BytesMissing, match="the segments end"):
        b"".join(transcript_blobs.read_runs(runs[:2], size))
    revision.segments.filter(number=1).delete()
    with pytest.raises(transcript_blobs.BytesMissing):
        b"".join(transcript_blobs.read_revision(revision))


def test_a_blob_shorter_than_its_segment_is_told(ada: User) -> None:
    accept(user=ada, name=NAME, content=transcript(SID, range(3)), now=NOW)
    offset, size, blob = TranscriptSegment.objects.values_list("offset", "size", "blob").get()

    with pytest.raises(transcript_blobs.BytesMissing, match="ends at byte"):
        b"".join(transcript_blobs.read_runs([(offset, size + 1, blob)], size + 1))


def test_a_large_file_never_is_in_memory_as_a_whole(ada: User, tmp_path: Path) -> None:
    source = tmp_path / NAME
    noise = random.Random(1)
    with source.open("wb") as file:
        for number in range(400):
            text = noise.randbytes(40_000).hex()
            file.write(line(SID, number, text))
    size = source.stat().st_size
    assert size > preparation.SMALL * 3

    accepted = accept(user=ada, name=NAME, content=source, now=NOW)

    assert (accepted.status, accepted.size) == (Status.NEW, size)
    reader = transcript_blobs.read_revision(TranscriptRevision.objects.get())
    with source.open("rb") as file:
        for chunk in reader:
            assert len(chunk) <= preparation.CHUNK
            assert chunk == file.read(len(chunk))
        assert not file.read(1)
    assert not list(transcript_blobs.temp_folder().iterdir())


@committing
def test_a_blob_is_taken_back_when_the_rows_cannot_be_written(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(transcript_store, "link_sessions", broken)

    with pytest.raises(RuntimeError, match="disk full"):
        accept(user=ada, name=NAME, content=transcript(SID, range(3)), now=NOW)
    assert not blobs_on_disk()
    assert not TranscriptFile.objects.exists()


def test_orphans_are_swept_once_they_are_old(ada: User) -> None:
    accept(user=ada, name=NAME, content=transcript(SID, range(3)), now=NOW)
    named = blobs_on_disk()
    storage = transcript_blobs.transcripts()
    orphan = storage.save("9/abc/0-def.zst", ContentFile(b"left behind by a kill"))
    left = transcript_blobs.temp_folder() / "frame-left"
    left.write_bytes(b"x")
    clock = datetime.now(UTC)

    assert transcript_blobs.sweep_orphans(older_than=timedelta(days=1), now=clock) == 0
    later = clock + timedelta(days=2)
    assert transcript_blobs.sweep_orphans(older_than=timedelta(days=1), now=later) == 2
    assert blobs_on_disk() == named
    assert orphan not in blobs_on_disk()
    assert not left.exists()


def test_a_sweep_ends_in_time_and_later_ones_reach_the_rest() -> None:
    storage = transcript_blobs.transcripts()
    for number in range(6):
        storage.save(f"9/a{number}/0-def.zst", ContentFile(b"left behind by a kill"))
    later = datetime.now(UTC) + timedelta(days=2)

    def sweep() -> int:
        return transcript_blobs.sweep_orphans(
            older_than=timedelta(days=1), now=later, budget=timedelta(0)
        )

    assert [sweep() for _ in range(7)] == [1] * 6 + [0]
    assert not blobs_on_disk()


def test_a_sweep_does_not_stay_with_the_first_folders(ada: User) -> None:
    for number in range(8):
        name = f"{session_of(f'file {number}')}.jsonl"
        sid = session_of(f"file {number}")
        accept(user=ada, name=name, content=transcript(sid, range(2)), now=NOW)
    transcript_blobs.transcripts().save("9/abc/0-def.zst", ContentFile(b"left behind"))
    later = datetime.now(UTC) + timedelta(days=2)

    # Each sweep looks at one blob; by chance it is the orphan's folder sooner or later.
    assert any(
        transcript_blobs.sweep_orphans(older_than=timedelta(days=1), now=later, budget=timedelta(0))
        for _ in range(100)
    )


def test_deleting_noted_blobs_ends_in_time() -> None:
    DoomedBlob.objects.bulk_create(
        DoomedBlob(blob=f"9/a{number}/0-def.zst", created_at=NOW) for number in range(3)
    )

    counts = [transcript_blobs.delete_doomed(budget=timedelta(0)) for _ in range(4)]

    assert counts == [1, 1, 1, 0]


@committing
def test_a_request_deletes_only_what_it_doomed_itself(ada: User) -> None:
    DoomedBlob.objects.create(blob="9/abc/0-def.zst", created_at=NOW)
    accept(user=ada, name=NAME, content=transcript(SID, range(3)), now=NOW)

    transcript_store.drop_bytes(list(TranscriptFile.objects.all()), now=NOW)

    assert not blobs_on_disk()
    assert DoomedBlob.objects.get().blob == "9/abc/0-def.zst"


UPLOADER = """
import sys
import django
django.setup()
from datetime import UTC, datetime
from django.db import connections
from accounts.models import User
from telemetry.transcript_store import accept
from tests.telemetry.transcript_lines import session_of, transcript
connections["default"].settings_dict["NAME"] = sys.argv[1]
user = User.objects.get(email="ada@example.org")
sid = session_of("first")
def send(name, numbers):
    accept(user=user, name=name, content=transcript(sid, numbers), now=datetime.now(UTC))
print("ready", flush=True)
sys.stdin.readline()
for count in range(int(sys.argv[2]), 30, 2):
    send(f"{sid}.jsonl", range(count))
    send(f"{sid}/agent-{count}.jsonl", [count])
"""


@committing
def test_two_processes_that_send_the_same_growing_file_leave_one_whole_file(ada: User) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "agnes_project.settings"}
    database = str(connection.settings_dict["NAME"])
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", UPLOADER, database, str(start)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=settings.BASE_DIR,
        )
        for start in (1, 2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
    for worker in workers:
        worker.communicate(b"go\n", timeout=120)

    assert [worker.returncode for worker in workers] == [0, 0]
    assert stored(ada, NAME) == [transcript(SID, range(29))]
    session = Session.objects.get()
    assert session.files.count() == 30
    assert session.size == sum(TranscriptFile.objects.values_list("size", flat=True))
    named = set(TranscriptSegment.objects.values_list("blob", flat=True))
    assert blobs_on_disk() == named
