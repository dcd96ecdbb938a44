"""What the transcript store keeps, and in whatever order and pieces content arrives."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import User
from telemetry import refusals, transcript_blobs, transcript_store
from telemetry.models import (
    Session,
    Tombstone,
    TranscriptFile,
    TranscriptSegment,
)
from telemetry.tombstones import leave_tombstone, session_digest
from telemetry.transcript_store import Status, accept
from tests.telemetry.stored_transcripts import blobs_on_disk, empty_storage, stored
from tests.telemetry.transcript_lines import line, session_of, transcript

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
SID = session_of("first")
NAME = f"{SID}.jsonl"


@pytest.fixture(autouse=True)
def _empty_storage() -> None:
    empty_storage()


def test_a_new_file_is_read_back_as_it_was(ada: User) -> None:
    content = transcript(SID, range(20))

    accepted = accept(user=ada, name=NAME, content=content, now=NOW)

    assert accepted.status == Status.NEW
    assert stored(ada, NAME) == [content]


def test_a_grown_file_stores_only_its_tail(ada: User) -> None:
    accept(user=ada, name=NAME, content=transcript(SID, range(20)), now=NOW)
    grown = transcript(SID, range(23))

    accepted = accept(user=ada, name=NAME, content=grown, now=LATER)

    assert accepted.status == Status.GROWN
    assert stored(ada, NAME) == [grown]
    tail = TranscriptSegment.objects.get(number=1)
    assert (tail.offset, tail.size) == (
        len(transcript(SID, range(20))),
        len(transcript(SID, range(20, 23))),
    )


def test_a_file_cut_inside_a_line_grows_into_the_whole_one(ada: User) -> None:
    whole = transcript(SID, range(5))
    accept(user=ada, name=NAME, content=whole[:-7], now=NOW)

    assert accept(user=ada, name=NAME, content=whole, now=LATER).status == Status.GROWN
    assert stored(ada, NAME) == [whole]


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
    assert stored(ada, NAME) == [transcript(SID, range(9))]
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
    assert stored(ada, NAME) == [transcript(SID, range(9)), rewritten]


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
    assert stored(ada, NAME) == [transcript(SID, [0, 1, 2]), transcript(SID, [0, 5, 6])]


def test_any_order_of_growing_copies_leaves_the_same_content(ada: User) -> None:
    copies = [transcript(SID, range(count)) for count in (3, 5, 5, 8, 13)]
    copies += [transcript(SID, [0, 1, *range(20, 20 + count)]) for count in (1, 4)]
    outcomes = set()
    for seed in range(6):
        TranscriptFile.objects.all().delete()
        for content in random.Random(seed).sample(copies, len(copies)):
            accept(user=ada, name=NAME, content=content, now=NOW)
        outcomes.add((frozenset(stored(ada, NAME)), TranscriptFile.objects.get().content_hash))

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
