"""What the queue runs: from an upload to figures, once however often it is asked for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.db import transaction
from django_q.models import OrmQ
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from telemetry import erasure, leases, mirror, processing, reattribution, task_queue, tasks
from telemetry.models import (
    Heartbeat,
    PendingChange,
    ProcessorState,
    UsageEvent,
    UsageMarketplaceItemWindow,
    Watermark,
)
from telemetry.processing import Budget, CaughtUp, Processed, catch_up, process_due
from tests.telemetry.processed_sessions import NOW, empty_storage, mirrored, store_session

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mirror_folder(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield settings.AGNES_MIRROR_DIR
    mirror.close()


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org")


def queued() -> list[str]:
    return [row.task["func"] for row in OrmQ.objects.order_by("pk")]


def test_many_uploads_queue_one_task(ada: User) -> None:
    assert [task_queue.enqueue_processing() for _ in range(200)] == [True] + [False] * 199
    assert queued() == [task_queue.PROCESS]


def test_an_upload_after_the_task_began_queues_another(ada: User) -> None:
    task_queue.enqueue_processing()

    tasks.process_sessions()

    assert task_queue.enqueue_processing()
    assert queued() == [task_queue.PROCESS] * 2


def test_an_upload_while_the_task_runs_queues_another(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_queue.enqueue_processing()
    answers: list[bool] = []

    def process_and_upload(budget: Budget) -> Processed:
        answers.append(task_queue.enqueue_processing())
        return process_due(budget=budget)

    monkeypatch.setattr(tasks, "process_due", process_and_upload)
    tasks.process_sessions()

    assert answers == [True]


def test_a_task_that_was_lost_holds_up_others_for_a_minute_only(
    ada: User, clock: time_machine.Traveller
) -> None:
    task_queue.enqueue_processing()
    OrmQ.objects.all().delete()

    assert not task_queue.enqueue_processing()
    clock.shift(timedelta(seconds=61))
    assert task_queue.enqueue_processing()
    assert queued() == [task_queue.PROCESS]


def test_a_transaction_that_is_undone_queues_nothing(ada: User) -> None:
    with transaction.atomic():
        task_queue.enqueue_processing()
        transaction.set_rollback(True)

    assert queued() == []
    assert task_queue.enqueue_processing()


def test_one_task_brings_a_session_to_the_pages(ada: User) -> None:
    store_session(ada, "one", 1)

    tasks.process_sessions()

    assert UsageEvent.objects.count() == 2
    assert mirrored("SELECT sum(invocations) FROM usage_tool_daily") == [(2,)]
    states = ProcessorState.objects.values_list("processor", "status").order_by("processor")
    assert list(states) == [("usage", "done"), ("verification", "done")]
    assert not PendingChange.objects.exists()


def test_run_twice_it_changes_nothing(ada: User) -> None:
    store_session(ada, "one", 1)
    tasks.process_sessions()
    before = list(UsageEvent.objects.values())

    tasks.process_sessions()

    assert list(UsageEvent.objects.values()) == before
    assert mirrored("SELECT count(*) FROM usage_events") == [(2,)]


def test_figures_do_not_wait_for_the_other_processors(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_session(ada, "one", 1)
    seen: list[list[str]] = []

    def look(budget: Budget, now: datetime) -> CaughtUp:
        states = ProcessorState.objects.order_by("processor").values_list("status", flat=True)
        seen.append(list(states))
        return catch_up(budget=budget, now=now)

    monkeypatch.setattr(processing, "catch_up", look)
    tasks.process_sessions()

    assert seen == [["done", "due"]]


def test_what_does_not_fit_into_its_time_is_queued_again(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_session(ada, "one", 1)
    monkeypatch.setattr(tasks, "BUDGET", Budget(usage=-1, others=0, rollups=0, mirror=0))

    assert tasks.process_sessions()["left"]

    assert queued() == [task_queue.PROCESS]


def test_a_broken_mirror_fails_no_task_and_shows_in_the_heartbeat(
    ada: User, mirror_folder: Path
) -> None:
    store_session(ada, "one", 1)
    mirror_folder.write_text("in the way")

    assert tasks.process_sessions()["sessions"] == 2
    tasks.heartbeat()

    assert UsageEvent.objects.count() == 2
    details = Heartbeat.objects.get(name="worker").details
    assert "Exists" in details["mirror_problem"]
    assert details["behind"] == ["mirror"]

    mirror_folder.unlink()
    tasks.refresh_rollups_and_mirror()
    tasks.heartbeat()
    assert Heartbeat.objects.get(name="worker").details == {"behind": [], "mirror_problem": ""}


def test_a_mirror_that_another_process_writes_is_left_to_it(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "PATIENCE", 0.0)
    store_session(ada, "one", 1)
    with leases.lease("mirror", ttl=timedelta(minutes=1)):
        assert tasks.process_sessions()["left"]

    assert tasks.process_sessions()["left"] is False
    assert mirrored("SELECT count(*) FROM usage_events") == [(2,)]


def test_windows_follow_the_day_without_new_sessions(
    ada: User, clock: time_machine.Traveller
) -> None:
    tasks.refresh_rollups_and_mirror()
    assert Watermark.objects.get(name="item_windows").day == NOW.date()

    clock.move_to(datetime(2026, 6, 16, 0, 0, 5, tzinfo=UTC))
    UsageMarketplaceItemWindow.objects.create(
        period_label="last_7d",
        source="curated",
        type="skill",
        ref_id="a/b",
        name="b:c",
        invocations=1,
        distinct_users=1,
        error_count=0,
        refreshed_at=NOW,
    )
    tasks.refresh_rollups_and_mirror()

    assert Watermark.objects.get(name="item_windows").day == NOW.date() + timedelta(days=1)
    assert not UsageMarketplaceItemWindow.objects.exists()


def test_a_changed_catalogue_is_worked_off(ada: User) -> None:
    store_session(ada, "one", 1)
    tasks.process_sessions()
    PendingChange.objects.create(consumer="attribution", kind="all")

    assert tasks.reattribute()["events"] == 0
    assert tasks.reattribute() == {}
    with leases.lease("attribution", ttl=timedelta(minutes=1)):
        PendingChange.objects.create(consumer="attribution", kind="all")
        assert tasks.reattribute() == {"busy": True}


def test_a_re_attribution_that_runs_out_of_time_queues_the_rest(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "REATTRIBUTE_SECONDS", 0.0)
    monkeypatch.setattr(reattribution, "BATCH", 1)
    for name in ("one", "two"):
        store_session(ada, name, 1)
    tasks.process_sessions()

    assert tasks.reattribute()["left"]
    assert queued()[-1] == task_queue.REATTRIBUTE
    assert not tasks.reattribute()["left"]


def test_pruning_follows_the_settings_and_goes_on_when_time_is_up(
    ada: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.USAGE_EVENTS_RETENTION_DAYS = 30
    store_session(ada, "one", 90, 1)
    tasks.process_sessions()
    with monkeypatch.context() as hurry:
        hurry.setattr(tasks, "PRUNE_SECONDS", -1.0)
        assert tasks.prune()["left"]
    assert queued()[-1] == task_queue.PRUNE

    assert tasks.prune()["events"] == 2
    with leases.lease("prune", ttl=timedelta(minutes=1)):
        assert tasks.prune() == {"busy": True}


@pytest.mark.django_db(transaction=True)
def test_the_sweep_ends_what_an_erasure_left(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session = store_session(ada, "one", 1)
    tasks.process_sessions()
    with monkeypatch.context() as broken:
        broken.setattr(erasure, "finish_erasures", lambda now: ["killed"])
        erasure.erase(
            erasure.Target(ada, session.session_id),
            by=None,
            door=AuditEvent.Door.COMMAND,
            now=NOW,
        )
    assert erasure.is_unfinished()

    assert tasks.sweep()["unfinished"] == []

    assert not erasure.is_unfinished()
    assert mirrored("SELECT count(*) FROM usage_events") == [(0,)]


def test_a_heartbeat_is_written_each_time(clock: time_machine.Traveller) -> None:
    tasks.heartbeat()
    clock.shift(timedelta(minutes=1))
    tasks.heartbeat()

    assert Heartbeat.objects.get(name="worker").beat_at == NOW + timedelta(minutes=1)
