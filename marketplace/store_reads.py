"""What of the flea market somebody may see."""

from dataclasses import dataclass
from typing import ClassVar

from django.db.models import Prefetch, Q, QuerySet

from accounts.errors import AgnesError
from accounts.models import User
from marketplace.models import FleaItem, FleaState, FleaVersion
from marketplace.store_errors import UnknownItem


class UnknownVersion(AgnesError):
    code: ClassVar[str] = "unknown_version"
    status: ClassVar[int] = 404


@dataclass(frozen=True)
class Filter:
    """Which items to list. `state` is one of FleaState, or empty: live ones of everybody, with
    `mine` all of one's own. `text` is looked for in names and descriptions."""

    state: str = ""
    kind: str = ""
    text: str = ""
    mine: bool = False


def list_items(wanted: Filter, *, by: User) -> QuerySet[FleaItem]:
    """The items that `by` may see, newest change first."""
    items = FleaItem.objects.visible_to(by).select_related("live_version", "owner")
    if wanted.mine:
        items = items.filter(owner=by)
    elif not wanted.state:
        items = items.live()
    if wanted.state == FleaState.PENDING:
        items = items.waiting()
    elif wanted.state:
        items = items.filter(state=wanted.state)
    if wanted.kind:
        items = items.filter(kind=wanted.kind)
    if wanted.text:
        found = Q(public_name__icontains=wanted.text) | Q(description__icontains=wanted.text)
        items = items.filter(found)
    newest = FleaVersion.objects.order_by("-number")
    return items.prefetch_related(Prefetch("versions", newest)).order_by("-changed_at", "pk")


def find_item(name: str, *, by: User) -> FleaItem:
    """The item of that public name that `by` may see. Raises UnknownItem."""
    items = FleaItem.objects.visible_to(by).select_related("live_version", "owner")
    item = items.filter(public_name=name).first()
    if item is None:
        raise UnknownItem(name)
    return item


def is_insider(item: FleaItem, user: User) -> bool:
    """Whether they may see what is not live: its owner and admins."""
    return user.is_staff or item.owner_id == user.pk


def visible_versions(item: FleaItem, *, by: User) -> list[FleaVersion]:
    """Newest first; to others than insiders only those that were ever offered."""
    versions = item.versions.order_by("-number")
    if not is_insider(item, by):
        versions = versions.filter(state__in=[FleaState.LIVE])
    return list(versions)


def downloadable(item: FleaItem, number: int | None, *, by: User) -> FleaVersion:
    """The live version, or for insiders any one. Raises UnknownVersion."""
    if number is None and item.is_live and item.live_version:
        return item.live_version
    versions = {version.number: version for version in visible_versions(item, by=by)}
    chosen = versions.get(number) if number is not None else next(iter(versions.values()), None)
    if chosen is None:
        raise UnknownVersion(
            f"There is no such version of {item.public_name} to download.",
            fix="Leave the version out to get the live one.",
        )
    return chosen
