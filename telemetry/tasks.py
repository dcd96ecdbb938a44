"""What the queue calls: no arguments or plain ones, one call each, bounded, safe to run twice.

A task that has more to do than fits into its time queues itself again instead of going on.
"""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts.models import AuditEvent
from telemetry import leases, reattribution, retention, transcript_blobs
from telemetry.erasure import finish_erasures, is_unfinished
from telemetry.models import Heartbeat, PendingChange
from telemetry.processing import Budget, catch_up, mirror_problem, process_due
from telemetry.task_queue import (
    enqueue_attribution,
    enqueue_processing,
    enqueue_pruning,
    note_begun,
)

BUDGET = Budget(usage=25, others=15, rollups=15, mirror=20)
"""Together well under the worker's 120 s, as each step still ends what it has begun."""

REATTRIBUTE_SECONDS = 45.0
PRUNE_SECONDS = 60.0
SWEEP_BUDGET = timedelta(seconds=15)
"""For the figures, and again for the mirror and for stored objects, after an erasure that was
broken off; and then for orphans."""

WORKER_HEARTBEAT = "worker"


def process_sessions() -> dict[str, Any]:
    """Everything due for any processor, then on to rollups and mirror."""
    note_begun()
    done = process_due(budget=BUDGET)
    if done.left:
        enqueue_processing()
    return {"sessions": done.sessions, "failed": done.failed, "left": done.left}


def refresh_rollups_and_mirror() -> dict[str, Any]:
    """What is marked as changed, and the windows when the UTC day is another."""
    shown = catch_up(budget=BUDGET, now=timezone.now())
    return {"days": shown.days, "sessions": shown.sessions, "left": shown.left}


def reattribute() -> dict[str, Any]:
    """Attribute stored events anew when the catalogue changed, in pieces, and show it."""
    try:
        report = reattribution.reattribute_due(now=timezone.now(), seconds=REATTRIBUTE_SECONDS)
    except leases.LeaseTaken:
        return {"busy": True}
    if report is None:
        return {}
    catch_up(budget=BUDGET, now=timezone.now())
    if report.left:
        enqueue_attribution()
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
        "orphans": transcript_blobs.sweep_orphans(
            older_than=transcript_blobs.ORPHAN_AGE, now=now, budget=SWEEP_BUDGET
        ),
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
