"""Queue entry points of the catalogue: each calls one function and is safe to run twice."""

from typing import Any

from django.utils import timezone
from django_q.tasks import async_task

from accounts import audit
from accounts.errors import AgnesError
from marketplace.models import Marketplace
from marketplace.sync import sync_marketplace

SYNC = "marketplace.tasks.sync"


def sync_all() -> dict[str, Any]:
    """A task for each marketplace, since one that is slow may use up all the time a task has."""
    slugs = list(Marketplace.objects.registered().values_list("slug", flat=True))
    for slug in slugs:
        async_task(SYNC, slug)
    return {"queued": len(slugs)}


def sync(slug: str) -> dict[str, Any]:
    """One marketplace; what fails is stored at it. Nothing when it was removed meanwhile."""
    marketplace = Marketplace.objects.registered().filter(slug=slug).first()
    if marketplace is None:
        return {}
    try:
        report = sync_marketplace(marketplace, by=None, door=audit.Door.SYSTEM, now=timezone.now())
    except AgnesError as error:
        return {"slug": slug, "error": error.code}
    return report.numbers()
