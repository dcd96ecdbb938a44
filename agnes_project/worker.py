"""The queue's worker, which ends when it cannot work any more, so that it is started afresh.

Its processes share queues whose locks live in memory. One that is killed from outside may hold
such a lock for ever, and then all others wait: nothing less than a fresh start helps.
"""

import logging
import os
import signal
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from multiprocessing import Event
from typing import Any, ClassVar

import psutil
from django.db import DatabaseError, connections
from django.utils import timezone
from django_q.cluster import Cluster, Sentinel, get_mp_context
from django_q.tasks import async_task

from accounts.errors import AgnesError
from agnes_project.supervisor import START_AGAIN
from telemetry.worker_trouble import last_beat, worker_silence

logger = logging.getLogger(__name__)

HEARTBEAT = "telemetry.tasks.heartbeat"
LOOK_SECONDS = 1.0
SILENCE_LOOK_SECONDS = 10.0


class WorkerBroken(AgnesError):
    code: ClassVar[str] = "worker_broken"
    status: ClassVar[int] = 500


class FragileSentinel(Sentinel):  # type: ignore[misc]
    """Ends with all its processes when one of them was killed from outside."""

    def reincarnate(self, process: Any) -> None:
        code = process.exitcode
        # One that was too slow is ended by the sentinel itself, and holds no lock.
        timed_out = hasattr(process, "timer") and process.timer.value == 0
        if code is not None and code < 0 and not timed_out:
            logger.error(
                "A process of the worker (%s) was killed from outside (%s).",
                process.pid,
                signal.Signals(-code).name,
            )
            kill(psutil.Process().children(recursive=True))
            os._exit(START_AGAIN)
        super().reincarnate(process)


class FragileCluster(Cluster):  # type: ignore[misc]
    def start(self) -> int:
        """Raises WorkerBroken when it cannot start."""
        self.stop_event, self.start_event = Event(), Event()
        # A connection must not be shared with a forked process.
        connections.close_all()
        self.sentinel = get_mp_context().Process(
            target=FragileSentinel,
            name=f"Process-{uuid.uuid4().hex}",
            args=(self.stop_event, self.start_event, self.cluster_id, self.broker, self.timeout),
        )
        self.sentinel.start()
        # Polled: a signal that arrives in wait() would block the sentinel's set() for ever, and
        # its handler takes the event away.
        while self.start_event and not self.start_event.is_set():
            if not self.sentinel.is_alive():
                if self.sentinel.exitcode == 0:
                    break  # it was told to stop
                raise WorkerBroken("The worker could not start.", fix="Its lines above say why.")
            time.sleep(0.1)
        return int(self.pid)


def run_worker(*, silence: timedelta | None = None) -> None:
    """Works until told to stop. Raises WorkerBroken, with no process left, when a process of it
    was killed or it was silent for longer than `silence` (by default what monitors allow)."""
    silence = silence or worker_silence()
    began = timezone.now()
    cluster = FragileCluster()
    cluster.start()
    if silence is not None:
        _beat_at_once()
    family: list[psutil.Process] = []
    looked = time.monotonic()
    while cluster.sentinel.is_alive():
        # Noted while it lives: whoever outlives a killed parent cannot be found by it.
        family = psutil.Process().children(recursive=True)
        time.sleep(LOOK_SECONDS)
        if silence is not None and time.monotonic() - looked >= min(
            SILENCE_LOOK_SECONDS, silence.total_seconds()
        ):
            looked = time.monotonic()
            silent = is_silent(began=began, silence=silence, now=timezone.now())
            connections.close_all()
            if silent:
                kill(family)
                raise WorkerBroken(
                    f"The worker did nothing for {silence.total_seconds():.0f} seconds.",
                    fix="Start it again; a service manager and make run do so by themselves.",
                )
    if cluster.sentinel.exitcode:
        kill(family)
        raise WorkerBroken(
            "A process of the worker was killed or failed, so all of it has ended.",
            fix="Start it again; a service manager and make run do so by themselves.",
        )


def is_silent(*, began: datetime, silence: timedelta, now: datetime) -> bool:
    """Whether nothing was heard since it began, or since its last beat, for longer than allowed."""
    try:
        beat_at = last_beat()
    except DatabaseError:
        # Starting again would not bring the database back.
        return False
    return now - max(began, beat_at or began) > silence


def kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=5)


def _beat_at_once() -> None:
    """Through the queue, since that is what a heartbeat proves: the schedule's first beat comes
    after half a minute only."""
    try:
        async_task(HEARTBEAT)
    except DatabaseError:
        logger.exception("The first heartbeat could not be queued.")
    finally:
        connections.close_all()
