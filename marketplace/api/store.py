"""/api/store: the flea market over HTTP."""

from datetime import datetime
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from ninja import Field, Query, Router, Schema, Status

from accounts import audit
from accounts.api_answers import answers
from accounts.errors import AgnesError
from accounts.models import Scope, User
from accounts.permissions import caller_of, is_admin, require_admin, require_scope
from marketplace.bundle_store import read_packed
from marketplace.bundle_uploads import LARGEST_UPLOAD, upload_too_large
from marketplace.models import FleaItem, FleaVersion
from marketplace.store import Upload, add_version, check_upload, count_install, publish
from marketplace.store_reads import (
    Filter,
    downloadable,
    find_item,
    is_insider,
    list_items,
    visible_versions,
)
from marketplace.store_states import change_state
from marketplace.upload_handler import FORM_ITSELF

router = Router(tags=["flea market"])

MOST_ITEMS = 200
ADMIN_ACTIONS = frozenset({"approve", "reject"})
BODY = {
    "required": True,
    "content": {
        "application/zip": {"schema": {"type": "string", "format": "binary"}},
        "text/markdown": {"schema": {"type": "string"}},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        },
    },
}
UPLOAD = answers(411, 413, body=BODY)
PUBLISHING = answers(409, 411, 413, body=BODY)


class BodyMissing(AgnesError):
    code: ClassVar[str] = "body_missing"
    status: ClassVar[int] = 400


class BodyLengthMissing(AgnesError):
    code: ClassVar[str] = "length_required"
    status: ClassVar[int] = 411


class UploadQuery(Schema):
    name: str = Field("", max_length=200, description="Without the owner; else the manifest's.")
    kind: str = Field("", description="skill, agent or plugin; told from the files if empty.")
    file_name: str = Field("", max_length=300, description="Of a Markdown file in the body.")
    note: str = Field("", max_length=2_000, description="What is new.")
    draft: bool = Field(False, description="Keep it without offering it.")


class FindingOut(Schema):
    rule: str
    severity: str = Field(description="blocking or warning.")
    file: str = Field(description="In the upload; empty when no file is meant.")
    line: int | None = Field(description="From 1; null for a whole file.")
    message: str


class PreviewOut(Schema):
    kind: str
    name: str
    public_name: str
    would_be_taken: bool
    findings: list[FindingOut]


class VersionOut(Schema):
    number: int
    label: str
    state: str
    state_at: datetime
    state_by: str
    state_reason: str
    note: str
    description: str
    digest: str = Field(description="SHA-256 of the content.")
    size: int
    files: int
    created_at: datetime
    findings: list[FindingOut]
    items: list[dict[str, Any]]


class ItemOut(Schema):
    id: int
    public_name: str
    name: str
    owner: str
    kind: str
    description: str
    state: str = Field(description="draft, pending, live, rejected or removed.")
    state_at: datetime
    state_by: str
    state_reason: str
    waiting: int | None = Field(description="The version that waits for an admin.")
    live_version: str | None = Field(description="Its label; null when none was ever live.")
    installs: int = Field(description="People who downloaded it.")
    created_at: datetime
    changed_at: datetime


class ItemsOut(Schema):
    count: int
    items: list[ItemOut]


class UploadedOut(Schema):
    item: ItemOut
    version: VersionOut


class ReasonIn(Schema):
    reason: str = Field("", max_length=2_000)


class ListQuery(Schema):
    state: str = Field("", description="With pending also live items of which a version waits.")
    kind: str = ""
    q: str = Field("", max_length=200, description="In names and descriptions.")
    mine: bool = Field(False, description="One's own, in all states.")
    limit: int = Field(50, ge=1, le=MOST_ITEMS)
    offset: int = Field(0, ge=0)


@router.get("/items", response=ItemsOut, summary="List what the flea market has")
def list_store(request: HttpRequest, query: Query[ListQuery]) -> dict[str, Any]:
    """Live items; one's own and, for admins, everybody's in other states when asked for."""
    user = require_scope(request, Scope.READ)
    items = list_items(Filter(query.state, query.kind, query.q, query.mine), by=user)
    page = items[query.offset : query.offset + query.limit]
    return {"count": items.count(), "items": [_item(item, user) for item in page]}


@router.post("/preview", response=PreviewOut, summary="Check an upload", openapi_extra=UPLOAD)
def preview_upload(request: HttpRequest, query: Query[UploadQuery]) -> dict[str, Any]:
    """What the guardrails would say. Nothing is stored."""
    user = require_scope(request, Scope.PUBLISH)
    checked = check_upload(_upload(request, query), owner=user.username)
    return {
        "kind": checked.submission.kind.value,
        "name": checked.submission.name,
        "public_name": checked.public_name,
        "would_be_taken": not checked.is_blocked,
        "findings": [finding.as_json() for finding in checked.findings],
    }


@router.post(
    "/items",
    response={201: UploadedOut},
    summary="Publish an item",
    openapi_extra=PUBLISHING,
)
def publish_item(request: HttpRequest, query: Query[UploadQuery]) -> Status[dict[str, Any]]:
    """A zip or a Markdown file, as the body or as `file` in a form; at most 10 MiB."""
    user = require_scope(request, Scope.PUBLISH)
    version = publish(
        _upload(request, query),
        by=user,
        now=timezone.now(),
        door=audit.Door.API,
        request=request,
    )
    return Status(201, _uploaded(version, user))


@router.get("/items/{name}", response=ItemOut, summary="An item")
def get_item(request: HttpRequest, name: str) -> dict[str, Any]:
    user = require_scope(request, Scope.READ)
    return _item(find_item(name, by=user), user)


@router.get("/items/{name}/versions", response=list[VersionOut], summary="Versions of an item")
def list_versions(request: HttpRequest, name: str) -> list[dict[str, Any]]:
    """Newest first; all of them for its owner and for admins, the live one for others."""
    user = require_scope(request, Scope.READ)
    return [_version(each) for each in visible_versions(find_item(name, by=user), by=user)]


@router.post(
    "/items/{name}/versions",
    response={201: UploadedOut},
    summary="Publish a new version",
    openapi_extra=PUBLISHING,
)
def publish_version(
    request: HttpRequest, name: str, query: Query[UploadQuery]
) -> Status[dict[str, Any]]:
    """As when publishing; `name` and `kind` stay those of the item."""
    user = require_scope(request, Scope.PUBLISH)
    version = add_version(
        find_item(name, by=user),
        _upload(request, query),
        by=user,
        now=timezone.now(),
        door=audit.Door.API,
        request=request,
    )
    return Status(201, _uploaded(version, user))


@router.get(
    "/items/{name}/download",
    response={200: None},
    summary="Download an item as a zip",
    openapi_extra=answers(304, types=["application/zip"]),
)
def download_item(request: HttpRequest, name: str, version: int | None = None) -> HttpResponse:
    """The live version as it is served; owners and admins may name another one."""
    user = require_scope(request, Scope.READ)
    item = find_item(name, by=user)
    chosen = downloadable(item, version, by=user)
    etag = quote_etag(chosen.digest)
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        return unchanged
    content = read_packed(chosen.digest)
    if item.is_live and item.owner_id != user.pk:
        count_install(item, by=user, now=timezone.now())
    file_name = f"{item.public_name}-{chosen.number}.zip"
    return HttpResponse(
        content,
        content_type="application/zip",
        headers={
            "ETag": etag,
            "Content-Disposition": f'attachment; filename="{file_name}"',
            "Cache-Control": "private, no-cache",
        },
    )


@router.post(
    "/items/{name}/{action}",
    response=ItemOut,
    summary="Change an item's state",
    openapi_extra=answers(409),
)
def change_item(
    request: HttpRequest, name: str, action: str, body: ReasonIn | None = None
) -> dict[str, Any]:
    """`submit` and `withdraw` for its owner, `remove` and `restore` for owner or admin, `approve`
    and `reject` for admins. Admins give a reason when they reject or remove."""
    caller = caller_of(request)
    as_admin = is_admin(caller.user) and caller.has_scope(Scope.ADMIN)
    needs_admin = as_admin or action in ADMIN_ACTIONS
    user = require_admin(request) if needs_admin else require_scope(request, Scope.PUBLISH)
    item = change_state(
        find_item(name, by=user),
        action,
        by=user,
        as_admin=as_admin,
        now=timezone.now(),
        door=audit.Door.API,
        reason=body.reason if body else "",
        request=request,
    )
    return _item(item, user)


def _upload(request: HttpRequest, query: UploadQuery) -> Upload:
    content, file_name = _body(request)
    return Upload(
        content,
        query.file_name or file_name,
        query.kind.strip().lower(),
        query.name.strip(),
        query.note.strip(),
        query.draft,
    )


def _body(request: HttpRequest) -> tuple[bytes, str]:
    """The file that was sent and its name, once its length is known to be bearable."""
    length = request.headers.get("Content-Length") or "0"
    if not length.isdigit() or "Transfer-Encoding" in request.headers:
        raise BodyLengthMissing("The request does not tell its length.", fix="Send Content-Length.")
    if (request.content_type or "").lower() == "multipart/form-data":
        if int(length) > LARGEST_UPLOAD + FORM_ITSELF:
            raise upload_too_large()
        file = request.FILES.get("file")
        if file is None:
            raise BodyMissing("The form has no file.", fix="Send it as the field `file`.")
        return file.read(), file.name or ""
    if int(length) > LARGEST_UPLOAD:
        raise upload_too_large()
    return request.read(LARGEST_UPLOAD + 1), ""


def _uploaded(version: FleaVersion, user: User) -> dict[str, Any]:
    return {"item": _item(version.item, user), "version": _version(version)}


def _item(item: FleaItem, user: User) -> dict[str, Any]:
    waiting = [each.number for each in item.versions.all() if each.state == "pending"]
    return {
        **{name: getattr(item, name) for name in ItemOut.model_fields if hasattr(item, name)},
        "owner": item.owner_name,
        "state_by": item.state_by_name,
        "live_version": item.live_version.label if item.live_version else None,
        "waiting": max(waiting, default=None) if is_insider(item, user) else None,
    }


def _version(version: FleaVersion) -> dict[str, Any]:
    told = {name: getattr(version, name) for name in VersionOut.model_fields if name != "state_by"}
    return {**told, "state_by": version.state_by_name}
