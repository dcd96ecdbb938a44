"""Sessions that are due are processed, each on its own: one that fails blocks no other."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import User
from telemetry.models import (
    ProcessorState,
    Session,
    TranscriptSegment,
    UsageEvent,
    UsageSessionSummary,
)
from telemetry.processors import by_name
from telemetry.processors.base import TranscriptGone
from telemetry.processors.claims import MAX_ATTEMPTS
from telemetry.processors.runner import run_until_idle
from telemetry.processors.storing import RunReport
from telemetry.transcript_store import drop_bytes
from tests.telemetry.database_dump import NOW, figures, upload
from tests.telemetry.transcript_lines import session_of, transcript

pytestmark = pytest.mark.django_db

Status = ProcessorState.Status


@pytest.fixture
def ada() -> User:
    ada = User.objects.create_user("ada@example.org")
    for name in ("a", "b", "c"):
        session_id = session_of(name)
        assert upload(ada, f"{session_id}.jsonl", transcript(session_id, range(3)))
    return ada


def run(now: datetime = NOW, processor: str = "") -> RunReport:
    chosen = {"processors": (by_name(processor),)} if processor else {}
    return run_until_idle(processes=1, now=lambda: now, **chosen)  # type: ignore[arg-type]


def spoil(session: Session) -> None:
    """Break the session's stored bytes."""
    for segment in TranscriptSegment.objects.filter(revision__file__sessions=session):
        (Path(settings.AGNES_TRANSCRIPTS_DIR) / segment.blob).write_bytes(b"no zstandard")


def statuses(processor: str) -> list[str]:
    states = ProcessorState.objects.filter(processor=processor).order_by("session_id")
    return list(states.values_list("status", flat=True))


def test_all_that_is_due_is_done_once(ada: User) -> None:
    report = run()

    assert (report.sessions, report.failed) == (6, 0)
    assert statuses("usage") == statuses("verification") == [Status.DONE] * 3
    assert run().sessions == 0


def test_a_session_that_cannot_be_read_blocks_no_other(ada: User) -> None:
    broken = Session.objects.order_by("pk")[0]
    spoil(broken)

    report = run()

    assert report.failed == 2  # once for each processor
    assert statuses("usage") == [Status.FAILED, Status.DONE, Status.DONE]
    assert UsageSessionSummary.objects.count() == 2
    assert ProcessorState.objects.get(session=broken, processor="usage").error


def test_a_session_that_never_can_be_read_is_quarantined_with_its_error(ada: User) -> None:
    spoil(Session.objects.order_by("pk")[0])

    reports = [run(NOW + timedelta(days=day), "usage") for day in range(MAX_ATTEMPTS + 2)]

    assert [report.failed for report in reports] == [1] * (MAX_ATTEMPTS - 1) + [0] * 3
    assert sum(report.quarantined for report in reports) == 1
    assert statuses("usage") == [Status.QUARANTINED, Status.DONE, Status.DONE]
    assert statuses("verification") == [Status.DUE] * 3


def test_a_failure_is_not_tried_again_in_the_same_run(ada: User) -> None:
    spoil(Session.objects.order_by("pk")[0])

    assert run(processor="usage").failed == 1
    assert (
        ProcessorState.objects.filter(processor="usage", status=Status.FAILED).get().attempts == 1
    )


def test_processors_are_independent(ada: User) -> None:
    run(processor="verification")
    assert statuses("usage") == [Status.DUE] * 3
    assert not UsageSessionSummary.objects.exists()

    run(processor="usage")
    before = figures(ada)
    ProcessorState.objects.filter(processor="verification").update(version=0)
    run(NOW + timedelta(days=1))

    assert figures(ada) == before
    processed = ProcessorState.objects.filter(processor="usage").values_list(
        "processed_at", flat=True
    )
    assert set(processed) == {NOW}


def test_a_version_bump_processes_every_session_anew(ada: User) -> None:
    run()
    before = figures(ada)
    ProcessorState.objects.filter(processor="usage").update(version=0)

    assert run(NOW + timedelta(days=1)).sessions == 3
    assert figures(ada) == before


def test_a_session_without_stored_bytes_is_skipped_and_keeps_its_rows(ada: User) -> None:
    run()
    before = figures(ada)
    session = Session.objects.order_by("pk")[0]
    drop_bytes(list(session.files.all()), now=NOW)
    ProcessorState.objects.filter(session=session).update(status=Status.DUE, due_at=NOW)

    report = run()

    assert report.skipped == 2
    assert statuses("usage") == [Status.SKIPPED, Status.DONE, Status.DONE]
    assert figures(ada) == before
    with pytest.raises(TranscriptGone):
        by_name("usage").process(session, now=NOW)


def test_one_session_can_be_processed_here_and_now(ada: User) -> None:
    session = Session.objects.order_by("pk")[0]

    by_name("usage").process(session, now=NOW)

    assert UsageSessionSummary.objects.get().session_id == session.session_id
    assert statuses("usage") == [Status.DONE, Status.DUE, Status.DUE]


def test_a_session_that_grew_is_due_again_and_replaced_as_a_whole(ada: User) -> None:
    run()
    session = Session.objects.order_by("pk")[0]
    name = f"{session.session_id}.jsonl"

    assert upload(ada, name, transcript(session.session_id, range(9)))
    run()

    assert UsageSessionSummary.objects.get(pk=session.pk).prompts == 9
    assert UsageSessionSummary.objects.count() == 3
    assert not UsageEvent.objects.exists()


def test_time_that_is_up_is_told(ada: User) -> None:
    report = run_until_idle(processes=1, seconds=0, now=lambda: NOW)

    assert report.left
    assert statuses("verification") == [Status.DUE] * 3
