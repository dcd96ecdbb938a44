"""Tasks put on the queue, by the doors that must not wait for what the queue runs."""

from django_q.tasks import async_task

from accounts.models import User

SYNC = "marketplace.tasks.sync"


def enqueue_sync(slug: str, *, by: User | None = None) -> None:
    """Have the worker sync a marketplace; with `by` the audit trail says who asked for it."""
    async_task(SYNC, slug, by.pk if by else None)
