"""Telling the worker that what Agnes serves is another now."""

import logging
from datetime import timedelta
from typing import Final

from django.db import DatabaseError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from telemetry import leases
from telemetry.models import Lease

logger = logging.getLogger(__name__)

BUILD: Final = "marketplace.tasks.build_served"
WAITING: Final = "served_queued"
WAITS_FOR: Final = timedelta(seconds=60)
"""A queued build that has not begun by then may be lost, so another one may be queued."""


def announce() -> None:
    """Have the served repository built after the commit. Who fetches it before gets it built."""
    transaction.on_commit(_enqueue, robust=True)


def note_begun() -> None:
    """A queued build begins: from here on another one may wait."""
    now = timezone.now()
    Lease.objects.filter(name=WAITING, expires_at__gt=now).update(expires_at=now, owner="")


def _enqueue() -> None:
    try:
        with transaction.atomic():
            if leases.take(WAITING, ttl=WAITS_FOR, owner="queue") is not None:
                async_task(BUILD)
    except DatabaseError:
        logger.exception("The build could not be queued; the next fetch does it.")
