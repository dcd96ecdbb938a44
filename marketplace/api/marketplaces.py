"""Curated marketplaces over HTTP: anyone signed in reads, admins register, change and sync."""

from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Query, Router, Schema, Status

from accounts import audit
from accounts.api_answers import answers
from accounts.models import Scope
from accounts.permissions import require_admin, require_scope
from marketplace.gaps import offered_but_unused, used_but_unlisted
from marketplace.models import Item, Marketplace, Plugin
from marketplace.registry import (
    Registration,
    change_marketplace,
    find_marketplace,
    register_marketplace,
    remove_marketplace,
    same_host,
)
from marketplace.sync import sync_marketplace

router = Router(tags=["marketplaces"])
MOST_ROWS = 200


class FindingAnswer(Schema):
    rule: str
    severity: str = Field(description="blocking: left out; warning: taken, but should be mended.")
    file: str
    line: int | None
    message: str


class MarketplaceAnswer(Schema):
    slug: str
    url: str
    ref: str
    pinned_sha: str
    has_token: bool
    name: str = Field(description="What it calls itself; empty before the first sync.")
    owner: str
    description: str
    version: str
    state: str = Field(description="new, ok or failed.")
    commit: str
    synced_at: datetime | None = Field(description="When a sync last brought something new.")
    error: str
    error_code: str
    failed_at: datetime | None
    plugins: int
    items: int


class MarketplaceDetails(MarketplaceAnswer):
    findings: list[FindingAnswer]


class NewMarketplace(Schema):
    url: str = Field(description="https://…, without user name and password.")
    slug: str = Field("", description="Empty: made from the address. Never changes.")
    ref: str = Field("", description="Branch or tag; empty: the default branch.")
    pinned_sha: str = Field("", description="A commit, in place of a branch or tag.")
    token: str = Field("", description="Of a private repository; is never shown again.")
    token_variable: str = Field("", description="AGNES_MARKETPLACE_TOKEN_…, in place of a token.")


class MarketplaceChange(Schema):
    """What is left out stays as it is."""

    url: str | None = None
    ref: str | None = None
    pinned_sha: str | None = None
    token: str | None = Field(None, description="Empty removes it.")
    token_variable: str | None = None


class SyncAnswer(Schema):
    slug: str
    changed: bool
    commit: str
    plugins: int
    items: int
    findings: int
    plugins_added: int
    plugins_changed: int
    plugins_renamed: int
    plugins_removed: int
    items_added: int
    items_changed: int
    items_removed: int


class PluginAnswer(Schema):
    ref_id: str
    name: str
    served_name: str = Field(description="Its name in the marketplace that Agnes serves.")
    display_name: str
    description: str
    version: str
    category: str
    author: str
    tags: list[str]
    problem: str = Field(description="Why its files could not be read; empty when they could.")
    changed_at: datetime


class ItemAnswer(Schema):
    ref_id: str
    kind: str
    name: str = Field(description="As Claude Code writes it in transcripts.")
    description: str
    path: str


class PluginPage(Schema):
    count: int
    plugins: list[PluginAnswer]


class ItemPage(Schema):
    count: int
    items: list[ItemAnswer]


class Page(Schema):
    limit: int = Field(50, ge=1, le=MOST_ROWS)
    offset: int = Field(0, ge=0, le=10_000_000)


class Window(Page):
    days: int | None = Field(None, ge=1, le=36_500, description="Usage of the last N days only.")

    def since(self) -> date | None:
        return None if self.days is None else timezone.now().date() - timedelta(days=self.days)


class UnlistedAnswer(Schema):
    kind: str
    name: str
    calls: int
    people: int
    first_day: date
    last_day: date


class UnusedAnswer(Schema):
    source: str
    ref_id: str
    kind: str
    name: str


class UnlistedPage(Schema):
    count: int
    names: list[UnlistedAnswer]


class UnusedPage(Schema):
    count: int
    items: list[UnusedAnswer]


@router.get("", response=list[MarketplaceAnswer], summary="List curated marketplaces")
def list_marketplaces(request: HttpRequest) -> list[dict[str, Any]]:
    require_scope(request, Scope.READ)
    return [_shown(each) for each in Marketplace.objects.registered()]


@router.post(
    "",
    response={201: MarketplaceDetails},
    summary="Register a marketplace",
    openapi_extra=answers(409),
)
def create_marketplace(request: HttpRequest, body: NewMarketplace) -> Status[dict[str, Any]]:
    """Admins only. It is empty until it was synced, which the worker does at once."""
    admin = require_admin(request)
    row = register_marketplace(
        Registration(**body.dict()),
        by=admin,
        door=audit.Door.API,
        now=timezone.now(),
        request=request,
    )
    return Status(201, _details(row))


@router.get("/reports/unlisted", response=UnlistedPage, summary="What is used but in no catalogue")
def list_unlisted(request: HttpRequest, window: Query[Window]) -> dict[str, Any]:
    """Admins only, as it tells what people made for themselves."""
    require_admin(request)
    rows = used_but_unlisted(since=window.since())
    page = rows[window.offset : window.offset + window.limit]
    return {"count": len(rows), "names": [row._asdict() for row in page]}


@router.get(
    "/reports/unused", response=UnusedPage, summary="What is in the catalogue but never used"
)
def list_unused(request: HttpRequest, window: Query[Window]) -> dict[str, Any]:
    require_admin(request)
    rows = offered_but_unused(since=window.since())
    page = rows[window.offset : window.offset + window.limit]
    return {"count": len(rows), "items": [row._asdict() for row in page]}


@router.get("/{slug}", response=MarketplaceDetails, summary="One marketplace, with its findings")
def read_marketplace(request: HttpRequest, slug: str) -> dict[str, Any]:
    require_scope(request, Scope.READ)
    return _details(find_marketplace(slug))


@router.patch(
    "/{slug}",
    response=MarketplaceDetails,
    summary="Change a marketplace",
    openapi_extra=answers(409),
)
def update_marketplace(request: HttpRequest, slug: str, body: MarketplaceChange) -> dict[str, Any]:
    """Admins only. A token, stored or of the environment, is dropped when the address leads to
    another host; give it again in the same request to keep it."""
    admin = require_admin(request)
    row = find_marketplace(slug)
    given = body.dict(exclude_none=True)
    before = {"url": row.url, "ref": row.ref, "pinned_sha": row.pinned_sha}
    if "token" not in given and same_host(row.url, given.get("url", row.url)):
        before["token_variable"] = row.token_variable
    changed = change_marketplace(
        row, Registration(**{**before, **given}), by=admin, door=audit.Door.API, request=request
    )
    return _details(changed)


@router.delete("/{slug}", response={204: None}, summary="Remove a marketplace")
def delete_marketplace(request: HttpRequest, slug: str) -> Status[None]:
    """Admins only. Figures and past events keep it; registering the slug again revives it."""
    admin = require_admin(request)
    remove_marketplace(
        find_marketplace(slug), by=admin, door=audit.Door.API, now=timezone.now(), request=request
    )
    return Status(204, None)


@router.post(
    "/{slug}/sync",
    response=SyncAnswer,
    summary="Sync a marketplace now",
    openapi_extra=answers(409, 502, 503, 504),
)
def sync_now(request: HttpRequest, slug: str) -> dict[str, Any]:
    """Admins only; answers when it is done. When it fails, the last good state stays."""
    admin = require_admin(request)
    report = sync_marketplace(
        find_marketplace(slug), by=admin, door=audit.Door.API, now=timezone.now(), request=request
    )
    return report.numbers()


@router.get("/{slug}/plugins", response=PluginPage, summary="Plugins of a marketplace")
def list_plugins(request: HttpRequest, slug: str, page: Query[Page]) -> dict[str, Any]:
    require_scope(request, Scope.READ)
    rows = Plugin.objects.live().filter(marketplace=find_marketplace(slug))
    return {"count": rows.count(), "plugins": list(rows[page.offset : page.offset + page.limit])}


@router.get("/{slug}/items", response=ItemPage, summary="Items of a marketplace's plugins")
def list_items(
    request: HttpRequest, slug: str, page: Query[Page], kind: str = "", plugin: str = ""
) -> dict[str, Any]:
    """`kind` is skill, agent, command or mcp; `plugin` a plugin's name."""
    require_scope(request, Scope.READ)
    rows = Item.objects.live().filter(plugin__marketplace=find_marketplace(slug))
    if kind:
        rows = rows.filter(kind=kind)
    if plugin:
        rows = rows.filter(plugin__name=plugin)
    shown = rows.order_by("plugin__ref_id", "kind", "name").select_related("plugin")
    items = [
        {
            "ref_id": item.plugin.ref_id,
            "kind": item.kind,
            "name": item.name,
            "description": item.description,
            "path": item.path,
        }
        for item in shown[page.offset : page.offset + page.limit]
    ]
    return {"count": rows.count(), "items": items}


def _shown(row: Marketplace) -> dict[str, Any]:
    fields = MarketplaceAnswer.model_fields.keys() - {"commit", "plugins", "items"}
    return {
        **{name: getattr(row, name) for name in fields},
        "commit": row.commit_sha,
        "plugins": row.plugins.live().count(),
        "items": Item.objects.live().filter(plugin__marketplace=row).count(),
    }


def _details(row: Marketplace) -> dict[str, Any]:
    return {**_shown(row), "findings": row.findings}
