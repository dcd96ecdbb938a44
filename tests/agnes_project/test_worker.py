"""The worker as it runs: real processes over a database file of their own."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from agnes_project.worker import is_silent
from telemetry.models import Heartbeat
from telemetry.worker_trouble import WORKER, find_worker_trouble, worker_trouble
from tests.agnes_project.test_supervisor import is_running, wait_until

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SILENT = """
import django; django.setup()
from datetime import timedelta
from agnes_project.worker import run_worker
run_worker(silence=timedelta(seconds=3))
"""
on_sqlite = pytest.mark.skipif(
    os.environ.get("AGNES_TEST_DB") == "postgres", reason="it makes an instance of its own"
)


class Worker:
    def __init__(self, folder: Path, *command: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=settings.BASE_DIR,
            env=environment(folder),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def has_beaten(self) -> bool:
        """A connection for each look, closed at once."""
        database = sqlite3.connect(self.folder / "agnes.sqlite3")
        try:
            return bool(database.execute("SELECT count(*) FROM telemetry_heartbeat").fetchone()[0])
        finally:
            database.close()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def ended(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=40)
        return self.process.returncode, errors


def environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AGNES_DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "agnes_project.settings",
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worker")
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=settings.BASE_DIR,
        env=environment(folder),
        check=True,
    )
    return folder


@pytest.fixture
def started(folder: Path) -> Iterator[list[Worker]]:
    started: list[Worker] = []
    yield started
    for worker in started:
        if worker.process.returncode is None:
            os.killpg(worker.process.pid, signal.SIGKILL)
            worker.process.communicate()


@on_sqlite
def test_it_beats_at_once_and_ends_whole_when_a_process_of_it_is_killed(
    folder: Path, started: list[Worker]
) -> None:
    worker = Worker(folder, "manage.py", "qcluster")
    started.append(worker)
    # The schedule's own beat would come after half a minute.
    wait_until(worker.has_beaten, 20)
    family = worker.family()
    assert len(family) >= 4  # sentinel, workers, pusher and monitor
    victims = [one for one in family if one.ppid() != worker.process.pid]

    victims[0].kill()

    code, errors = worker.ended()
    assert code == os.EX_TEMPFAIL
    assert "was killed from outside (SIGKILL)" in errors
    assert "Start it again" in errors
    assert "Traceback" not in errors
    assert not [one for one in family if is_running(one.pid)]


@on_sqlite
def test_it_ends_whole_when_it_is_silent(folder: Path, started: list[Worker]) -> None:
    # Beats come once a minute, so that three seconds without one are soon over.
    worker = Worker(folder, "-c", SILENT)
    started.append(worker)
    wait_until(lambda: len(worker.family()) >= 4)
    family = worker.family()
    for one in family:
        one.suspend()  # as one that waits for a lock: no signal but the last ends it

    code, errors = worker.ended()

    assert code == 1
    assert "The worker did nothing for 3 seconds." in errors
    assert not [one for one in family if is_running(one.pid)]


@on_sqlite
def test_a_worker_that_is_told_to_stop_ends_as_before(folder: Path, started: list[Worker]) -> None:
    worker = Worker(folder, "manage.py", "qcluster")
    started.append(worker)
    wait_until(lambda: len(worker.family()) >= 4)
    family = worker.family()
    worker.process.terminate()
    assert worker.ended()[0] == 0
    assert not [one for one in family if is_running(one.pid)]


@pytest.mark.django_db
def test_silence_counts_from_the_last_beat_or_from_the_start() -> None:
    allowed = timedelta(minutes=3)
    long_ago = NOW - timedelta(days=1)
    assert not is_silent(began=NOW, silence=allowed, now=NOW + timedelta(minutes=2))
    assert is_silent(began=NOW, silence=allowed, now=NOW + timedelta(minutes=4))
    Heartbeat.objects.create(name=WORKER, beat_at=long_ago)
    # A beat of a former worker is not this one's silence.
    assert not is_silent(began=NOW, silence=allowed, now=NOW + timedelta(minutes=2))
    Heartbeat.objects.update(beat_at=NOW + timedelta(minutes=2))
    assert not is_silent(began=NOW, silence=allowed, now=NOW + timedelta(minutes=4))


@pytest.mark.django_db
def test_pages_say_that_the_worker_is_silent_and_what_helps(client: Client) -> None:
    cache.clear()
    client.force_login(User.objects.create_user("ada@example.org", is_staff=True))
    Heartbeat.objects.create(name=WORKER, beat_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    try:
        page = client.get("/admin/").content.decode()
    finally:
        cache.clear()
    assert "The worker is silent since 2026-01-02 03:04 UTC" in page
    assert "manage.py qcluster" in page


@pytest.mark.django_db
def test_a_worker_that_beats_and_an_instance_without_one_are_no_trouble() -> None:
    assert find_worker_trouble(now=NOW) is None
    Heartbeat.objects.create(name=WORKER, beat_at=NOW - timedelta(minutes=2))
    assert find_worker_trouble(now=NOW) is None
    assert find_worker_trouble(now=NOW + timedelta(minutes=2)) is not None
    cache.clear()
    assert worker_trouble() is not None  # by the clock of today
    cache.clear()
