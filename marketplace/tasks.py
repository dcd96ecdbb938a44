"""Queue entry points of the catalogue: each calls one function and is safe to run twice."""

from typing import Any

from django.utils import timezone

from accounts import audit
from accounts.errors import AgnesError
from accounts.models import User
from marketplace.bundle_store import sweep_bundles
from marketplace.models import Marketplace
from marketplace.served_changes import note_begun
from marketplace.serving.offer import named_bundles
from marketplace.serving.repository import build_current
from marketplace.sync import sync_marketplace
from marketplace.task_queue import enqueue_sync
from telemetry.leases import LeaseTaken


def build_served() -> dict[str, Any]:
    """What Agnes serves, where it is another now."""
    note_begun()
    try:
        built = build_current(now=timezone.now())
    except LeaseTaken:
        return {"busy": True}
    return {"commit": built.commit, "plugins": built.plugins, "new": built.is_new}


def keep_served() -> dict[str, Any]:
    """What a build missed, and stored files that nothing names any more."""
    swept = sweep_bundles(named_bundles, now=timezone.now())
    return {**build_served(), "swept": swept}


def sync_all() -> dict[str, Any]:
    """A task for each marketplace, since one that is slow may use up all the time a task has."""
    slugs = list(Marketplace.objects.registered().values_list("slug", flat=True))
    for slug in slugs:
        enqueue_sync(slug)
    return {"queued": len(slugs)}


def sync(slug: str, by: int | None = None) -> dict[str, Any]:
    """One marketplace; what fails is stored at it. Nothing when it was removed meanwhile.

    `by` is the id of who asked for it on a page, None for the nightly run.
    """
    actor = User.objects.filter(pk=by).first() if by else None
    door = audit.Door.PAGE if actor else audit.Door.SYSTEM
    marketplace = Marketplace.objects.registered().filter(slug=slug).first()
    if marketplace is None:
        return {}
    try:
        report = sync_marketplace(marketplace, by=actor, door=door, now=timezone.now())
    except AgnesError as error:
        return {"slug": slug, "error": error.code}
    return report.numbers()
