"""From sessions that are due to figures on pages: processors, then rollups, then the mirror.

The function behind the queue's task, the command and the API.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.http import HttpRequest

from accounts import audit
from accounts.models import AuditEvent, User
from telemetry import mirror, rollups
from telemetry.due_sessions import quarantined, retry_failed
from telemetry.leases import LeaseTaken, patiently, utc_now
from telemetry.models import Heartbeat, PendingChange, ProcessorState
from telemetry.processors import PROCESSORS, by_name
from telemetry.processors.base import Processor
from telemetry.processors.runner import run_until_idle
from telemetry.processors.storing import RunReport

logger = logging.getLogger(__name__)

MIRROR_HEARTBEAT = "mirror"
URGENT = "usage"
"""What figures are made of; the other processors wait until these are shown."""

Progress = Callable[[RunReport], None]


@dataclass
class Budget:
    """Seconds for each step; None is without end. A step that has begun a batch ends it."""

    usage: float | None = None
    others: float | None = None
    rollups: float | None = None
    mirror: float | None = None


@dataclass
class CaughtUp:
    """Days rolled up, sessions mirrored, whether something is left, and the mirror's trouble."""

    days: int = 0
    sessions: int = 0
    left: bool = False
    problem: str = ""


@dataclass
class Processed:
    """What a run did; counts of sessions, once for each processor."""

    sessions: int = 0
    bytes: int = 0
    failed: int = 0
    quarantined: int = 0
    skipped: int = 0
    retried: int = 0
    left: bool = False
    days: int = 0
    mirror_problem: str = ""

    def add(self, report: RunReport) -> None:
        self.sessions += report.sessions
        self.bytes += report.bytes
        self.failed += report.failed
        self.skipped += report.skipped
        self.left = self.left or report.left


def process_due(
    *,
    processors: Sequence[Processor] = PROCESSORS,
    processes: int = 1,
    budget: Budget | None = None,
    retry: bool = False,
    progress: Progress | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Processed:
    """Process all that is due, and show it: `usage` first, so that figures wait for nothing else.

    `retry` makes failed and quarantined sessions due again. Safe to run any number of times.
    """
    budget = budget or Budget()
    names = [processor.name for processor in processors]
    states = ProcessorState.objects.filter(processor__in=names)
    done = Processed(retried=retry_failed(states, now=now()) if retry else 0)
    before = quarantined(names)
    urgent = [processor for processor in processors if processor.name == URGENT]
    others = [processor for processor in processors if processor.name != URGENT]

    def run(chosen: Sequence[Processor], seconds: float | None) -> None:
        if chosen:
            done.add(
                run_until_idle(
                    processors=chosen,
                    processes=processes,
                    seconds=seconds,
                    now=now,
                    progress=progress,
                )
            )

    run(urgent, budget.usage)
    shown = catch_up(budget=budget, now=now())
    run(others, budget.others)
    done.quarantined = len(quarantined(names) - before)
    done.days, done.mirror_problem = shown.days, shown.problem
    done.left = done.left or shown.left
    return done


def process_for(
    *,
    by: User | None,
    door: AuditEvent.Door,
    processor: str = "",
    processes: int = 1,
    budget: Budget | None = None,
    retry: bool = False,
    progress: Progress | None = None,
    request: HttpRequest | None = None,
) -> Processed:
    """`process_due` because somebody asked for it; audited. An empty name means all processors.

    Raises KeyError for an unknown name.
    """
    chosen = (by_name(processor),) if processor else PROCESSORS
    done = process_due(
        processors=chosen, processes=processes, budget=budget, retry=retry, progress=progress
    )
    audit.record(
        action="usage.process",
        door=door,
        actor=by,
        details={
            "processor": processor or "all",
            "sessions": done.sessions,
            "failed": done.failed,
            "quarantined": done.quarantined,
            "retried": done.retried,
        },
        request=request,
    )
    return done


def catch_up(*, budget: Budget | None = None, now: datetime) -> CaughtUp:
    """Rollups and mirror up to date. What is wrong with the mirror is told and never raised."""
    budget = budget or Budget()
    shown = CaughtUp()
    allowed = _delta(budget.rollups)
    try:
        shown.days = patiently(lambda: rollups.refresh(now=now, budget=allowed))
    except LeaseTaken:
        shown.left = True
    shown.left = shown.left or PendingChange.objects.filter(consumer=rollups.CONSUMER).exists()
    _sync_mirror(shown, _delta(budget.mirror), now=now)
    return shown


def mirror_problem() -> str:
    """What was wrong with the mirror when it was last brought up to date; empty when nothing."""
    details = Heartbeat.objects.filter(name=MIRROR_HEARTBEAT).values_list("details", flat=True)
    return str((details.first() or {}).get("problem", ""))


def _sync_mirror(shown: CaughtUp, allowed: timedelta | None, *, now: datetime) -> None:
    try:
        report = patiently(lambda: mirror.sync(now=now, budget=allowed), mirror.MirrorBusy)
    except mirror.MirrorBusy:
        shown.left = True
        return
    except Exception as error:
        # Whatever it is, the mirror can be built anew, and sessions must not wait for it.
        logger.exception("The mirror could not be brought up to date.")
        shown.problem = f"{type(error).__name__}: {error}"[:500].replace("\x00", "")
        _note_mirror(shown.problem, now=now)
        return
    shown.sessions = report.sessions
    shown.left = shown.left or not report.complete
    if report.publication is not None or mirror_problem():
        _note_mirror("", now=now)


def _note_mirror(problem: str, *, now: datetime) -> None:
    with transaction.atomic():
        Heartbeat.objects.update_or_create(
            name=MIRROR_HEARTBEAT, defaults={"beat_at": now, "details": {"problem": problem}}
        )


def _delta(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
