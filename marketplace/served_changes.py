"""Telling the worker that what Agnes serves is another now."""

import logging

from django.db import DatabaseError, transaction
from django_q.tasks import async_task

logger = logging.getLogger(__name__)

BUILD = "marketplace.tasks.build_served"


def announce() -> None:
    """Have the served repository built after the commit. Who fetches it before gets it built."""
    transaction.on_commit(_enqueue, robust=True)


def _enqueue() -> None:
    try:
        async_task(BUILD)
    except DatabaseError:
        logger.exception("The build could not be queued; the next fetch does it.")
