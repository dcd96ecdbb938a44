"""Whether the worker is silent, in a sentence that pages, monitors and the worker itself share."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from telemetry.models import Heartbeat

WORKER = "worker"
BEATS_MISSED = 3
"""The heartbeat is a scheduled task: two may be late before it counts."""

SHORTEST_SILENCE = timedelta(minutes=3)
LOOK_SECONDS = 15
"""For how long a process believes its last look."""

RESTART = "Restart the worker (manage.py qcluster); make run does so by itself."
_TROUBLE = "worker_trouble"


@dataclass(frozen=True)
class WorkerTrouble:
    message: str
    fix: str = RESTART

    @property
    def sentence(self) -> str:
        """What is wrong and what to do."""
        return f"{self.message} {self.fix}"


def worker_silence() -> timedelta | None:
    """How long a worker may be silent: three intervals, at least three minutes. None when the
    heartbeat is off."""
    seconds = settings.SCHEDULER_HEARTBEAT_INTERVAL
    if not seconds:
        return None
    # The queue counts in whole minutes.
    interval = timedelta(minutes=-(-seconds // 60))
    return max(BEATS_MISSED * interval, SHORTEST_SILENCE)


def last_beat() -> datetime | None:
    """When the worker proved last that it works; None when it never did."""
    return Heartbeat.objects.filter(name=WORKER).values_list("beat_at", flat=True).first()


def worker_trouble() -> WorkerTrouble | None:
    """What `find_worker_trouble` said at most LOOK_SECONDS ago."""
    known = cache.get(_TROUBLE)
    if known is None:
        known = (find_worker_trouble(now=timezone.now()),)
        cache.set(_TROUBLE, known, LOOK_SECONDS)
    trouble: WorkerTrouble | None = known[0]
    return trouble


def find_worker_trouble(*, now: datetime) -> WorkerTrouble | None:
    """None when the worker works, when nothing can be known, and where none ever ran: commands
    do its work there."""
    silence, beat_at = worker_silence(), last_beat()
    if silence is None or beat_at is None or now - beat_at <= silence:
        return None
    return WorkerTrouble(
        f"The worker is silent since {beat_at:%Y-%m-%d %H:%M} UTC: nothing new is processed."
    )
