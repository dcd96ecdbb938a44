"""Private sessions: refused from then on, with their copies, by every door; removed when asked."""

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from accounts.models import AuditEvent, User
from telemetry import erasure, privacy, refusals
from telemetry.models import PrivateLine, Session, TranscriptFile, UsageEvent
from telemetry.private_marks import line_digest
from telemetry.transcript_store import accept
from tests.telemetry.processed_sessions import empty_storage
from tests.telemetry.transcript_lines import line, session_of, transcript

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 5, 12, 15, tzinfo=UTC)
OWN, FORK, OTHER = session_of("own"), session_of("fork"), session_of("other")


@pytest.fixture(autouse=True)
def _storage() -> None:
    empty_storage()


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org", username="ada")


def first_lines(session_id: str, count: int = 3) -> list[str]:
    uuids = [json.loads(line(session_id, number))["uuid"] for number in range(count)]
    return [line_digest(uuid) for uuid in uuids]


def fork_of(session_id: str, name: str, *, told: bool = True) -> bytes:
    """A copy under another id; `told` as /branch writes it, else as older versions copied."""
    lines = []
    for raw in transcript(session_id, range(4)).splitlines():
        data = json.loads(raw)
        data["sessionId"] = name
        if told:
            data["forkedFrom"] = {"sessionId": session_id, "messageUuid": data["uuid"]}
        lines.append(json.dumps(data).encode() + b"\n")
    return b"".join(lines) + line(name, 90, "after the fork")


def mark(user: User, session_id: str = OWN, *, purge: bool = False) -> privacy.Marked:
    return privacy.mark_private(
        user=user,
        session_id=session_id,
        lines=first_lines(session_id),
        purge=purge,
        now=NOW,
        door=AuditEvent.Door.API,
    )


def send(user: User, session_id: str, content: bytes | None = None) -> None:
    content = transcript(session_id, range(4)) if content is None else content
    accept(user=user, name=f"{session_id}.jsonl", content=content, now=NOW)


def test_a_marked_session_is_refused_and_another_is_taken(ada: User) -> None:
    assert mark(ada) == privacy.Marked(OWN, stored=False, purged=[])
    with pytest.raises(refusals.SessionPrivate) as refused:
        send(ada, OWN)
    assert refused.value.status == 403
    send(ada, OTHER)
    assert list(Session.objects.values_list("session_id", flat=True)) == [OTHER]


@pytest.mark.parametrize("told", [True, False])
def test_a_copy_of_a_marked_session_is_refused_however_it_was_made(ada: User, told: bool) -> None:
    mark(ada)
    with pytest.raises(refusals.SessionPrivate):
        send(ada, FORK, fork_of(OWN, FORK, told=told))
    assert not TranscriptFile.objects.exists()


def test_a_stored_file_that_grows_by_lines_of_a_marked_session_is_refused(ada: User) -> None:
    send(ada, OTHER)
    mark(ada)
    grown = transcript(OTHER, range(4)) + line(OWN, 0)
    with pytest.raises(refusals.SessionPrivate):
        send(ada, OTHER, grown)
    assert TranscriptFile.objects.get().size == len(transcript(OTHER, range(4)))


def test_a_session_that_only_mentions_a_marked_one_is_taken(ada: User) -> None:
    mark(ada)
    send(ada, OTHER, line(OTHER, 0, f"agnes mark-private {OWN}"))
    assert Session.objects.get().session_id == OTHER


def test_somebody_elses_mark_keeps_nobody_out(ada: User) -> None:
    bob = User.objects.create_user("bob@example.org")
    mark(bob)
    send(ada, OWN)
    assert Session.objects.get().user == ada


def test_an_import_from_disk_is_refused_as_well(ada: User, tmp_path: Path) -> None:
    mark(ada)
    folder = tmp_path / "-home-ada-till"
    folder.mkdir()
    (folder / f"{OWN}.jsonl").write_bytes(transcript(OWN, range(4)))
    (folder / f"{FORK}.jsonl").write_bytes(fork_of(OWN, FORK))
    (folder / f"{OTHER}.jsonl").write_bytes(transcript(OTHER, range(4)))
    output = StringIO()
    call_command("usage_import", str(tmp_path), "--user", "ada", "--processes", "1", stdout=output)
    assert "refused" in output.getvalue()
    assert list(Session.objects.values_list("session_id", flat=True)) == [OTHER]


def test_a_mark_after_an_upload_says_that_it_is_stored_and_stops_what_follows(ada: User) -> None:
    send(ada, OWN)
    assert mark(ada) == privacy.Marked(OWN, stored=True, purged=[])
    with pytest.raises(refusals.SessionPrivate):
        send(ada, OWN, transcript(OWN, range(9)))
    assert Session.objects.get().size == len(transcript(OWN, range(4)))


def test_a_purge_removes_it_and_its_forks_and_nothing_else(ada: User) -> None:
    for session_id, content in [(OWN, None), (FORK, fork_of(OWN, FORK)), (OTHER, None)]:
        send(ada, session_id, content)
    call_command("usage_process", "--processes", "1", stdout=StringIO())

    marked = mark(ada, purge=True)

    assert (marked.stored, sorted(marked.purged)) == (False, sorted([OWN, FORK]))
    assert list(Session.objects.values_list("session_id", flat=True)) == [OTHER]
    assert not UsageEvent.objects.exclude(session_id=OTHER).exists()
    assert erasure.is_unfinished()  # the worker ends it
    with pytest.raises(refusals.TranscriptRefused):
        send(ada, FORK, fork_of(OWN, FORK))


def test_taken_back_it_is_taken_again_also_after_its_purge(ada: User) -> None:
    send(ada, OWN)
    mark(ada, purge=True)
    privacy.lift_private(user=ada, session_id=OWN, now=NOW, door=AuditEvent.Door.API)
    send(ada, OWN)
    assert Session.objects.get().session_id == OWN
    assert not PrivateLine.objects.exists()
    with pytest.raises(privacy.NotPrivate):
        privacy.lift_private(user=ada, session_id=OWN, now=NOW, door=AuditEvent.Door.API)


def test_taking_a_mark_back_lifts_no_erasure_of_an_admin(ada: User) -> None:
    send(ada, OWN)
    admin = User.objects.create_superuser("root@example.org")
    target = erasure.Target(ada, OWN)
    erasure.erase(target, by=admin, door=AuditEvent.Door.PAGE, now=NOW, finish=False)
    mark(ada, purge=True)
    privacy.lift_private(user=ada, session_id=OWN, now=NOW, door=AuditEvent.Door.API)
    with pytest.raises(refusals.SessionErased):
        send(ada, OWN)


def test_marking_twice_is_one_mark_and_every_time_is_audited(ada: User) -> None:
    mark(ada)
    mark(ada)
    assert ada.private_marks.count() == 1
    assert PrivateLine.objects.count() == 3
    actions = AuditEvent.objects.filter(subject=ada).values_list("action", flat=True)
    assert list(actions) == ["session.mark_private"] * 2


def test_neither_ids_nor_their_digests_can_be_read_from_the_stored_lines(ada: User) -> None:
    mark(ada)
    stored = set(PrivateLine.objects.values_list("digest", flat=True))
    assert stored.isdisjoint(first_lines(OWN))
    assert all(len(one) == 64 for one in stored)
