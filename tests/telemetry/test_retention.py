"""What retention removes, what it leaves, and that neither comes back nor goes later."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import Task
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from benchmarks.transcript_lines import Thread, answer, encode, prompt, tool_use
from telemetry import leases, mirror, retention
from telemetry.due_sessions import forget_processed
from telemetry.models import (
    DoomedBlob,
    Lease,
    PendingChange,
    ProcessorState,
    Session,
    TranscriptFile,
    TranscriptSegment,
    UsageEvent,
    UsageFormatDrift,
    UsageResponse,
    UsageSessionDaily,
    UsageSessionDriftDaily,
    UsageUserDaily,
    Watermark,
)
from telemetry.old_transcripts import old_transcripts
from telemetry.processors.base import Claim
from telemetry.processors.runner import run_until_idle
from telemetry.reprocess import Choice, reprocess
from telemetry.retention import PruneReport, Retention, plan_prune, prune
from telemetry.transcript_blobs import write_blob
from telemetry.transcript_store import Status, accept
from tests.telemetry.processed_sessions import (
    NOW,
    days_ago,
    empty_storage,
    figures,
    mirrored,
    process,
    rows_of,
    store,
    store_session,
    turns,
)
from tests.telemetry.transcript_lines import session_of
from tests.telemetry.usage_rows import recompute_all

pytestmark = pytest.mark.django_db
committing = pytest.mark.django_db(transaction=True)
TODAY = NOW.date()


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield
    mirror.close()


def run(keep: Retention, now: datetime = NOW, seconds: float | None = None) -> PruneReport:
    return prune(keep, by=None, door=AuditEvent.Door.COMMAND, now=now, seconds=seconds)


def event_days() -> list[date]:
    moments = UsageEvent.objects.values_list("occurred_at", flat=True)
    return sorted(at.date() for at in moments if at is not None)


def blobs_on_disk() -> int:
    return sum(path.is_file() for path in django_settings.AGNES_TRANSCRIPTS_DIR.rglob("*"))


def test_events_of_earlier_days_go_and_the_first_kept_day_stays_whole(ada: User) -> None:
    day = datetime(2026, 6, 5, tzinfo=UTC)
    moments = [day - timedelta(minutes=1), day, day + timedelta(hours=23)]
    store(ada, "edge", turns(session_of("edge"), moments))
    process()

    report = run(Retention(events=10))

    assert report.events == 2
    assert event_days() == [date(2026, 6, 5)] * 4
    assert UsageResponse.objects.count() == 6


def test_what_is_kept_for_ever_is_left_alone(ada: User) -> None:
    store_session(ada, "one", 4000, 1)
    process()

    report = run(Retention())

    assert (report.events, report.responses, report.facts, report.transcripts) == (0, 0, 0, 0)
    assert UsageEvent.objects.count() == 4
    assert not Watermark.objects.filter(name__endswith="_pruned_before").exists()


def test_figures_of_pruned_days_stay_as_they_were(ada: User) -> None:
    store_session(ada, "one", 90, 60, 1)
    process()
    before = figures()

    run(Retention(events=30, responses=30))
    recompute_all(NOW)

    assert figures() == before
    assert UsageEvent.objects.count() == UsageResponse.objects.count() == 2


def test_the_mirror_follows(ada: User) -> None:
    store_session(ada, "one", 90, 1)
    store_session(ada, "young", 1)
    process()

    run(Retention(events=30, responses=30, facts=31))
    report = mirror.sync(now=NOW)

    assert report.sessions == 1  # the young session is not copied again
    assert mirrored("SELECT count(*) FROM usage_events") == [(4,)]
    assert mirrored("SELECT count(*) FROM usage_responses") == [(4,)]
    assert mirrored("SELECT min(day) FROM usage_session_daily") == [(date(2026, 6, 14),)]
    assert mirrored("SELECT min(day) FROM usage_user_daily") == [(date(2026, 6, 14),)]
    assert mirrored("SELECT min(day) FROM usage_tool_daily") == [(date(2026, 3, 17),)]
    assert [check for check in mirror.verify().checks if not check.same] == []


def test_a_second_run_has_nothing_to_do(ada: User) -> None:
    store_session(ada, "one", 90, 1)
    process()
    keep = Retention(events=30, responses=30, facts=40, transcripts=30)
    run(keep)
    before = list(PendingChange.objects.values_list("pk", flat=True))

    report = run(keep)

    assert (report.events, report.responses, report.facts, report.transcripts) == (0, 0, 0, 0)
    assert list(PendingChange.objects.values_list("pk", flat=True)) == before


def test_many_rows_go_in_batches(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    store_session(ada, "one", 90, 89, 88, 87, 1)
    process()

    assert run(Retention(events=30)).events == 8
    assert UsageEvent.objects.count() == 2


def test_when_time_is_up_the_rest_is_left_for_the_next_run(ada: User) -> None:
    store_session(ada, "one", 90, 1)
    process()

    report = run(Retention(events=30), seconds=-1)

    assert report.left
    assert UsageEvent.objects.count() == 4
    assert Watermark.objects.get(name="events_pruned_before").day == TODAY - timedelta(days=30)
    assert not run(Retention(events=30)).left
    assert UsageEvent.objects.count() == 2


def test_a_watermark_never_moves_back(ada: User) -> None:
    store_session(ada, "one", 50, 1)
    process()
    run(Retention(events=10))

    run(Retention(events=100))
    run(Retention())
    store_session(ada, "late", 40, 2)
    process()

    assert Watermark.objects.get(name="events_pruned_before").day == TODAY - timedelta(days=10)
    assert event_days() == [TODAY - timedelta(days=2)] * 2 + [TODAY - timedelta(days=1)] * 2


def test_persons_days_go_and_the_figures_of_all_stay(ada: User) -> None:
    store_session(ada, "one", 90, 40, 1)
    process()
    before = figures()

    report = run(Retention(facts=60))

    first = TODAY - timedelta(days=60)
    assert report.facts == 4  # two tools on one day, for the session and for the person
    assert not UsageSessionDaily.objects.filter(day__lt=first).exists()
    assert not UsageUserDaily.objects.filter(day__lt=first).exists()
    assert UsageUserDaily.objects.count() == 4
    for table in ("usage_tool_daily", "usage_format_drift", "usage_session_summary"):
        assert figures()[table] == before[table]


def test_the_facts_that_the_windows_need_are_kept(ada: User) -> None:
    store_session(ada, "one", 30, 32)
    process()

    run(Retention(facts=5))

    assert set(UsageUserDaily.objects.values_list("day", flat=True)) == {TODAY - timedelta(days=30)}


def test_what_was_marked_is_rolled_up_before_its_facts_go(ada: User) -> None:
    store_session(ada, "one", 90)
    process()
    store_session(ada, "two", 90)
    run_until_idle(now=lambda: NOW)  # the rollups do not know of it yet

    run(Retention(facts=40))

    calls = figures()["usage_tool_daily"]
    assert [row[3] for row in calls] == [2, 2]


def test_drift_in_lines_without_a_time_is_not_old(ada: User) -> None:
    session_id = session_of("timeless")
    strange = {"type": "never-heard-of", "sessionId": session_id}
    store(ada, "timeless", [strange, prompt(Thread(session_id), "Hello", at=None)])
    store_session(ada, "one", 90)
    process()
    before = rows_of(UsageFormatDrift)

    run(Retention(facts=40))
    reprocess(Choice(), by=None, door=AuditEvent.Door.COMMAND, now=NOW)
    process()

    assert UsageSessionDriftDaily.objects.filter(name="never-heard-of").count() == 1
    assert rows_of(UsageFormatDrift) == before


@committing
def test_an_old_transcripts_bytes_go_and_its_content_is_known_again(ada: User) -> None:
    lines = turns(session_of("old"), days_ago(90))
    old = store(ada, "old", lines)
    store_session(ada, "young", 1)
    process()
    before = figures()

    report = run(Retention(transcripts=30))

    assert report.transcripts == 1
    assert blobs_on_disk() == TranscriptSegment.objects.count() == 1
    assert not DoomedBlob.objects.exists()
    old.refresh_from_db()
    assert old.transcript_dropped_at == NOW
    assert TranscriptFile.objects.get(sessions=old).stored_size == 0
    again = accept(user=ada, name=f"{old.session_id}.jsonl", content=encode(lines), now=NOW)
    assert again.status == Status.UNCHANGED
    process()
    assert figures() == before


def test_a_part_that_arrives_later_lowers_no_figure_and_the_whole_counts(ada: User) -> None:
    session_id = session_of("old")
    lines = turns(session_id, days_ago(90))
    old = store(ada, "old", lines)
    process()
    before = figures()
    run(Retention(transcripts=30))
    agent = Thread(session_id, agent_id="a1")
    part = encode([answer(agent, tool_use("toolu_a1", "Bash"), at=days_ago(90)[0])])

    accept(user=ada, name=f"{session_id}/agent-a1.jsonl", content=part, now=NOW)
    process()
    assert figures() == before
    states = ProcessorState.objects.filter(session=old).values_list("status", flat=True)
    assert set(states) == {"skipped"}

    store(ada, "old", [*lines, *turns(session_id, days_ago(90, 1))[5:]])
    process()
    assert UsageEvent.objects.count() == 5
    old.refresh_from_db()
    assert old.transcript_dropped_at is None


def test_a_transcript_goes_by_its_last_line(ada: User) -> None:
    store_session(ada, "long", 90, 5)
    process()

    assert old_transcripts(before=TODAY - timedelta(days=30)) == []


def test_a_batch_is_looked_at_alone_but_for_what_shares_its_files(ada: User) -> None:
    old, young, third = (session_of(name) for name in ("old", "young", "third"))
    chained = [*turns(old, days_ago(90)), *turns(young, days_ago(5))]
    store(ada, "old", chained, file="both.jsonl")
    store(ada, "old", [*turns(old, days_ago(88)), *turns(third, days_ago(80))], file="two.jsonl")
    alone = store_session(ada, "alone", 90)
    process()
    pks = dict(Session.objects.values_list("session_id", "pk"))
    month = TODAY - timedelta(days=30)

    def among(*session_ids: str) -> list[int]:
        return old_transcripts(before=month, among=[pks[one] for one in session_ids])

    assert old_transcripts(before=month) == [alone.pk]
    assert among(alone.session_id, third) == [alone.pk]
    assert among(old) == among(third) == []
    assert old_transcripts(before=TODAY, among=[pks[third]]) == [pks[third]]
    with CaptureQueriesContext(connection) as few:
        among(alone.session_id)
    of_all = [one["sql"] for one in few if " IN " not in one["sql"]]
    assert of_all == []


def test_what_nobody_has_read_yet_is_kept(ada: User) -> None:
    waiting = store_session(ada, "waiting", 90)
    process()
    ProcessorState.objects.filter(session=waiting, processor="usage").update(status="failed")

    assert old_transcripts(before=TODAY) == []

    ProcessorState.objects.filter(session=waiting, processor="usage").update(
        status="done", content_hash="something older"
    )
    assert old_transcripts(before=TODAY) == []


def test_a_session_in_quarantine_goes_by_its_upload(ada: User) -> None:
    broken = store_session(ada, "broken", 90)
    ProcessorState.objects.filter(session=broken).update(status="quarantined", due_at=None)

    assert old_transcripts(before=TODAY) == []
    assert old_transcripts(before=TODAY + timedelta(days=1)) == [broken.pk]


def test_a_file_of_two_sessions_stays_until_both_are_old(ada: User) -> None:
    old, young = session_of("old"), session_of("young")
    both = [*turns(old, days_ago(90)), *turns(young, days_ago(5))]
    store(ada, "old", both, file="both.jsonl")
    process()

    assert old_transcripts(before=TODAY - timedelta(days=30)) == []
    assert len(old_transcripts(before=TODAY - timedelta(days=1))) == 2


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@committing
def test_what_is_being_stored_while_a_run_begins_is_removed_too(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = [store_session(ada, name, 90, 1) for name in ("one", "two")]
    process()
    forget_processed("usage", [session.pk for session in sessions], now=NOW)
    stored, may_commit = Event(), Event()
    finish = Claim.finish

    def pause_once(claim: Claim, *given: Any, **named: Any) -> None:
        if not stored.is_set():
            stored.set()
            may_commit.wait(10)
        finish(claim, *given, **named)

    def in_a_thread(work: Callable[[], Any]) -> Any:
        try:
            return work()
        finally:
            connection.close()

    monkeypatch.setattr(Claim, "finish", pause_once)
    with ThreadPoolExecutor(2) as threads:
        storing = threads.submit(in_a_thread, lambda: run_until_idle(now=lambda: NOW))
        assert stored.wait(10)
        pruning = threads.submit(in_a_thread, lambda: run(Retention(events=30)))
        wait([pruning], timeout=1)
        may_commit.set()
        storing.result()
        pruning.result()

    assert event_days() == [TODAY - timedelta(days=1)] * 4


def test_two_runs_do_not_overlap(ada: User) -> None:
    with leases.lease("prune", ttl=timedelta(minutes=1)), pytest.raises(leases.LeaseTaken):
        run(Retention(events=1))


def test_leftovers_are_cleaned_up(ada: User) -> None:
    blob = write_blob(ada.pk, "lost.jsonl", mark="0", frame=b"x", frame_path="")
    Task.objects.create(
        id="a" * 32,
        name="old",
        func="f",
        success=False,
        started=NOW - timedelta(days=40),
        stopped=NOW - timedelta(days=40),
    )
    Lease.objects.create(name="old", expires_at=NOW - timedelta(days=40))

    report = run(Retention(), now=datetime.now(UTC) + timedelta(days=2))

    assert report.blobs == 1
    assert not (django_settings.AGNES_TRANSCRIPTS_DIR / blob).exists()
    assert not Task.objects.exists()
    assert not Lease.objects.filter(name="old").exists()


def test_it_is_audited(ada: User) -> None:
    store_session(ada, "one", 90, 1)
    process()

    prune(Retention(events=30), by=ada, door=AuditEvent.Door.API, now=NOW)

    event = AuditEvent.objects.get(action="usage.prune")
    assert (event.actor, event.door) == (ada, "api")
    assert event.details["events"] == 2
    assert event.details["first_days"] == {"events_pruned_before": "2026-05-16"}


def test_a_plan_counts_what_a_run_removes_and_removes_nothing(ada: User) -> None:
    store_session(ada, "one", 90, 80, 1)
    store_session(ada, "two", 70)
    process()
    keep = Retention(events=30, responses=30, facts=40, transcripts=30)
    before = figures()

    plan = plan_prune(keep, now=NOW)

    assert figures() == before
    assert not Watermark.objects.filter(name__endswith="_pruned_before").exists()
    done = run(keep)
    assert (plan.events, plan.responses, plan.facts, plan.transcripts) == (
        done.events,
        done.responses,
        done.facts,
        done.transcripts,
    )
    assert plan.events == 6
    assert plan.transcripts == 1
    assert Session.objects.count() == 2


def test_the_command_says_what_is_kept_for_ever(settings: Settings) -> None:
    told = StringIO()

    call_command("usage_prune", stdout=told)

    assert "events: kept for ever (USAGE_EVENTS_RETENTION_DAYS=0)" in told.getvalue()


def test_the_command_acts_by_the_settings_without_a_question(ada: User, settings: Settings) -> None:
    settings.USAGE_EVENTS_RETENTION_DAYS = 1
    settings.USAGE_DAILY_RETENTION_DAYS = 7
    store_session(ada, "one", 4000)
    process()
    shown, told = StringIO(), StringIO()

    call_command("usage_prune", "--dry-run", stdout=shown)
    assert UsageEvent.objects.count() == 2
    call_command("usage_prune", stdout=told)

    assert UsageEvent.objects.count() == 0
    assert "would remove 2 (USAGE_EVENTS_RETENTION_DAYS)" in shown.getvalue()
    assert "removed 2 (USAGE_EVENTS_RETENTION_DAYS)" in told.getvalue()
    assert "USAGE_DAILY_RETENTION_DAYS=7 is less than the 31 days" in told.getvalue()


def test_the_command_tells_a_script_what_it_did(ada: User, settings: Settings) -> None:
    settings.USAGE_RESPONSES_RETENTION_DAYS = 1
    store_session(ada, "one", 4000)
    process()
    told = StringIO()

    call_command("usage_prune", "--json", stdout=told)

    body = json.loads(told.getvalue())
    assert (body["events"], body["responses"], body["dry_run"]) == (0, 2, False)
