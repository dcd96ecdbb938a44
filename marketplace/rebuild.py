"""The attribution tables written again from the stored catalogue: the first deploy's populator."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.http import HttpRequest

from accounts import audit
from accounts.models import User
from marketplace.explosion import explode_marketplace
from marketplace.models import FleaItem, Marketplace, Plugin
from marketplace.store import attribute
from telemetry.attribution import queue_reattribution
from telemetry.task_queue import enqueue_attribution


@dataclass(frozen=True)
class RebuildReport:
    """How much was looked at; `changed` tells whether any name was written or closed."""

    marketplaces: int
    plugins: int
    flea_items: int
    changed: bool


@transaction.atomic
def rebuild_attribution(
    *,
    by: User | None,
    door: audit.Door,
    now: datetime,
    events: bool = False,
    request: HttpRequest | None = None,
) -> RebuildReport:
    """Make the names in the attribution tables those of the stored catalogue. Safe to run at any
    time, any number of times. `events` has stored events attributed anew in any case."""
    marketplaces = list(Marketplace.objects.all())
    # Each is written, whatever the one before found.
    changed = sum(explode_marketplace(each, now=now) for each in marketplaces) > 0
    flea_items = list(FleaItem.objects.select_related("live_version"))
    changed = sum(attribute(item, now=now) for item in flea_items) > 0 or changed
    if events and not changed:
        queue_reattribution()
    if events or changed:
        transaction.on_commit(enqueue_attribution)
    report = RebuildReport(
        len(marketplaces),
        Plugin.objects.live().count(),
        sum(item.is_live for item in flea_items),
        changed,
    )
    audit.record(
        action="attribution.rebuild",
        door=door,
        actor=by,
        details={
            "plugins": report.plugins,
            "flea_items": report.flea_items,
            "changed": changed,
            "events": events,
        },
        request=request,
    )
    return report
