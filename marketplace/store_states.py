"""What becomes of a flea item after its upload: by its owner, or by an admin.

Nothing is deleted. Each change says who, when and why, has its audit row, and brings the names in
the attribution tables up to date in the same transaction.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest

from accounts import audit
from accounts.models import User
from accounts.permissions import AdminOnly, is_admin
from marketplace.models import FleaItem, FleaState, FleaVersion
from marketplace.store import (
    attribute,
    go_live_or_wait,
    make_live,
    set_item_state,
    set_version_state,
)
from marketplace.store_errors import NotYours, ReasonMissing, UnknownAction, WrongState


@dataclass(frozen=True)
class Change:
    """Who wants a change, when and why. `as_admin`: they may act as an admin here and now."""

    by: User
    as_admin: bool
    now: datetime
    reason: str


def change_state(
    item: FleaItem,
    action: str,
    *,
    by: User,
    as_admin: bool,
    now: datetime,
    door: audit.Door,
    reason: str = "",
    request: HttpRequest | None = None,
) -> FleaItem:
    """Do one of ACTIONS; returns the item as it is then.

    An admin whose token lacks the scope for it does not act `as_admin`: the account alone is not
    enough, and neither is the flag without the account.

    Raises UnknownAction, NotYours, AdminOnly, WrongState or ReasonMissing.
    """
    act = ACTIONS.get(action)
    if act is None:
        raise UnknownAction(
            f"There is no action {action!r}.", fix=f"Choose one of {', '.join(ACTIONS)}."
        )
    reason = reason.strip()[:2_000]
    change = Change(by, as_admin and is_admin(by), now, reason)
    with transaction.atomic():
        item = FleaItem.objects.select_for_update().get(pk=item.pk)
        before = item.state
        version = act(item, change)
        item.refresh_from_db()
        audit.record(
            action=f"store.{action}",
            door=door,
            actor=by,
            resource_type="flea_item",
            resource_id=item.public_name,
            subject=item.owner,
            details=_details(before, item, version, reason),
            request=request,
        )
    return item


def _submit(item: FleaItem, change: Change) -> FleaVersion:
    """A draft shall be offered."""
    _require_owner(item, change.by)
    version = item.versions.filter(state=FleaState.DRAFT).order_by("-number").first()
    if version is None or item.state == FleaState.REMOVED:
        raise _wrong(item, "has no draft")
    offered = item.versions.filter(state__in=[FleaState.LIVE, FleaState.PENDING])
    if offered.filter(number__gt=version.number).exists():
        raise _wrong(item, "has no draft that is newer than what is live or waits")
    go_live_or_wait(item, version, by=change.by, now=change.now)
    return version


def _withdraw(item: FleaItem, change: Change) -> FleaVersion | None:
    """What waits becomes a draft again; where nothing waits, the live item is taken out."""
    _require_owner(item, change.by)
    version = _waiting(item)
    if version is not None:
        set_version_state(
            version, FleaState.DRAFT, by=change.by, now=change.now, reason=change.reason
        )
        if not item.is_live:
            set_item_state(
                item, FleaState.DRAFT, by=change.by, now=change.now, reason=change.reason
            )
        return version
    if not item.is_live:
        raise _wrong(item, "is neither live nor waiting")
    set_item_state(item, FleaState.REMOVED, by=change.by, now=change.now, reason=change.reason)
    attribute(item, now=change.now)
    return item.live_version


def _approve(item: FleaItem, change: Change) -> FleaVersion:
    _require_admin(change)
    version = _waiting(item)
    if version is None or item.state == FleaState.REMOVED:
        raise _wrong(item, "has nothing that waits")
    item.needs_review = False
    make_live(item, version, by=change.by, now=change.now)
    return version


def _reject(item: FleaItem, change: Change) -> FleaVersion | None:
    """What waits is refused and what is live stays; where nothing waits, the live item goes."""
    _require_admin(change)
    _require_reason(change.reason)
    version = _waiting(item)
    if version is not None:
        set_version_state(
            version, FleaState.REJECTED, by=change.by, now=change.now, reason=change.reason
        )
        if not item.is_live:
            item.needs_review = True
            set_item_state(
                item, FleaState.REJECTED, by=change.by, now=change.now, reason=change.reason
            )
        return version
    if not item.is_live:
        raise _wrong(item, "is neither live nor waiting")
    item.needs_review = True
    set_item_state(item, FleaState.REJECTED, by=change.by, now=change.now, reason=change.reason)
    attribute(item, now=change.now)
    return item.live_version


def _remove(item: FleaItem, change: Change) -> FleaVersion | None:
    """Gone from every list, whatever it was; it can be restored. An admin may remove what its
    owner removed, so that the owner cannot bring it back."""
    if item.owner != change.by:
        _require_admin(change)
        _require_reason(change.reason)
    takes_over = item.owner not in {change.by, None} and item.state_by == item.owner
    if item.state == FleaState.REMOVED and not takes_over:
        raise _wrong(item, "is removed already")
    item.needs_review = item.needs_review or item.owner != change.by
    set_item_state(item, FleaState.REMOVED, by=change.by, now=change.now, reason=change.reason)
    attribute(item, now=change.now)
    return item.live_version


def _restore(item: FleaItem, change: Change) -> FleaVersion | None:
    """Back to what it was: live where it ever was, else to what its newest version is."""
    if item.state not in {FleaState.REMOVED, FleaState.REJECTED}:
        raise _wrong(item, "is neither removed nor rejected")
    if not change.as_admin and (item.owner != change.by or item.state_by != change.by):
        raise NotYours(
            f"{item.public_name} was taken out by {item.state_by_name}.", fix="Ask an admin."
        )
    if change.as_admin:
        item.needs_review = False
    version = item.live_version
    if version is not None and not item.needs_review:
        make_live(item, version, by=change.by, now=change.now)
        return version
    version = item.newest_version()
    was_pending = version is not None and version.state == FleaState.PENDING
    state = FleaState.PENDING if was_pending else FleaState.DRAFT
    if version is not None and version.state == FleaState.REJECTED:
        set_version_state(
            version, FleaState.DRAFT, by=change.by, now=change.now, reason=change.reason
        )
    set_item_state(item, state, by=change.by, now=change.now, reason=change.reason)
    return version


Act = Callable[[FleaItem, Change], FleaVersion | None]
ACTIONS: Final[Mapping[str, Act]] = {
    "submit": _submit,
    "withdraw": _withdraw,
    "approve": _approve,
    "reject": _reject,
    "remove": _remove,
    "restore": _restore,
}


def _waiting(item: FleaItem) -> FleaVersion | None:
    return item.versions.filter(state=FleaState.PENDING).order_by("-number").first()


def _require_owner(item: FleaItem, by: User) -> None:
    if item.owner != by:
        raise NotYours(f"{item.public_name} is not yours.", fix="Ask its owner or an admin.")


def _require_admin(change: Change) -> None:
    if not change.as_admin:
        raise AdminOnly("Only an admin may do this.", fix="Ask an admin of this Agnes.")


def _require_reason(reason: str) -> None:
    if not reason:
        raise ReasonMissing


def _wrong(item: FleaItem, problem: str) -> WrongState:
    return WrongState(
        f"{item.public_name} {problem}; it is {item.get_state_display()}.",
        fix="Look at its state and versions first.",
    )


def _details(
    before: str, item: FleaItem, version: FleaVersion | None, reason: str
) -> dict[str, Any]:
    return {
        "from": before,
        "to": item.state,
        "version": version.number if version else None,
        "reason": reason,
    }
