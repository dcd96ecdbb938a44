"""Sessions derived again: what goes, what stays meanwhile, and that all of it comes back."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from benchmarks.transcript_lines import forked
from telemetry import mirror
from telemetry.models import (
    IdentityKey,
    ProcessorState,
    Session,
    UsageEvent,
    UsageResponse,
    UsageSessionDaily,
    Watermark,
)
from telemetry.old_transcripts import drop_old_transcripts
from telemetry.processors.base import ClaimLost
from telemetry.processors.claims import claim_due
from telemetry.processors.usage import UsageProcessor
from telemetry.reprocess import Choice, plan_reprocess, reprocess
from telemetry.retention import Retention, prune
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

pytestmark = pytest.mark.django_db
COMMAND = AuditEvent.Door.COMMAND


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield
    mirror.close()


def clear(choice: Choice | None = None) -> None:
    reprocess(choice or Choice(), by=None, door=COMMAND, now=NOW)


def test_events_and_responses_go_while_figures_stay(ada: User) -> None:
    store_session(ada, "one", 40, 2, 1)
    process()
    before = figures()

    clear()

    assert UsageEvent.objects.count() == UsageResponse.objects.count() == 0
    assert figures() == before


def test_every_day_has_its_former_figures_after_processing(ada: User) -> None:
    store_session(ada, "one", 400, 40, 1)
    store_session(ada, "two", 40, 0)
    process()
    before, events = figures(), set(UsageEvent.objects.values_list("id", "outcome"))

    clear()
    process()

    assert figures() == before
    assert set(UsageEvent.objects.values_list("id", "outcome")) == events
    assert len(events) == 10


def test_the_mirror_drops_the_events_and_keeps_the_figures_meanwhile(ada: User) -> None:
    store_session(ada, "one", 2, 1)
    process()

    clear()
    mirror.sync(now=NOW)

    assert mirrored("SELECT count(*) FROM usage_events") == [(0,)]
    assert mirrored("SELECT count(*) FROM usage_responses") == [(0,)]
    assert mirrored("SELECT tool_calls FROM usage_session_summary") == [(4,)]
    assert mirrored("SELECT sum(invocations) FROM usage_tool_daily") == [(4,)]
    assert mirrored("SELECT sum(calls) FROM usage_user_daily") == [(4,)]


def test_another_processors_state_is_not_touched(ada: User) -> None:
    store_session(ada, "one", 1)
    process()
    verification = ProcessorState.objects.filter(processor="verification").values()
    before = list(verification)

    clear()

    assert list(verification.all()) == before
    usage = ProcessorState.objects.get(processor="usage")
    assert (usage.status, usage.content_hash, usage.version) == ("due", "", 0)
    assert usage.due_at == NOW


def test_a_session_without_its_transcript_keeps_its_rows_and_is_named(ada: User) -> None:
    gone = store_session(ada, "gone", 90)
    store_session(ada, "here", 1)
    process()
    drop_old_transcripts([gone.pk], before=(NOW - timedelta(days=30)).date(), now=NOW)

    plan = reprocess(Choice(), by=None, door=COMMAND, now=NOW)

    assert plan.skipped == [gone.session_file]
    assert (plan.events, plan.responses) == (2, 2)
    assert set(UsageEvent.objects.values_list("session_row", flat=True)) == {gone.pk}
    state = ProcessorState.objects.get(processor="usage", session=gone)
    assert state.status == ProcessorState.Status.DONE


def test_pruned_events_stay_gone_and_pruned_days_keep_their_figures(ada: User) -> None:
    store_session(ada, "one", 90, 80, 1)
    process()
    before = figures()
    prune(Retention(events=30, responses=30), by=None, door=COMMAND, now=NOW)

    clear()
    process()

    assert figures() == before
    assert UsageEvent.objects.count() == UsageResponse.objects.count() == 2
    floor = datetime(2026, 5, 16, tzinfo=UTC)
    assert not UsageEvent.objects.filter(occurred_at__lt=floor).exists()


def test_pruned_facts_stay_gone_and_the_figures_of_all_stay(ada: User) -> None:
    store_session(ada, "one", 90, 1)
    process()
    before = figures()
    prune(Retention(facts=40), by=None, door=COMMAND, now=NOW)

    clear()
    process()

    assert figures()["usage_tool_daily"] == before["usage_tool_daily"]
    assert figures()["usage_session_summary"] == before["usage_session_summary"]
    watermark = Watermark.objects.get(name="facts_pruned_before").day
    assert not UsageSessionDaily.objects.filter(day__lt=watermark).exists()
    assert UsageSessionDaily.objects.count() == 2


def test_nobody_can_take_the_identities_meanwhile(ada: User) -> None:
    session = store_session(ada, "one", 1)
    process()
    keys = set(IdentityKey.objects.values_list("key", "session_pk"))
    clear()
    bob = User.objects.create_user("bob@example.org")

    copy = store_session(bob, "one", 1)
    process()

    assert set(IdentityKey.objects.values_list("key", "session_pk")) == keys
    assert set(UsageEvent.objects.values_list("session_row", flat=True)) == {session.pk}
    assert Session.objects.get(pk=copy.pk).user == bob


def test_sessions_that_share_lines_come_back_together(ada: User) -> None:
    origin = turns(session_of("origin"), days_ago(5, 4))
    store(ada, "origin", origin)
    fork = [forked(line, session_of("fork")) for line in origin]
    store(ada, "fork", fork + turns(session_of("fork"), days_ago(1)))
    process()
    before, events = figures(), set(UsageEvent.objects.values_list("id", "session_id"))

    clear(Choice(session=session_of("fork")))
    process()

    assert figures() == before
    assert set(UsageEvent.objects.values_list("id", "session_id")) == events
    assert len(events) == 6


def test_whoever_processes_a_session_meanwhile_cannot_store_it(ada: User) -> None:
    session = store_session(ada, "one", 1)
    processor = UsageProcessor()
    claim = claim_due(processor, now=NOW, most=1, most_bytes=1)[0]

    clear()

    with pytest.raises(ClaimLost):
        claim.finish(processor, session.content_hash, now=NOW)


def test_sessions_are_chosen_by_person_id_and_start(ada: User) -> None:
    bob = User.objects.create_user("bob@example.org")
    old, new = store_session(ada, "old", 9), store_session(ada, "new", 2)
    other = store_session(bob, "other", 2)
    unread = store_session(bob, "unread", 2)
    ProcessorState.objects.filter(session=unread).delete()
    process()
    unread.refresh_from_db()
    since, until = NOW - timedelta(days=5), NOW - timedelta(days=1)

    def chosen(choice: Choice) -> set[int]:
        return set(plan_reprocess(choice).sessions)

    assert chosen(Choice(user=ada)) == {old.pk, new.pk}
    assert chosen(Choice(session=old.session_id)) == {old.pk}
    assert chosen(Choice(session=other.session_file)) == {other.pk}
    assert chosen(Choice(since=since)) == {new.pk, other.pk}
    assert chosen(Choice(until=until - timedelta(days=6))) == {old.pk}
    assert chosen(Choice()) == {old.pk, new.pk, other.pk, unread.pk}


def test_the_command_shows_first_and_acts_only_when_told_so(ada: User) -> None:
    store_session(ada, "one", 1)
    process()
    shown = StringIO()

    call_command("usage_reprocess", stdout=shown)

    assert "Would clear the usage state of 1 sessions, 2 events and 2 responses" in shown.getvalue()
    assert UsageEvent.objects.count() == 2
    assert not AuditEvent.objects.filter(action="usage.reprocess").exists()

    call_command("usage_reprocess", "--yes", stdout=StringIO())

    assert UsageEvent.objects.count() == 0
    audited = AuditEvent.objects.get(action="usage.reprocess")
    assert audited.details == {"sessions": 1, "skipped": 0, "events": 2, "responses": 2}
    assert audited.door == "command"


def test_the_command_tells_a_script_what_it_did(ada: User) -> None:
    store_session(ada, "one", 1)
    process()
    told = StringIO()

    call_command("usage_reprocess", "--user", "ada", "--yes", "--json", stdout=told)

    expected = {"done": True, "sessions": 1, "events": 2, "responses": 2, "skipped": []}
    assert json.loads(told.getvalue()) == expected


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--user", "nobody"], "no person 'nobody'"),
        (["--session", "none"], "no session 'none'"),
        (["--since", "yesterday"], "is no day"),
        (["--since", "2026-05-02", "--until", "2026-05-02"], "is not before"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(arguments: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        call_command("usage_reprocess", *arguments, stdout=StringIO())
