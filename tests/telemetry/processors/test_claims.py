"""Who may process a session: one worker at a time, and none for ever."""

import os
import subprocess
import sys
from datetime import timedelta

import psutil
import pytest

from accounts.models import User
from telemetry import claimants
from telemetry.claimants import is_gone, this_claimant, this_host
from telemetry.models import ProcessorState, Session
from telemetry.processors import PROCESSORS, by_name
from telemetry.processors.base import Claim, ClaimLost
from telemetry.processors.claims import (
    CLAIM_LASTS,
    FIRST_RETRY,
    MAX_ATTEMPTS,
    RETRY_FACTOR,
    claim_due,
    give_back,
    make_due,
    skip,
)
from tests.telemetry.database_dump import NOW, upload
from tests.telemetry.transcript_lines import session_of, transcript

pytestmark = pytest.mark.django_db

USAGE = by_name("usage")
VERIFICATION = by_name("verification")
LONG = timedelta(days=1)


@pytest.fixture
def sessions() -> list[Session]:
    """Three sessions that are due."""
    ada = User.objects.create_user("ada@example.org")
    for name in ("a", "b", "c"):
        session_id = session_of(name)
        assert upload(ada, f"{session_id}.jsonl", transcript(session_id, range(3)))
    return list(Session.objects.order_by("pk"))


def claim(most: int = 100, now: object = NOW) -> list[Claim]:
    return claim_due(USAGE, now=now, most=most, most_bytes=1 << 40)  # type: ignore[arg-type]


def claim_all(now: object = NOW) -> list[Claim]:
    """All that can be claimed at a moment, in as many batches as it takes."""
    taken: list[Claim] = []
    while part := claim(now=now):
        taken += part
    return taken


def state(session: Session, processor: str = "usage") -> ProcessorState:
    return ProcessorState.objects.get(session=session, processor=processor)


def test_a_session_is_claimed_by_one_worker_only(sessions: list[Session]) -> None:
    first, second = claim(most=2), claim()

    assert [one.session_pk for one in first] == [one.pk for one in sessions[:2]]
    assert [one.session_pk for one in second] == [sessions[2].pk]
    assert claim() == []


def test_a_batch_is_bounded_by_bytes_and_never_empty(sessions: list[Session]) -> None:
    size = sessions[0].size

    assert len(claim_due(USAGE, now=NOW, most=100, most_bytes=2 * size)) == 2
    assert len(claim_due(USAGE, now=NOW, most=100, most_bytes=0)) == 1


def test_attempts_are_counted_before_the_work(sessions: list[Session]) -> None:
    claim()

    assert [state(one).attempts for one in sessions] == [1, 1, 1]
    assert state(sessions[0]).claimed_by == this_claimant()


def test_sessions_tried_before_come_last_and_one_at_a_time(sessions: list[Session]) -> None:
    died_with = claim()
    assert len(died_with) == len(sessions)
    later = NOW + CLAIM_LASTS + timedelta(seconds=1)
    fresh = ProcessorState.objects.filter(processor="usage").latest("pk")
    ProcessorState.objects.filter(pk=fresh.pk).update(attempts=0)

    taken = [claim(now=later) for _ in sessions]

    assert [len(part) for part in taken] == [1] * len(sessions)
    assert taken[0][0].state_pk == fresh.pk
    assert claim(now=later) == []


def test_processors_claim_apart(sessions: list[Session]) -> None:
    claim()

    assert len(claim_due(VERIFICATION, now=NOW, most=9, most_bytes=1 << 40)) == 3


def test_a_claim_that_was_taken_over_cannot_finish(sessions: list[Session]) -> None:
    (late, *_) = claim()
    (current, *_) = claim(now=NOW + CLAIM_LASTS + timedelta(seconds=1))

    assert current.token > late.token
    with pytest.raises(ClaimLost):
        late.finish(USAGE, sessions[0].content_hash, now=NOW)
    assert give_back(late, ValueError("late"), now=NOW) is None
    skip(late, sessions[0].content_hash, now=NOW)
    assert state(sessions[0]).status == ProcessorState.Status.DUE
    current.finish(USAGE, sessions[0].content_hash, now=NOW)
    assert state(sessions[0]).status == ProcessorState.Status.DONE


def test_a_silent_workers_sessions_wait_until_its_claim_has_run_out(
    sessions: list[Session],
) -> None:
    claim()

    assert claim(now=NOW + CLAIM_LASTS - timedelta(seconds=1)) == []
    assert len(claim(now=NOW + CLAIM_LASTS)) == 1


def test_a_dead_workers_sessions_are_given_back_at_once(sessions: list[Session]) -> None:
    claim()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    ProcessorState.objects.update(claimed_by=f"{this_host()}:{dead.pid}:1")

    make_due(USAGE, now=NOW)

    assert len(claim_all()) == 3


def test_a_living_workers_and_another_hosts_sessions_stay_claimed(
    sessions: list[Session],
) -> None:
    claim()
    make_due(USAGE, now=NOW)
    assert claim() == []

    ProcessorState.objects.update(claimed_by="elsewhere:1:1")
    make_due(USAGE, now=NOW)
    assert claim() == []


def test_only_an_ended_process_of_this_host_is_gone() -> None:
    host, pid, mark = this_claimant().rsplit(":", 2)

    assert not is_gone(this_claimant())
    assert is_gone(f"{host}:{pid}:{mark}0")
    assert not is_gone(f"elsewhere:{pid}:1")
    assert claimants.this_host() == host
    assert pid == str(os.getpid())
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    claimant = claimants.claimant_of(ended.pid)
    assert not is_gone(claimant)
    ended.communicate(b"\n")
    assert is_gone(claimant)


@pytest.mark.parametrize("mark", ["", "x", "x:y", "1-x", "-", "-1", "v2-boot-12", "\u0662"])
def test_a_process_marked_in_an_unknown_way_is_not_gone(mark: str) -> None:
    for pid in (os.getpid(), 2**22 + 1):
        assert not is_gone(f"{this_host()}:{pid}:{mark}")
    assert not is_gone("")
    assert not is_gone(f"{this_host()}:x:1")


def test_setting_the_clock_ends_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    claimant = this_claimant()
    started = psutil.Process().create_time()
    # psutil computes the time of a start from the wall clock.
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: started + 3600)

    assert not is_gone(claimant)


def test_where_only_the_time_of_a_start_is_known_a_small_step_ends_no_process() -> None:
    started = int(psutil.Process().create_time() * 1000)

    assert not is_gone(f"{this_host()}:{os.getpid()}:{started - 2_000}")
    assert is_gone(f"{this_host()}:{os.getpid()}:{started - 60_000}")


def test_a_failure_waits_longer_each_time_and_ends_in_quarantine(sessions: list[Session]) -> None:
    now = NOW
    for attempt in range(MAX_ATTEMPTS):
        taken = next(one for one in claim_all(now) if one.session_pk == sessions[0].pk)
        status = give_back(taken, ValueError("broken \x00"), now=now)
        found = state(sessions[0])
        if attempt + 1 < MAX_ATTEMPTS:
            assert status == ProcessorState.Status.FAILED
            assert found.due_at == now + FIRST_RETRY * RETRY_FACTOR**attempt
            assert found.due_at is not None
            now = found.due_at
    assert status == ProcessorState.Status.QUARANTINED
    assert (found.due_at, found.error) == (None, "ValueError: broken ")
    assert sessions[0].pk not in {one.session_pk for one in claim_all(NOW + LONG)}


def test_a_session_that_kills_its_worker_each_time_is_quarantined(sessions: list[Session]) -> None:
    now = NOW
    for _ in range(MAX_ATTEMPTS):
        assert len(claim_all(now)) == 3
        now += CLAIM_LASTS
    assert claim(now=now) == []

    found = state(sessions[0])
    assert found.status == ProcessorState.Status.QUARANTINED
    assert "ended without a word" in found.error


def test_a_new_version_makes_finished_and_quarantined_sessions_due(
    sessions: list[Session],
) -> None:
    for one in claim():
        one.finish(USAGE, "0" * 64, now=NOW)
    ProcessorState.objects.filter(processor="usage").update(
        status=ProcessorState.Status.DONE, due_at=None, version=USAGE.version
    )
    ProcessorState.objects.filter(session=sessions[0], processor="usage").update(
        status=ProcessorState.Status.QUARANTINED, attempts=MAX_ATTEMPTS
    )
    make_due(USAGE, now=NOW)
    assert claim() == []

    ProcessorState.objects.filter(processor="usage").update(version=USAGE.version - 1)
    make_due(USAGE, now=NOW)

    assert len(claim_all()) == 3


def test_an_upload_makes_a_quarantined_session_due_again(sessions: list[Session]) -> None:
    ProcessorState.objects.update(
        status=ProcessorState.Status.QUARANTINED, due_at=None, attempts=MAX_ATTEMPTS
    )
    one = sessions[0]

    assert upload(one.user, f"{one.session_id}.jsonl", transcript(one.session_id, range(5)))

    assert [taken.session_pk for taken in claim()] == [one.pk]


def test_every_processor_has_a_name_of_its_own() -> None:
    assert len({one.name for one in PROCESSORS}) == len(PROCESSORS)
