"""What is erased is gone from every file, what others prove stays, and nothing comes back."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import zstandard
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from benchmarks.transcript_lines import Line, encode, forked
from telemetry import erasure, leases, mirror, refusals, transcript_blobs
from telemetry.erasure import ErasurePlan, NothingToErase, Target, erase, finish_erasures, lift
from telemetry.models import (
    DoomedBlob,
    IdentityKey,
    ImportedFile,
    PendingChange,
    ProcessorState,
    Session,
    SessionFile,
    SessionIdentity,
    SessionOverlap,
    Tombstone,
    TranscriptFile,
    TranscriptRevision,
    TranscriptSegment,
    UsageEvent,
    UsageResponse,
    UsageSessionSummary,
)
from telemetry.transcript_store import accept, read
from tests.telemetry.processed_sessions import (
    NOW,
    days_ago,
    empty_storage,
    figures,
    mirrored,
    process,
    store,
    store_session,
    turns,
)
from tests.telemetry.transcript_lines import session_of

pytestmark = pytest.mark.django_db(transaction=True)
MARKER = "xyzzy-plugh-4711"


@pytest.fixture(autouse=True)
def mirror_folder(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield settings.AGNES_MIRROR_DIR
    mirror.close()


def run(user: User | None = None, session: str = "") -> ErasurePlan:
    return erase(Target(user, session), by=None, door=AuditEvent.Door.COMMAND, now=NOW)


def places_of(text: str, *folders: Path) -> list[str]:
    """Files below the folders that hold the text, compressed ones looked into."""
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            if not path.is_file():
                continue
            data = path.read_bytes()
            if path.suffix == ".zst":
                data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
            if text.encode() in data:
                found.append(path.name)
    return found


def all_folders(mirror_folder: Path) -> list[Path]:
    """Everything Agnes keeps on disk; PostgreSQL's files are its own affair."""
    folders = [django_settings.AGNES_DATA_DIR, mirror_folder]
    if connection.vendor == "sqlite":
        folders.append(Path(str(connection.settings_dict["NAME"])).parent)
    return folders


def rows_about(pk: int) -> int:
    derived = (UsageEvent, UsageResponse, UsageSessionSummary)
    of_session = (SessionFile, SessionIdentity, ProcessorState)
    return (
        sum(model.objects.filter(session_row=pk).count() for model in derived)
        + sum(model.objects.filter(session=pk).count() for model in of_session)
        + SessionOverlap.objects.filter(session=pk).count()
        + SessionOverlap.objects.filter(holder=pk).count()
        + IdentityKey.objects.filter(session_pk=pk).count()
        + Session.objects.filter(pk=pk).count()
    )


def test_an_erased_session_is_in_no_file_any_more(
    ada: User, bob: User, mirror_folder: Path
) -> None:
    secret = turns(session_of("secret"), days_ago(3, 1), marker=MARKER)
    # A title and a project of its own show up in rows as well.
    title = {"type": "ai-title", "aiTitle": MARKER, "sessionId": session_of("secret")}
    session = store(
        ada, "secret", [{**line, "cwd": f"/home/{MARKER}"} for line in secret] + [title]
    )
    store_session(ada, "other", 3, 1)
    process()
    folders = all_folders(mirror_folder)
    assert len(places_of(MARKER, *folders)) >= 2

    plan = run(ada, session.session_id)

    assert plan.unfinished == []
    assert places_of(MARKER, *folders) == []
    if connection.vendor == "sqlite":
        # Not even its id; the audit trail and the tombstone do not tell it.
        assert places_of(session.session_id, *folders) == []


def test_its_rows_and_its_part_of_every_figure_go(ada: User, bob: User) -> None:
    store_session(ada, "other", 3, 1)
    store_session(bob, "bobs", 3)
    process()
    before = figures()
    session = store_session(ada, "secret", 5, 3)
    process()
    assert figures() != before

    run(ada, session.session_id)

    assert rows_about(session.pk) == 0
    assert figures() == before
    assert mirrored("SELECT count(*), count(DISTINCT session_id) FROM usage_events") == [(6, 2)]
    assert mirrored("SELECT sum(invocations) FROM usage_tool_daily") == [(6,)]
    assert [check for check in mirror.verify().checks if not check.same] == []
    assert TranscriptFile.objects.count() == 2
    assert TranscriptSegment.objects.count() == TranscriptRevision.objects.count() == 2


def test_it_is_refused_until_the_tombstone_is_lifted(ada: User, bob: User) -> None:
    lines = turns(session_of("secret"), days_ago(1))
    name = f"{session_of('secret')}.jsonl"
    session = store(ada, "secret", lines)
    process()
    run(ada, session.session_id)

    with pytest.raises(refusals.SessionErased):
        accept(user=ada, name=name, content=encode(lines), now=NOW)
    accept(user=bob, name=name, content=encode(lines), now=NOW)  # his own is his affair
    lift(Target(ada, session.session_id), by=None, door=AuditEvent.Door.COMMAND, now=NOW)

    accept(user=ada, name=name, content=encode(lines), now=NOW)
    assert Session.objects.filter(user=ada).count() == 1


def test_erased_for_everybody_it_is_refused_from_everybody(ada: User, bob: User) -> None:
    lines = turns(session_of("secret"), days_ago(1))
    name = f"{session_of('secret')}.jsonl"
    store(ada, "secret", lines)
    store(bob, "secret", lines)
    process()

    plan = run(session=session_of("secret"))

    assert [username for username, _ in plan.sessions] == ["ada", "bob"]
    assert not Session.objects.exists()
    assert not IdentityKey.objects.exists()
    for person in (ada, bob, User.objects.create_user("eve@example.org")):
        with pytest.raises(refusals.SessionErased):
            accept(user=person, name=name, content=encode(lines), now=NOW)
    lift(Target(None, session_of("secret")), by=None, door=AuditEvent.Door.COMMAND, now=NOW)
    accept(user=bob, name=name, content=encode(lines), now=NOW)


def test_what_a_fork_still_proves_counts_there(ada: User) -> None:
    origin = turns(session_of("origin"), days_ago(5, 4))
    first = store(ada, "origin", origin)
    fork = store(ada, "fork", [forked(line, session_of("fork")) for line in origin])
    process()
    assert set(UsageEvent.objects.values_list("session_row", flat=True)) == {first.pk}
    before = figures()["usage_tool_daily"]

    plan = run(ada, first.session_id)
    process()

    assert plan.derived_again == 1
    assert set(UsageEvent.objects.values_list("session_row", flat=True)) == {fork.pk}
    assert UsageEvent.objects.count() == 4
    assert figures()["usage_tool_daily"] == before


def test_the_same_persons_fork_comes_before_anothers_copy(ada: User, bob: User) -> None:
    origin = turns(session_of("origin"), days_ago(5))
    first = store(ada, "origin", origin)
    process()
    store(bob, "origin", origin)
    process()
    fork = store(ada, "fork", [forked(line, session_of("fork")) for line in origin])
    process()

    run(ada, first.session_id)
    process()
    assert set(UsageEvent.objects.values_list("user", "session_row")) == {(ada.pk, fork.pk)}

    run(ada)
    process()
    assert set(UsageEvent.objects.values_list("username", flat=True)) == {"bob"}
    assert UsageEvent.objects.count() == 2


def test_another_session_in_the_same_file_keeps_its_lines(ada: User, mirror_folder: Path) -> None:
    secret, other = session_of("secret"), session_of("other")
    gone = turns(secret, days_ago(5), marker=MARKER)
    stay = turns(other, days_ago(4))
    torn = f'{{"sessionId": "{secret}", "text": "{MARKER}'.encode()
    nameless = {"type": "summary", "summary": f"About {MARKER}", "leafUuid": "x"}
    mixed: list[Line | bytes] = [
        *gone,
        nameless,
        torn,
        *stay[:3],
        *turns(secret, days_ago(3)),
        *stay[3:],
    ]
    store(ada, "secret", mixed, file="mixed.jsonl")
    alone = f"{session_of('alone')}.jsonl"
    store(ada, "other", stay, file=alone)
    process()
    summary = UsageSessionSummary.objects.get(session_id=other)

    run(ada, secret)

    file = TranscriptFile.objects.get(name="mixed.jsonl")
    assert b"".join(read(file)) == encode(stay)
    revision = file.revisions.get()
    assert (file.size, revision.size) == (len(encode(stay)), len(encode(stay)))
    assert file.stored_size == revision.segments.get().stored_size
    assert places_of(MARKER, *all_folders(mirror_folder)) == []
    process()
    again = UsageSessionSummary.objects.get(session_id=other)
    assert (again.tool_calls, again.responses) == (summary.tool_calls, summary.responses)
    assert again.bad_lines == 0
    assert UsageEvent.objects.count() == 2


def test_a_file_that_grew_while_it_was_rewritten_is_rewritten_again(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, other = session_of("secret"), session_of("other")
    mixed = [*turns(secret, days_ago(5), marker=MARKER), *turns(other, days_ago(4))]
    store(ada, "other", mixed, file="mixed.jsonl")
    more = turns(other, days_ago(4, 2))[5:]
    taken: list[str] = []
    write = transcript_blobs.write_blob

    def slow_write(user_id: int, name: str, **frame: object) -> str:
        taken.append(name)
        if len(taken) == 1:
            store(ada, "other", [*mixed, *more], file="mixed.jsonl")
        return write(user_id, name, **frame)  # type: ignore[arg-type]

    monkeypatch.setattr(transcript_blobs, "write_blob", slow_write)
    run(ada, secret)

    content = b"".join(read(TranscriptFile.objects.get(name="mixed.jsonl")))
    assert content == encode([*turns(other, days_ago(4)), *more])
    blobs = set(TranscriptSegment.objects.values_list("blob", flat=True))
    root = django_settings.AGNES_TRANSCRIPTS_DIR
    assert {str(p.relative_to(root)) for p in root.rglob("*.zst")} == blobs


def test_a_persons_usage_goes_and_the_account_stays(
    ada: User, bob: User, mirror_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "BATCH", 2)
    store_session(bob, "bobs", 3)
    process()
    before = figures()
    for number in range(5):
        store_session(ada, f"session {number}", 3, number, marker=MARKER)
    file = TranscriptFile.objects.filter(user=ada).first()
    ImportedFile.objects.create(
        user=ada,
        path=f"/home/{MARKER}",
        path_key="0" * 64,
        size=1,
        mtime_ns=1,
        inode=1,
        file=file,
        rules=1,
        seen_at=NOW,
    )
    process()

    plan = run(ada)

    assert len(plan.sessions) == 5
    assert plan.unfinished == []
    assert figures() == before
    for model in (Session, TranscriptFile, ImportedFile, UsageEvent):
        assert not model.objects.filter(user=ada).exists()
    assert mirrored("SELECT username FROM usage_people") == [("bob",)]
    assert places_of(MARKER, *all_folders(mirror_folder)) == []
    assert User.objects.filter(pk=ada.pk).exists()
    with pytest.raises(refusals.PersonErased):
        store_session(ada, "anything new", 1)
    lift(Target(ada), by=None, door=AuditEvent.Door.COMMAND, now=NOW)
    store_session(ada, "anything new", 1)


def test_what_broke_off_is_ended_later(
    ada: User, mirror_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = store_session(ada, "secret", 1, marker=MARKER)
    store_session(ada, "other", 1)
    process()
    with monkeypatch.context() as broken:
        # As if the process was killed right after the commit.
        broken.setattr(erasure, "finish_erasures", lambda now: ["killed"])
        broken.setattr(transcript_blobs, "delete_doomed", lambda *_, **__: 0)
        assert run(ada, session.session_id).unfinished == ["killed"]
    assert DoomedBlob.objects.exists()
    assert erasure.is_unfinished()

    assert finish_erasures(now=NOW) == []

    assert not erasure.is_unfinished()
    assert places_of(MARKER, *all_folders(mirror_folder)) == []
    assert not PendingChange.objects.exists()


def test_the_database_is_not_rewritten_again_for_what_else_is_left(
    ada: User, mirror_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = store_session(ada, "secret", 1)
    process()
    with monkeypatch.context() as broken:
        broken.setattr(transcript_blobs, "delete_doomed", lambda *_, **__: 0)
        assert run(ada, session.session_id).unfinished == ["stored objects could not be deleted"]
        assert not PendingChange.objects.filter(consumer=erasure.CONSUMER).exists()
        assert erasure.is_unfinished()
        rewritten = file_of_the_database()
        finish_erasures(now=NOW)
        assert file_of_the_database() == rewritten

    assert finish_erasures(now=NOW) == []
    assert not erasure.is_unfinished()


def file_of_the_database() -> int:
    """What a rewritten database counts on: its schema cookie, or nothing to tell by."""
    if connection.vendor != "sqlite":
        return 0
    with connection.cursor() as cursor:
        return int(cursor.execute("PRAGMA schema_version").fetchone()[0])


def test_a_rewrite_that_the_worker_has_no_time_for_is_left_to_the_command(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = store_session(ada, "secret", 1)
    process()
    with monkeypatch.context() as broken:

        def killed() -> str:
            raise SystemExit("time-out")

        broken.setattr(erasure, "scrub_database", killed)
        with pytest.raises(SystemExit):
            run(ada, session.session_id)
        (problem,) = finish_erasures(now=NOW, budget=timedelta(seconds=15))
        assert "usage_erase" in problem
        assert erasure.is_unfinished()

    call_command("usage_erase", "--session", session.session_id, "--yes", stdout=StringIO())
    assert not erasure.is_unfinished()


def test_a_person_half_erased_is_ended_later(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        store_session(ada, f"session {number}", number)
    process()
    with monkeypatch.context() as broken:
        broken.setattr(erasure, "finish_erasures", lambda now: ["killed"])
        run(ada)
    assert Session.objects.count() == 3

    call_command("usage_erase", "--user", "ada", "--yes", stdout=StringIO())

    assert not Session.objects.exists()
    assert not erasure.is_unfinished()


def test_a_broken_mirror_does_not_stop_it_and_is_told(ada: User, mirror_folder: Path) -> None:
    session = store_session(ada, "secret", 1)
    process()
    for path in mirror_folder.iterdir():
        path.unlink()
    mirror_folder.rmdir()
    mirror_folder.write_text("in the way")

    plan = run(ada, session.session_id)

    assert rows_about(session.pk) == 0
    assert "the mirror could not be rebuilt" in plan.unfinished[0]
    mirror_folder.unlink()
    assert finish_erasures(now=NOW) == []


def test_a_session_whose_transcript_is_gone_can_be_erased(ada: User) -> None:
    from telemetry.old_transcripts import drop_old_transcripts

    session = store_session(ada, "old", 90)
    process()
    drop_old_transcripts([session.pk], before=NOW.date(), now=NOW)

    run(ada, session.session_file)

    assert rows_about(session.pk) == 0
    assert not TranscriptFile.objects.exists()


def test_what_is_not_there_cannot_be_erased(ada: User, bob: User) -> None:
    store_session(bob, "bobs", 1)

    with pytest.raises(NothingToErase):
        run(ada, session_of("bobs"))
    with pytest.raises(erasure.NoTombstone):
        lift(Target(ada), by=None, door=AuditEvent.Door.COMMAND, now=NOW)
    assert not Tombstone.objects.exists()


def test_the_audit_trail_tells_it_without_telling_what(ada: User, bob: User) -> None:
    session = store_session(ada, "secret", 1)
    process()

    erase(Target(ada, session.session_id), by=bob, door=AuditEvent.Door.PAGE, now=NOW)

    event = AuditEvent.objects.get(action="usage.erase")
    assert (event.actor, event.subject, event.door) == (bob, ada, "page")
    assert event.details == {"sessions": 1, "files": 1}
    assert session.session_id not in f"{event.resource_id} {event.details}"


def test_the_command_shows_first_and_acts_only_when_told_so(ada: User) -> None:
    session = store_session(ada, "secret", 1)
    process()
    shown, told = StringIO(), StringIO()

    call_command("usage_erase", "--session", session.session_id, stdout=shown)
    assert Session.objects.exists()
    call_command("usage_erase", "--session", session.session_id, "--yes", "--json", stdout=told)

    assert f"ada  {session.session_file}" in shown.getvalue()
    assert "Would erase 1 sessions with 1 files" in shown.getvalue()
    assert json.loads(told.getvalue())["sessions"] == [["ada", session.session_file]]
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "Erase what"),
        (["--user", "nobody"], "no person 'nobody'"),
        (["--session", "none"], "no session 'none'"),
        (["--session", "none", "--lift", "--yes"], "Nothing of that name was erased"),
        (["--session", "none", "--lift"], "Nothing of that name was erased"),
        (["--user", "nobody", "--lift"], "Nothing of that name was erased"),
    ],
)
def test_a_target_that_means_nothing_is_refused(arguments: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        call_command("usage_erase", *arguments, stdout=StringIO())


def test_sessions_due_again_are_seen_by_the_worker(ada: User, bob: User) -> None:
    origin = turns(session_of("origin"), days_ago(5))
    first = store(ada, "origin", origin)
    store(bob, "origin", origin)
    process()

    run(ada, first.session_id)

    state = ProcessorState.objects.get(processor="usage", session__user=bob)
    assert (state.status, state.due_at) == ("due", NOW)
    assert ProcessorState.objects.get(processor="verification").status == "done"


def test_it_waits_for_whoever_recomputes_the_figures(ada: User) -> None:
    session = store_session(ada, "secret", 1)
    process()
    held = leases.take("rollups", ttl=timedelta(seconds=1))
    assert held

    plan = run(ada, session.session_id)

    assert plan.unfinished == []
    assert not UsageSessionSummary.objects.exists()


def test_it_does_not_wait_for_ever(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "PATIENCE", 0.0)
    session = store_session(ada, "secret", 1)
    process()
    with leases.lease("rollups", ttl=timedelta(minutes=1)):
        assert run(ada, session.session_id).unfinished == [
            "another process recomputes the figures right now"
        ]
    assert finish_erasures(now=NOW) == []
