"""What the queue calls: no arguments or plain ones, one call each, bounded, safe to run twice.

A task that has more to do than fits into its time queues itself again instead of going on.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from accounts.models import AuditEvent
from telemetry import leases, reattribution, retention, transcript_blobs
from telemetry.erasure import finish_erasures, is_unfinished
from telemetry.models import Heartbeat, Lease, PendingChange
from telemetry.processing import Budget, catch_up, mirror_problem, process_due

logger = logging.getLogger(__name__)

PROCESS = "telemetry.tasks.process_sessions"
PRUNE = "telemetry.tasks.prune"

BUDGET = Budget(usage=25, others=15, rollups=15, mirror=20)
"""Together well under the worker's 120 s, as each step still ends what it has begun."""

PRUNE_SECONDS = 60.0
WAITING = "processing_queued"
WAITS_FOR = timedelta(seconds=60)
"""A queued task that has not begun by then may be lost, so another one may be queued."""

ORPHAN_AGE = timedelta(days=1)
"""Longer than any upload takes."""

SWEEP_BUDGET = timedelta(seconds=25)
"""For the figures, and again for the mirror, after an erasure that was broken off."""

WORKER_HEARTBEAT = "worker"


def enqueue_processing() -> bool:
    """Queue the processing of what is due; False when a queued task has yet to begin.

    To be called after the commit: `transaction.on_commit(enqueue_processing)`. The task takes the
    mark away before it looks for due sessions, so what was committed before this call is seen by
    the task that waits, or by this one. Raises nothing: the tick finds what could not be queued.
    """
    now = timezone.now()
    try:
        if Lease.objects.filter(name=WAITING, expires_at__gt=now).exists():
            return False
        with transaction.atomic():
            # Not this process's: it may end while the task waits.
            if leases.take(WAITING, ttl=WAITS_FOR, owner="queue") is None:
                return False
            async_task(PROCESS)
    except DatabaseError:
        logger.exception("Processing could not be queued; the next tick does it.")
        return False
    return True


def enqueue_pruning() -> None:
    """Queue what a pruning had no time for; two of them do not overlap."""
    async_task(PRUNE)


def process_sessions() -> dict[str, Any]:
    """Everything due for any processor, then on to rollups and mirror."""
    Lease.objects.filter(name=WAITING, expires_at__gt=timezone.now()).update(
        expires_at=timezone.now(), owner=""
    )
    done = process_due(budget=BUDGET)
    if done.left:
        enqueue_processing()
    return {"sessions": done.sessions, "failed": done.failed, "left": done.left}


def refresh_rollups_and_mirror() -> dict[str, Any]:
    """What is marked as changed, and the windows when the UTC day is another."""
    shown = catch_up(budget=BUDGET, now=timezone.now())
    return {"days": shown.days, "sessions": shown.sessions, "left": shown.left}


def reattribute() -> dict[str, Any]:
    """Attribute stored events anew when the catalogue changed, and show it."""
    try:
        report = reattribution.reattribute_due(now=timezone.now())
    except leases.LeaseTaken:
        return {"busy": True}
    if report is None:
        return {}
    catch_up(budget=BUDGET, now=timezone.now())
    return report._asdict()


def prune() -> dict[str, Any]:
    """Remove what the retention settings say, in pieces of a minute."""
    try:
        report = retention.prune(
            retention.Retention.from_settings(),
            by=None,
            door=AuditEvent.Door.SYSTEM,
            seconds=PRUNE_SECONDS,
            now=timezone.now(),
        )
    except leases.LeaseTaken:
        return {"busy": True}
    if report.left:
        enqueue_pruning()
    return report.numbers()


def sweep() -> dict[str, Any]:
    """End erasures that were broken off, and delete stored objects that nothing names."""
    now = timezone.now()
    unfinished: list[str] = []
    if is_unfinished():
        try:
            unfinished = finish_erasures(now=now, budget=SWEEP_BUDGET)
        except leases.LeaseTaken:
            unfinished = ["another process is at it"]
    return {
        "doomed": transcript_blobs.delete_doomed(),
        "orphans": transcript_blobs.sweep_orphans(older_than=ORPHAN_AGE, now=now),
        "unfinished": unfinished,
    }


def heartbeat() -> None:
    """Prove that the worker works; the details say how far behind it is."""
    now = timezone.now()
    Heartbeat.objects.update_or_create(
        name=WORKER_HEARTBEAT, defaults={"beat_at": now, "details": _condition(now)}
    )


def _condition(now: datetime) -> dict[str, Any]:
    consumers = PendingChange.objects.values_list("consumer", flat=True).order_by().distinct()
    return {"behind": sorted(consumers), "mirror_problem": mirror_problem()}
