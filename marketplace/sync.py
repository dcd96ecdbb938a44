"""A curated marketplace brought up to date with its repository."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from accounts import audit
from accounts.errors import AgnesError
from accounts.models import User
from marketplace import served_changes
from marketplace.catalogue_rows import Changes, store_catalogue
from marketplace.explosion import explode_marketplace
from marketplace.git_source import Wanted, drop_others, source_for
from marketplace.models import FleaItem, Item, Marketplace
from marketplace.snapshot import Snapshot, take_snapshot
from marketplace.tokens import token_of
from telemetry.task_queue import enqueue_attribution

ACTION = "marketplace.sync"


class MarketplaceRemoved(AgnesError):
    code: ClassVar[str] = "marketplace_removed"
    status: ClassVar[int] = 409


@dataclass(frozen=True)
class SyncReport:
    """What a sync did. Not `changed`: nothing was new and nothing was written."""

    slug: str
    changed: bool
    commit: str
    plugins: int
    items: int
    findings: int
    changes: Changes = field(default_factory=Changes)

    def numbers(self) -> dict[str, Any]:
        """For the API, the command and the audit trail."""
        return {
            "slug": self.slug,
            "changed": self.changed,
            "commit": self.commit,
            "plugins": self.plugins,
            "items": self.items,
            "findings": self.findings,
            **self.changes.numbers(),
        }


def sync_marketplace(
    marketplace: Marketplace,
    *,
    by: User | None,
    door: audit.Door,
    now: datetime,
    seconds: float | None = None,
    request: HttpRequest | None = None,
) -> SyncReport:
    """Fetch the repository and store what it offers, with its names for attribution, in one
    transaction. Nothing is written when nothing is new, but the audit row of somebody who asked.

    Raises the AgnesError that fetching or reading ended with; it is stored at the marketplace,
    which keeps its last good state. `seconds` is the longest that fetching may take, None for
    AGNES_MARKETPLACE_SYNC_SECONDS.
    """
    try:
        snapshot = _snapshot(marketplace, seconds or settings.AGNES_MARKETPLACE_SYNC_SECONDS)
    except AgnesError as error:
        _note_failure(marketplace, error, by=by, door=door, now=now, request=request)
        raise
    with transaction.atomic():
        report = _store(marketplace, snapshot, now=now) if snapshot else None
        done = report or _unchanged(marketplace)
        if report or door != audit.Door.SYSTEM:
            audit.record(
                action=ACTION,
                door=door,
                actor=by,
                resource_type="marketplace",
                resource_id=marketplace.slug,
                details=done.numbers(),
                request=request,
            )
    if report and snapshot:
        copies = (copy.folder for copy in snapshot.copies)
        drop_others(snapshot.copies[0].folder.parent, copies)
    return done


def _snapshot(marketplace: Marketplace, seconds: float) -> Snapshot | None:
    if marketplace.removed_at is not None:
        raise MarketplaceRemoved(
            f"The marketplace {marketplace.slug!r} was removed.", fix="Register it again first."
        )
    source = source_for(marketplace.slug, marketplace.url, token_of(marketplace), seconds=seconds)
    wanted = Wanted(marketplace.url, marketplace.ref, marketplace.pinned_sha)
    # After a failure also what was read before is read again, which clears the error.
    known = marketplace.fingerprint if marketplace.state == Marketplace.State.OK else ""
    flea = set(FleaItem.objects.values_list("public_name", flat=True))
    return take_snapshot(source, wanted, known=known, foreign=flea)


def _store(marketplace: Marketplace, snapshot: Snapshot, *, now: datetime) -> SyncReport | None:
    """None when the registration is another than it was when fetching began, or another sync was
    faster: then what was fetched may be older than what is stored."""
    row = Marketplace.objects.select_for_update().get(pk=marketplace.pk)
    seen = ("url", "ref", "pinned_sha", "fingerprint", "removed_at")
    if any(getattr(row, name) != getattr(marketplace, name) for name in seen):
        return None
    catalogue = snapshot.catalogue
    row.name, row.owner, row.version = catalogue.name, catalogue.owner, catalogue.version
    row.description, row.commit_sha = catalogue.description, snapshot.commit
    row.findings = [finding.as_json() for finding in snapshot.findings]
    row.fingerprint, row.synced_at = snapshot.fingerprint, now
    row.state, row.error, row.error_code, row.failed_at = Marketplace.State.OK, "", "", None
    row.save()
    changes = store_catalogue(row, snapshot, now=now)
    if explode_marketplace(row, now=now):
        transaction.on_commit(enqueue_attribution)
    served_changes.announce()
    return SyncReport(
        row.slug,
        True,
        snapshot.commit,
        len(snapshot.plugins),
        _items(row),
        len(snapshot.findings),
        changes,
    )


def _unchanged(marketplace: Marketplace) -> SyncReport:
    return SyncReport(
        marketplace.slug,
        False,
        marketplace.commit_sha,
        marketplace.plugins.live().count(),
        _items(marketplace),
        len(marketplace.findings),
    )


def _items(marketplace: Marketplace) -> int:
    return Item.objects.live().filter(plugin__marketplace=marketplace).count()


def _note_failure(
    marketplace: Marketplace,
    error: AgnesError,
    *,
    by: User | None,
    door: audit.Door,
    now: datetime,
    request: HttpRequest | None,
) -> None:
    with transaction.atomic():
        Marketplace.objects.filter(pk=marketplace.pk, removed_at=None).update(
            state=Marketplace.State.FAILED, error=str(error), error_code=error.code, failed_at=now
        )
        audit.record(
            action=ACTION,
            door=door,
            actor=by,
            resource_type="marketplace",
            resource_id=marketplace.slug,
            result=audit.Result.FAILED,
            details={"code": error.code},
            request=request,
        )
