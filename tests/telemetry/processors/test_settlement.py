"""Sessions that share identities: between people by arrival, and one that cannot be read."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import User
from benchmarks.transcript_lines import Line, encode, forked, prompt
from telemetry.models import (
    ProcessorState,
    Session,
    TranscriptFile,
    TranscriptSegment,
    UsageSessionSummary,
)
from telemetry.processors.runner import run_until_idle
from telemetry.transcript_store import drop_bytes
from tests.telemetry.counting import MAIN, SECOND, after, thread
from tests.telemetry.database_dump import NOW, figures, process, upload

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob@example.org")


def prompts(user: User) -> dict[str, int]:
    rows = UsageSessionSummary.objects.filter(user=user)
    return dict(rows.values_list("session_id", "prompts"))


def three_prompts() -> list[Line]:
    on = thread()
    return [prompt(on, text, at=after(60 * at)) for at, text in enumerate(["One", "Two", "Three"])]


def put_off(user: User, minutes: int) -> None:
    """What a slow worker or a failure does: the person's sessions come later."""
    ProcessorState.objects.filter(session__user=user).update(due_at=NOW + minutes * MINUTE)


def test_the_first_to_arrive_holds_though_a_later_copy_was_processed_sooner(
    ada: User, bob: User
) -> None:
    content = encode(three_prompts())
    upload(ada, MAIN, content, NOW)
    upload(bob, MAIN, content, NOW + MINUTE)
    put_off(ada, 10)
    process(NOW + 2 * MINUTE)
    assert sum(prompts(bob).values()) == 3

    process(NOW + 11 * MINUTE)
    process(NOW + 12 * MINUTE)

    assert sum(prompts(ada).values()) == 3
    assert UsageSessionSummary.objects.get(user=bob).held_elsewhere == 3
    assert sum(prompts(bob).values()) == 0


def test_a_session_that_grew_after_the_copy_takes_nothing_from_it(ada: User, bob: User) -> None:
    first, *rest = three_prompts()
    upload(ada, MAIN, encode([first]), NOW)
    put_off(ada, 10)
    upload(bob, f"{SECOND}.jsonl", encode([forked(line, SECOND) for line in rest]), NOW + MINUTE)
    process(NOW + 2 * MINUTE)
    before = figures(bob)

    upload(ada, MAIN, encode([first, *rest]), NOW + 3 * MINUTE)
    process(NOW + 11 * MINUTE)

    assert figures(bob) == before
    assert sum(prompts(ada).values()) == 1


def test_a_copy_that_is_taken_back_comes_to_the_same_figures_as_in_order(
    ada: User, bob: User
) -> None:
    lines = three_prompts()
    own = prompt(thread(SECOND), "Mine", at=after(500))
    upload(ada, MAIN, encode(lines), NOW)
    upload(bob, f"{SECOND}.jsonl", encode([*lines, own]), NOW + MINUTE)
    put_off(ada, 10)
    for minute in (2, 11, 12):
        process(NOW + minute * MINUTE)
    turned = prompts(ada), prompts(bob)

    assert sum(turned[0].values()) == 3
    assert sum(turned[1].values()) == 1


def test_a_member_that_cannot_be_read_stops_no_other_of_its_family(ada: User) -> None:
    first, *rest = three_prompts()
    fork = [forked(first, SECOND), prompt(thread(SECOND), "Else", at=after(90))]
    upload(ada, MAIN, encode([first]))
    upload(ada, f"{SECOND}.jsonl", encode(fork))
    process()
    broken = Session.objects.get(session_id=SECOND)
    for segment in TranscriptSegment.objects.filter(revision__file__sessions=broken):
        (Path(settings.AGNES_TRANSCRIPTS_DIR) / segment.blob).unlink()
    upload(ada, MAIN, encode([first, *rest]), NOW + MINUTE)

    report = run_until_idle(processes=1, now=lambda: NOW + 2 * MINUTE)

    assert sum(prompts(ada).values()) == 4
    assert prompts(ada)[SECOND] == 1
    assert (report.failed, report.quarantined) == (0, 0)


def test_a_failure_among_sessions_that_overlap_is_counted_and_named(ada: User) -> None:
    first, *_ = three_prompts()
    fork = [forked(first, SECOND), prompt(thread(SECOND), "Else", at=after(90))]
    upload(ada, MAIN, encode([first]))
    upload(ada, f"{SECOND}.jsonl", encode(fork))
    process()
    broken = Session.objects.get(session_id=SECOND)
    for segment in TranscriptSegment.objects.filter(revision__file__sessions=broken):
        (Path(settings.AGNES_TRANSCRIPTS_DIR) / segment.blob).unlink()
    ProcessorState.objects.filter(session=broken, processor="usage").update(due_at=NOW)

    report = run_until_idle(processes=1, now=lambda: NOW + 2 * MINUTE)

    state = ProcessorState.objects.get(session=broken, processor="usage")
    assert report.failed == 1
    assert "cannot be read" in state.error or "No such file" in state.error
    assert prompts(ada)[SECOND] == 1


def test_nothing_is_taken_back_from_a_session_whose_transcript_is_gone(
    ada: User, bob: User
) -> None:
    lines = three_prompts()
    own = prompt(thread(SECOND), "Mine", at=after(500))
    upload(ada, MAIN, encode(lines), NOW)
    put_off(ada, 10)
    upload(bob, f"{SECOND}.jsonl", encode([*lines, own]), NOW + MINUTE)
    process(NOW + 2 * MINUTE)
    before = figures(bob)
    drop_bytes(TranscriptFile.objects.filter(user=bob), now=NOW + 3 * MINUTE)

    process(NOW + 11 * MINUTE)
    process(NOW + 12 * MINUTE)

    assert figures(bob) == before
    assert sum(prompts(ada).values()) == 0
