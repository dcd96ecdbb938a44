"""Tasks put on the queue, by the doors that must not import what the queue runs."""

import logging
from datetime import timedelta

from django.db import DatabaseError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from telemetry import leases
from telemetry.models import Lease

logger = logging.getLogger(__name__)

PROCESS = "telemetry.tasks.process_sessions"
PRUNE = "telemetry.tasks.prune"
SWEEP = "telemetry.tasks.sweep"
REATTRIBUTE = "telemetry.tasks.reattribute"

WAITING = "processing_queued"
WAITS_FOR = timedelta(seconds=60)
"""A queued task that has not begun by then may be lost, so another one may be queued."""


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


def enqueue_attribution() -> None:
    """Queue what a re-attribution had no time for; two of them do not overlap."""
    async_task(REATTRIBUTE)


def enqueue_sweep() -> None:
    """Queue what an erasure left to be ended; two sweeps do not overlap."""
    async_task(SWEEP)


def note_begun() -> None:
    """A queued task begins: from here on another one may wait."""
    now = timezone.now()
    Lease.objects.filter(name=WAITING, expires_at__gt=now).update(expires_at=now, owner="")
