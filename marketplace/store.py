"""The flea market's writes of content: uploads and new versions, checked, stored and attributed.

Whatever is stored was accepted: a refused upload leaves no row and no file. Each write is one
transaction with its audit row and the names in telemetry's attribution tables.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.http import HttpRequest

from accounts import audit
from accounts.models import User
from marketplace import served_changes
from marketplace.bundle_store import store_bundle
from marketplace.bundle_uploads import read_upload
from marketplace.findings import Finding, is_blocked
from marketplace.guardrails import Submission, run_checks
from marketplace.manifests import PluginContents
from marketplace.model_review import model_findings
from marketplace.models import FleaInstall, FleaItem, FleaState, FleaVersion, Plugin
from marketplace.names import FLEA_PLUGIN, SERVED_MARKETPLACE, public_name
from marketplace.store_errors import NameTaken, NotYours, UploadBlocked, WrongState
from marketplace.submissions import (
    naming_findings,
    read_submission,
    served_bundle,
    served_contents,
)
from telemetry.attribution import explode_plugin, retire_plugin
from telemetry.taxonomy import ItemKind, Source

FIRST_LABEL = "1.0"
TABLES = (
    (ItemKind.SKILL, "skills"),
    (ItemKind.AGENT, "agents"),
    (ItemKind.COMMAND, "commands"),
    (ItemKind.MCP, "mcp_servers"),
)


@dataclass(frozen=True)
class Upload:
    """What somebody sends. An empty `kind` or `name` is told from the files. `draft`: it is
    checked and kept, but not offered."""

    content: bytes
    file_name: str = ""
    kind: str = ""
    name: str = ""
    note: str = ""
    draft: bool = False


@dataclass(frozen=True)
class Checked:
    """An upload that was read, with all findings."""

    submission: Submission
    public_name: str
    findings: tuple[Finding, ...]

    @property
    def is_blocked(self) -> bool:
        return is_blocked(self.findings)


def check_upload(upload: Upload, *, owner: str, reviewed: bool = True) -> Checked:
    """Read and check without storing anything; `reviewed` asks the model too, where that is on.

    Raises BadBundle or UnknownKind when there is nothing to check.
    """
    bundle = read_upload(upload.content, file_name=upload.file_name)
    submission = read_submission(bundle, kind=upload.kind, name=upload.name, owner=owner)
    public = public_name(submission.name, owner)
    findings = run_checks(submission)
    if not is_blocked(findings):
        findings += naming_findings(submission, public)
    if reviewed and not is_blocked(findings):
        findings += model_findings(submission)
    return Checked(submission, public, tuple(findings))


def publish(
    upload: Upload,
    *,
    by: User,
    now: datetime,
    door: audit.Door,
    request: HttpRequest | None = None,
) -> FleaVersion:
    """A new item of `by`, live at once unless an admin has to look first.

    Raises what `check_upload` raises, UploadBlocked and NameTaken.
    """
    checked = _accepted(upload, owner=by.username)
    _refuse_taken(checked.public_name)
    with transaction.atomic():
        item, created = FleaItem.objects.get_or_create(
            public_name=checked.public_name,
            defaults={
                "kind": checked.submission.kind,
                "name": checked.submission.name,
                "owner": by,
                "owner_name": by.username,
                "state": FleaState.DRAFT,
                "state_at": now,
                "state_by": by,
                "state_by_name": by.username,
                "created_at": now,
                "changed_at": now,
            },
        )
        if not created:
            raise _taken(checked.public_name)
        version = _add_version(item, checked, upload, by=by, now=now)
        _record("store.upload", item, version, by=by, door=door, request=request)
    return version


def add_version(
    item: FleaItem,
    upload: Upload,
    *,
    by: User,
    now: datetime,
    door: audit.Door,
    request: HttpRequest | None = None,
) -> FleaVersion:
    """A further version of an item, by its owner; the newest one when nothing changed.

    While it waits for an admin the former one stays live. Raises what `publish` raises, NotYours,
    and NameTaken when the upload is of another kind.
    """
    if item.owner != by:
        raise NotYours(f"{item.public_name} is not yours.", fix="Upload it under your own name.")
    named = Upload(
        upload.content, upload.file_name, item.kind, item.name, upload.note, upload.draft
    )
    checked = _accepted(named, owner=item.owner_name)
    with transaction.atomic():
        item = FleaItem.objects.select_for_update().get(pk=item.pk)
        if item.state == FleaState.REMOVED:
            raise WrongState(f"{item.public_name} is removed.", fix="Have it restored first.")
        newest = item.newest_version()
        digest = served_bundle(checked.submission, item.public_name).digest()
        if newest and newest.digest == digest and _stands(item, newest):
            return newest
        version = _add_version(item, checked, named, by=by, now=now)
        _record("store.version", item, version, by=by, door=door, request=request)
    return version


def _stands(item: FleaItem, version: FleaVersion) -> bool:
    """Whether it is offered or waits; what was rejected while live is neither."""
    return version.state == FleaState.PENDING or (version.state == FleaState.LIVE and item.is_live)


def count_install(item: FleaItem, *, by: User, now: datetime) -> None:
    """Note that `by` fetched the item; each person counts once."""
    with transaction.atomic():
        row, created = FleaInstall.objects.get_or_create(
            item=item, user=by, defaults={"first_at": now, "last_at": now}
        )
        if created:
            FleaItem.objects.filter(pk=item.pk).update(installs=F("installs") + 1)
        else:
            FleaInstall.objects.filter(pk=row.pk).update(last_at=now, times=F("times") + 1)


def attribute(item: FleaItem, *, now: datetime) -> bool:
    """Make the attribution tables say what the item is called now, or that it is gone. Returns
    whether they said anything else."""
    served_changes.announce()
    version = item.live_version
    if not item.is_live or version is None:
        return retire_plugin(source=Source.FLEA, ref_id=item.ref_id, now=now)
    names: dict[str, list[str]] = {table: [] for _, table in TABLES}
    for kind, table in TABLES:
        for each in version.items:
            if each["kind"] == kind:
                names[table] += [each["name"], *each["aliases"]]
    return explode_plugin(
        source=Source.FLEA,
        ref_id=item.ref_id,
        marketplace="",
        plugin=item.public_name if item.kind == ItemKind.PLUGIN else FLEA_PLUGIN,
        version=version.label,
        marketplace_names=(SERVED_MARKETPLACE,),
        skills=names["skills"],
        agents=names["agents"],
        commands=names["commands"],
        mcp_servers=names["mcp_servers"],
        now=now,
    )


def make_live(item: FleaItem, version: FleaVersion, *, by: User | None, now: datetime) -> None:
    """The version is what is offered from now on; a former one is replaced."""
    others = item.versions.filter(state=FleaState.LIVE).exclude(pk=version.pk)
    others.update(state=FleaState.REPLACED, state_at=now)
    set_version_state(version, FleaState.LIVE, by=by, now=now)
    item.live_version = version
    item.description = version.description
    set_item_state(item, FleaState.LIVE, by=by, now=now)
    attribute(item, now=now)


def set_item_state(
    item: FleaItem, state: FleaState, *, by: User | None, now: datetime, reason: str = ""
) -> None:
    item.state, item.state_at, item.state_reason = state, now, reason
    item.state_by, item.state_by_name = by, by.username if by else audit.SYSTEM
    item.changed_at = now
    item.save()


def set_version_state(
    version: FleaVersion, state: FleaState, *, by: User | None, now: datetime, reason: str = ""
) -> None:
    version.state, version.state_at, version.state_reason = state, now, reason
    version.state_by_name = by.username if by else audit.SYSTEM
    version.save()


def go_live_or_wait(item: FleaItem, version: FleaVersion, *, by: User, now: datetime) -> None:
    """What becomes of a version that its owner wants to be offered: by AGNES_FLEA_REVIEW, and
    always for an admin to look at where an admin took the item out."""
    if settings.AGNES_FLEA_REVIEW != "admin" and not item.needs_review:
        make_live(item, version, by=by, now=now)
        return
    waiting = item.versions.filter(state=FleaState.PENDING).exclude(pk=version.pk)
    waiting.update(state=FleaState.REPLACED, state_at=now)
    set_version_state(version, FleaState.PENDING, by=by, now=now)
    if not item.is_live:
        set_item_state(item, FleaState.PENDING, by=by, now=now)


def _accepted(upload: Upload, *, owner: str) -> Checked:
    checked = check_upload(upload, owner=owner)
    if checked.is_blocked:
        raise UploadBlocked(checked.findings)
    return checked


def _refuse_taken(name: str) -> None:
    """Before anything is stored, so that a refusal leaves no file behind."""
    if FleaItem.objects.filter(public_name=name).exists():
        raise _taken(name)
    # Transcripts could not tell the two apart.
    if Plugin.objects.live().filter(Q(served_name=name) | Q(own_name=name)).exists():
        raise NameTaken(f"A curated plugin is called {name}.", fix="Choose another name.")


def _taken(name: str) -> NameTaken:
    return NameTaken(
        f"There is {name} already.",
        fix=f"Upload a version of it (/api/store/items/{name}/versions), or choose another name.",
    )


def _add_version(
    item: FleaItem, checked: Checked, upload: Upload, *, by: User, now: datetime
) -> FleaVersion:
    bundle = served_bundle(checked.submission, item.public_name)
    contents = served_contents(checked.submission.kind, item.public_name, bundle)
    newest = item.newest_version()
    number = newest.number + 1 if newest else 1
    version = FleaVersion.objects.create(
        item=item,
        number=number,
        label=_label(item, contents.version, number),
        state=FleaState.DRAFT,
        state_at=now,
        state_by_name=by.username,
        description=_description(contents),
        note=upload.note[:2_000],
        digest=store_bundle(bundle),
        size=bundle.size,
        files=len(bundle.files),
        findings=[finding.as_json() for finding in checked.findings],
        items=[_item(each) for each in contents.items],
        uploaded_by_name=by.username,
        created_at=now,
    )
    if not upload.draft:
        go_live_or_wait(item, version, by=by, now=now)
    elif not item.live_version and item.state not in {FleaState.REJECTED, FleaState.PENDING}:
        set_item_state(item, FleaState.DRAFT, by=by, now=now)
        item.description = version.description
        item.save()
    return version


def _label(item: FleaItem, declared: str, number: int) -> str:
    """What the version is called: as its manifest says, made distinct where that says the same."""
    label = declared or f"{FIRST_LABEL}.{number - 1}"
    taken = item.versions.filter(label=label).exists()
    return f"{label}-{number}" if taken else label


def _description(contents: PluginContents) -> str:
    if contents.description:
        return contents.description
    return contents.items[0].description if len(contents.items) == 1 else ""


def _item(item: Any) -> dict[str, Any]:
    return {**asdict(item), "kind": item.kind.value, "aliases": list(item.aliases)}


def _record(
    action: str,
    item: FleaItem,
    version: FleaVersion,
    *,
    by: User,
    door: audit.Door,
    request: HttpRequest | None,
) -> None:
    audit.record(
        action=action,
        door=door,
        actor=by,
        resource_type="flea_item",
        resource_id=item.public_name,
        subject=item.owner,
        details={
            "version": version.number,
            "state": version.state,
            "digest": version.digest,
            "warnings": _rules(version.findings),
        },
        request=request,
    )


def _rules(findings: Sequence[dict[str, Any]]) -> list[str]:
    return sorted({str(finding["rule"]) for finding in findings})
