"""What the transcript store keeps, and in whatever order and pieces content arrives."""

import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import connection

from accounts.models import User
from telemetry import preparation, processors, refusals, transcript_blobs, transcript_store
from telemetry.models import (
    DoomedBlob,
    ProcessorState,
    Session,
    Tombstone,
    TranscriptFile,
    TranscriptRevision,
    TranscriptSegment,
)
from telemetry.revisions import MOST_SEGMENTS
from telemetry.session_rows import PROCESSORS
from telemetry.tombstones import leave_tombstone, session_digest
from telemetry.transcript_store import Status, accept
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


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob@example.org")


def stored(user: User, name: str = NAME) -> list[bytes]:
    """The bytes of each revision."""
    file = TranscriptFile.objects.get(user=user, name=name)
    return [
        b"".join(transcript_blobs.read_revision(revision))
        for revision in file.revisions.order_by("number")
    ]


def blobs_on_disk() -> set[str]:
    root = Path(settings.AGNES_TRANSCRIPTS_DIR)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def _empty_storage() -> None:
    for blob in blobs_on_disk():
        transcript_blobs.transcripts().delete(blob)


def test_a_new_file_is_read_back_as_it_was(ada: User) -> None:
    content = transcript(SID, range(20))

    accepted = accept(user=ada, name=NAME, content=content, now=NOW)

    assert accepted.status == Status.NEW
    assert stored(ada) == [content]


def test_a_grown_file_stores_only_its_tail(ada: User) -> None:
    accept(user=ada, name=NAME, content=transcript(SID, range(20)), now=NOW)
    grown = transcript(SID, range(23))

    accepted = accept(user=ada, name=NAME, content=grown, now=LATER)

    assert accepted.status == Status.GROWN
    assert stored(ada) == [grown]
    tail = TranscriptSegment.objects.get(number=1)
    assert (tail.offset, tail.size) == (
        len(transcript(SID, range(20))),
        len(transcript(SID, range(20, 23))),
    )


def test_a_file_cut_inside_a_line_grows_into_the_whole_one(ada: User) -> None:
    whole = transcript(SID, range(5))
    accept(user=ada, name=NAME, content=whole[:-7], now=NOW)

    assert accept(user=ada, name=NAME, content=whole, now=LATER).status == Status.GROWN
    assert stored(ada) == [whole]


def test_the_same_content_changes_nothing(ada: User) -> None:
    content = transcript(SID, range(3))
    accept(user=ada, name=NAME, content=content, now=NOW)

    assert accept(user=ada, name=NAME, content=content, now=LATER).status == Status.UNCHANGED
    assert TranscriptFile.objects.get().uploaded_at == NOW
    assert len(blobs_on_disk()) == 1


def test_an_old_backup_after_the_long_file_changes_nothing(ada: User) -> None:
    accept(user=ada, name=NAME, content=transcript(SID, range(9)), now=NOW)

    accepted = accept(user=ada, name=NAME, content=transcript(SID, range(4)), now=LATER)

    assert accepted.status == Status.OLDER
    assert stored(ada) == [transcript(SID, range(9))]
    assert Session.objects.get().uploaded_at == NOW


def test_an_old_backup_that_ends_where_a_segment_ends_is_known_without_its_bytes(
    ada: User,
) -> None:
    accept(user=ada, name=NAME, content=transcript(SID, range(4)), now=NOW)
    accept(user=ada, name=NAME, content=transcript(SID, range(9)), now=NOW)
    for blob in blobs_on_disk():
        transcript_blobs.transcripts().delete(blob)

    accepted = accept(user=ada, name=NAME, content=transcript(SID, range(4)), now=LATER)

    assert accepted.status == Status.OLDER


def test_a_rewritten_file_is_one_more_revision(ada: User) -> None:
    accept(user=ada, name=NAME, content=transcript(SID, range(9)), now=NOW)
    rewritten = transcript(SID, [0, 1, 5, 6])

    assert accept(user=ada, name=NAME, content=rewritten, now=LATER).status == Status.REVISED
    assert stored(ada) == [transcript(SID, range(9)), rewritten]


def test_each_revision_of_a_file_grows_by_itself(ada: User) -> None:
    accept(user=ada, name=NAME, content=transcript(SID, [0, 1]), now=NOW)
    accept(user=ada, name=NAME, content=transcript(SID, [0, 5]), now=NOW)

    assert (
        accept(user=ada, name=NAME, content=transcript(SID, [0, 1, 2]), now=NOW).status
        == Status.GROWN
    )
    assert (
        accept(user=ada, name=NAME, content=transcript(SID, [0, 5, 6]), now=NOW).status
        == Status.GROWN
    )
    assert stored(ada) == [transcript(SID, [0, 1, 2]), transcript(SID, [0, 5, 6])]


def test_any_order_of_growing_copies_leaves_the_same_content(ada: User) -> None:
    copies = [transcript(SID, range(count)) for count in (3, 5, 5, 8, 13)]
    copies += [transcript(SID, [0, 1, *range(20, 20 + count)]) for count in (1, 4)]
    outcomes = set()
    for seed in range(6):
        TranscriptFile.objects.all().delete()
        for content in random.Random(seed).sample(copies, len(copies)):
            accept(user=ada, name=NAME, content=content, now=NOW)
        outcomes.add((frozenset(stored(ada)), TranscriptFile.objects.get().content_hash))

    assert len(outcomes) == 1
    assert {revision for revisions, _ in outcomes for revision in revisions} == {
        copies[4],
        copies[6],
    }


def test_reading_a_file_keeps_its_revisions_lines_apart(ada: User) -> None:
    accept(user=ada, name=NAME, content=transcript(SID, [0, 1]).rstrip(), now=NOW)
    accept(user=ada, name=NAME, content=transcript(SID, [5, 6]), now=NOW)

    content = b"".join(transcript_store.read(TranscriptFile.objects.get()))

    assert content == transcript(SID, [0, 1, 5, 6])


def test_a_session_gets_its_rows_and_is_due_for_every_processor(ada: User) -> None:
    content = transcript(SID, range(3))
    accept(user=ada, name=NAME, content=content, now=NOW)

    session = Session.objects.get()
    assert (session.session_id, session.session_file, session.size) == (SID, NAME, len(content))
    due = ProcessorState.objects.filter(session=session, status="due", due_at=NOW, attempts=0)
    assert set(due.values_list("processor", flat=True)) == set(PROCESSORS)


def test_due_rows_are_made_for_exactly_the_registered_processors() -> None:
    assert set(PROCESSORS) == set(processors.names())


def test_a_processed_session_is_due_again_when_a_subagent_file_arrives(ada: User) -> None:
    accept(user=ada, name=NAME, content=transcript(SID, range(3)), now=NOW)
    before = Session.objects.get().content_hash
    ProcessorState.objects.update(status="quarantined", due_at=None, attempts=3)

    accept(user=ada, name=f"{SID}/agent-1a.jsonl", content=line(SID, 7), now=LATER)

    session = Session.objects.get()
    assert session.content_hash != before
    assert session.files.count() == 2
    states = set(ProcessorState.objects.values_list("status", "due_at", "attempts"))
    assert states == {("due", LATER, 0)}


def test_growth_by_lines_without_identity_makes_the_session_due(ada: User) -> None:
    content = transcript(SID, range(3))
    accept(user=ada, name=NAME, content=content, now=NOW)
    title = b'{"type":"ai-title","sessionId":"%s","aiTitle":"Till"}\n' % SID.encode()

    assert accept(user=ada, name=NAME, content=content + title, now=LATER).status == Status.GROWN
    assert Session.objects.get().uploaded_at == LATER


def test_lines_of_two_sessions_in_one_file_belong_to_both(ada: User) -> None:
    other = session_of("second")

    accept(user=ada, name="notes.jsonl", content=line(SID, 0) + line(other, 0), now=NOW)

    assert set(Session.objects.values_list("session_id", flat=True)) == {SID, other}


def test_the_same_session_of_two_people_is_two_sessions_with_names_of_their_own(
    ada: User, bob: User
) -> None:
    for user in (ada, bob):
        accept(user=user, name=NAME, content=transcript(SID, range(3)), now=NOW)

    names = dict(Session.objects.values_list("user__username", "session_file"))
    assert names == {"ada": NAME, "bob": f"{SID}@bob.jsonl"}


@pytest.mark.parametrize(
    ("content", "refusal", "word"),
    [
        (b"", refusals.NothingToCount, "empty"),
        (
            b'{"type":"summary","summary":"x","leafUuid":"y"}\n',
            refusals.NothingToCount,
            "session id",
        ),
        (
            b'{"type":"session_meta","payload":{"id":"x"}}\n',
            refusals.ForeignTranscript,
            "written by codex",
        ),
        (line("../../etc", 0), refusals.SessionIdRefused, "parts of a path"),
        (line("a\x07b", 0), refusals.SessionIdRefused, "control"),
        (line("x" * 201, 0), refusals.SessionIdRefused, "longer than 200"),
        (
            b"".join(line(f"s{number}", 0) for number in range(1001)),
            refusals.SessionIdRefused,
            "more than 1000 sessions",
        ),
    ],
)
def test_content_that_cannot_be_kept_is_refused_with_a_clear_word(
    ada: User, content: bytes, refusal: type[refusals.TranscriptRefused], word: str
) -> None:
    with pytest.raises(refusal, match=word):
        accept(user=ada, name="some.jsonl", content=content, now=NOW)

    assert not TranscriptFile.objects.exists()
    assert not blobs_on_disk()


def test_an_erased_session_is_not_taken_again_until_its_tombstone_is_lifted(
    ada: User, bob: User
) -> None:
    digest = session_digest(ada.pk, SID)
    leave_tombstone(Tombstone.Kind.SESSION, digest, now=NOW)

    with pytest.raises(refusals.SessionErased):
        accept(user=ada, name=NAME, content=transcript(SID, range(3)), now=NOW)
    # Another person's session of that id is theirs.
    accept(user=bob, name=NAME, content=transcript(SID, range(3)), now=NOW)

    Tombstone.objects.update(lifted_at=LATER)
    accept(user=ada, name=NAME, content=transcript(SID, range(3)), now=LATER)


def test_nothing_is_stored_for_a_person_who_opted_out(ada: User) -> None:
    User.objects.update(telemetry_opt_out=True)

    with pytest.raises(refusals.OptedOut):
        accept(user=ada, name=NAME, content=transcript(SID, range(3)), now=NOW)
    assert not blobs_on_disk()


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
    assert stored(ada) == [grown]


@committing
def test_many_small_growths_end_up_in_few_segments(ada: User) -> None:
    for count in range(1, MOST_SEGMENTS + 3):
        accept(user=ada, name=NAME, content=transcript(SID, range(count)), now=NOW)

    assert stored(ada) == [transcript(SID, range(MOST_SEGMENTS + 2))]
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
    assert stored(ada) == [transcript(SID, range(29))]
    session = Session.objects.get()
    assert session.files.count() == 30
    assert session.size == sum(TranscriptFile.objects.values_list("size", flat=True))
    named = set(TranscriptSegment.objects.values_list("blob", flat=True))
    assert blobs_on_disk() == named
