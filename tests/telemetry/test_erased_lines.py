"""Files that an erased session shares with a living one: taken without the erased lines."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from benchmarks.transcript_lines import encode
from telemetry import mirror, preparation, preparers, refusals, tombstones
from telemetry.erasure import Target, erase, lift
from telemetry.models import Session, Tombstone, TranscriptFile, UsageEvent
from telemetry.transcript_store import Status, accept
from telemetry.uploads import DifferentBase, stored_state, take_file, take_tail
from tests.telemetry.importing import put, run, words
from tests.telemetry.processed_sessions import NOW, days_ago, empty_storage, process, turns
from tests.telemetry.stored_transcripts import stored
from tests.telemetry.transcript_lines import session_of

pytestmark = pytest.mark.django_db(transaction=True)
SECRET, OTHER = session_of("secret"), session_of("other")
MIXED = "mixed.jsonl"
GONE = encode(turns(SECRET, days_ago(5)))
LIVING = encode(turns(OTHER, days_ago(4)))
MORE = encode(turns(OTHER, days_ago(4, 2))[5:])
MORE_GONE = encode(turns(SECRET, days_ago(5, 3))[5:])


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield
    mirror.close()


@pytest.fixture
def ada() -> User:
    """Her session SECRET was erased out of a file it shares with OTHER."""
    ada = User.objects.create_user("ada@example.org")
    accept(user=ada, name=MIXED, content=GONE + LIVING, now=NOW)
    process()
    erase(Target(ada, SECRET), by=None, door=AuditEvent.Door.COMMAND, now=NOW)
    assert stored(ada, MIXED) == [LIVING]
    return ada


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("small", [preparation.SMALL, 100])
def test_a_living_session_grows_in_a_file_it_shares_with_an_erased_one(
    ada: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    monkeypatch.setattr(preparation, "SMALL", small)
    monkeypatch.setattr(preparation, "CHUNK", 500)
    whole = GONE + LIVING + MORE_GONE + MORE

    accepted = accept(user=ada, name=MIXED, content=put(tmp_path, MIXED, whole), now=NOW)

    assert (accepted.status, accepted.left_out) == (Status.GROWN, (SECRET,))
    assert (accepted.size, accepted.sha256) == (len(whole), digest(whole))
    assert accepted.survey.session_ids == [OTHER]
    assert stored(ada, MIXED) == [LIVING + MORE]
    process()
    assert set(UsageEvent.objects.values_list("session_id", flat=True)) == {OTHER}
    assert UsageEvent.objects.count() == 4
    again = accept(user=ada, name=MIXED, content=whole, now=NOW)
    assert (again.status, again.left_out) == (Status.UNCHANGED, (SECRET,))


def test_a_file_of_nothing_but_erased_lines_is_refused(ada: User) -> None:
    with pytest.raises(refusals.SessionErased) as refused:
        accept(user=ada, name=MIXED, content=GONE, now=NOW)

    assert not isinstance(refused.value, refusals.PartlyErased)
    assert stored(ada, MIXED) == [LIVING]
    assert set(Session.objects.values_list("session_id", flat=True)) == {OTHER}


def test_another_persons_copy_is_taken_whole(ada: User) -> None:
    bob = User.objects.create_user("bob@example.org")

    accepted = accept(user=bob, name=MIXED, content=GONE + LIVING, now=NOW)

    assert accepted.left_out == ()
    assert stored(bob, MIXED) == [GONE + LIVING]


def test_who_goes_on_from_a_file_with_erased_lines_is_asked_for_all_of_it(
    ada: User, tmp_path: Path
) -> None:
    before = GONE + LIVING
    answered = take_file(user=ada, name=MIXED, body=put(tmp_path, MIXED, before), now=NOW)
    known = (answered.accepted.size, answered.accepted.sha256)
    assert known == (len(before), digest(before))
    state = [{"size": len(LIVING), "sha256": digest(LIVING)}]
    assert stored_state(ada, MIXED) == state

    with pytest.raises(DifferentBase) as refused:
        take_tail(user=ada, name=MIXED, base=known, body=put(tmp_path, "tail", MORE), now=NOW)

    assert refused.value.details == {"revisions": state}
    whole = put(tmp_path, MIXED, before + MORE)
    assert take_file(user=ada, name=MIXED, body=whole, now=NOW).accepted.status == Status.GROWN
    assert stored(ada, MIXED) == [LIVING + MORE]


def test_a_tail_to_what_is_stored_is_taken_without_erased_lines(ada: User, tmp_path: Path) -> None:
    tail = put(tmp_path, "tail", MORE_GONE + MORE)

    upload = take_tail(user=ada, name=MIXED, base=(len(LIVING), digest(LIVING)), body=tail, now=NOW)

    assert (upload.accepted.status, upload.accepted.left_out) == (Status.GROWN, (SECRET,))
    assert stored(ada, MIXED) == [LIVING + MORE]


@pytest.mark.parametrize("enough", [1, preparers.WORTH_PROCESSES])
def test_an_import_says_what_it_left_out_and_takes_it_when_it_may(
    ada: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enough: int
) -> None:
    monkeypatch.setattr(preparers, "WORTH_PROCESSES", enough)
    put(tmp_path, MIXED, GONE + LIVING + MORE)
    put(tmp_path, f"{SECRET}.jsonl", GONE)

    told = words(run(tmp_path, "--user", "ada"))

    assert told[MIXED] == "grown: without the lines of 1 erased session"
    assert told[f"{SECRET}.jsonl"].startswith("refused: This session was erased")
    assert words(run(tmp_path, "--user", "ada"))[MIXED] == (
        "unchanged: without the lines of 1 erased session"
    )
    lift(Target(ada, SECRET), by=None, door=AuditEvent.Door.COMMAND, now=NOW)
    assert words(run(tmp_path, "--user", "ada"))[MIXED] == "revised"
    assert stored(ada, MIXED) == [LIVING + MORE, GONE + LIVING + MORE]


def test_a_session_that_is_erased_while_its_file_is_read_is_left_out(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = session_of("third")
    content = encode([*turns(third, days_ago(1)), *turns(OTHER, days_ago(1))])
    prepare = preparation.prepare

    def erased_meanwhile(*arguments: object, **named: object) -> preparation.Prepared:
        digest = tombstones.session_digest(ada.pk, third)
        tombstones.leave_tombstone(Tombstone.Kind.SESSION, digest, now=NOW)
        return prepare(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("telemetry.transcript_store.prepare", erased_meanwhile)
    accept(user=ada, name="third.jsonl", content=content, now=NOW)

    assert stored(ada, "third.jsonl") == [encode(turns(OTHER, days_ago(1)))]
    assert not Session.objects.filter(session_id=third).exists()
    assert TranscriptFile.objects.filter(sessions__session_id=OTHER).count() == 2
