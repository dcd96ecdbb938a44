"""Every periodic job in one table, and the queue's schedules made to match it.

Intervals are settings in seconds. The queue counts in minutes and looks for due schedules every
30 seconds, so they are rounded up to whole minutes; an upload is processed at once anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django_q.models import Schedule

PREFIX = "agnes."
"""Schedules of this name are ours; others, that an admin made, are left alone."""

MOST_MINUTES = 32_767
"""What the queue's column takes: more than 22 days."""


@dataclass(frozen=True)
class Job:
    """A job under the name its schedule has after the prefix; `setting` holds its interval."""

    name: str
    function: str
    setting: str

    @property
    def seconds(self) -> int:
        return int(getattr(settings, self.setting))

    @property
    def minutes(self) -> int:
        """0 when the job is off."""
        return min(-(-self.seconds // 60), MOST_MINUTES)


JOBS = (
    Job("heartbeat", "telemetry.tasks.heartbeat", "SCHEDULER_HEARTBEAT_INTERVAL"),
    Job("usage_process", "telemetry.tasks.process_sessions", "SCHEDULER_USAGE_PROCESS_INTERVAL"),
    Job(
        "usage_rollup",
        "telemetry.tasks.refresh_rollups_and_mirror",
        "SCHEDULER_USAGE_ROLLUP_INTERVAL",
    ),
    Job(
        "marketplace_serve",
        "marketplace.tasks.keep_served",
        "SCHEDULER_MARKETPLACE_SERVE_INTERVAL",
    ),
    Job("marketplace_sync", "marketplace.tasks.sync_all", "SCHEDULER_MARKETPLACE_SYNC_INTERVAL"),
    Job("attribution", "telemetry.tasks.reattribute", "SCHEDULER_ATTRIBUTION_INTERVAL"),
    Job("usage_prune", "telemetry.tasks.prune", "SCHEDULER_USAGE_PRUNE_INTERVAL"),
    Job("sweep", "telemetry.tasks.sweep", "SCHEDULER_SWEEP_INTERVAL"),
)


@dataclass(frozen=True)
class Ensured:
    """What became of a job's schedule: created, changed, kept, removed or off."""

    name: str
    state: str
    minutes: int
    rounded: bool = False


def ensure_schedules(*, now: datetime, jobs: Sequence[Job] = JOBS) -> list[Ensured]:
    """Make the queue's schedules match the jobs; safe to run at any time.

    A schedule that is right keeps its next run. A new or changed one runs for the first time at
    once. Ours that no job stands for are removed.
    """
    with transaction.atomic():
        ensured = [_ensure(job, now=now) for job in jobs]
        ours = Schedule.objects.filter(name__startswith=PREFIX)
        stale = ours.exclude(name__in=[PREFIX + job.name for job in jobs])
        names = list(stale.values_list("name", flat=True))
        stale.delete()
    return ensured + [Ensured(name.removeprefix(PREFIX), "removed", 0) for name in names]


def _ensure(job: Job, *, now: datetime) -> Ensured:
    rows = list(Schedule.objects.filter(name=PREFIX + job.name).order_by("pk"))
    if not job.minutes:
        for row in rows:
            row.delete()
        return Ensured(job.name, "removed" if rows else "off", 0)
    for row in rows[1:]:
        row.delete()
    rounded = job.seconds != job.minutes * 60
    wanted = {
        "func": job.function,
        "schedule_type": Schedule.MINUTES,
        "minutes": job.minutes,
        "repeats": -1,
    }
    if rows and all(getattr(rows[0], name) == value for name, value in wanted.items()):
        latest = now + timedelta(minutes=job.minutes)
        if rows[0].next_run is not None and rows[0].next_run <= latest:
            return Ensured(job.name, "kept", job.minutes, rounded)
    Schedule.objects.update_or_create(
        pk=rows[0].pk if rows else None,
        defaults={**wanted, "name": PREFIX + job.name, "next_run": now},
    )
    return Ensured(job.name, "changed" if rows else "created", job.minutes, rounded)
