"""Keeping and dropping named views of the overview."""

from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from django.db import transaction
from django.http import HttpRequest

from accounts import audit
from accounts.models import User
from telemetry.models import SavedView
from telemetry.stats.filters import Filters
from telemetry.stats.windows import SummaryRefused

PARTS = ("days", "since", "until", *Filters.names())
MOST_VIEWS = 50


@transaction.atomic
def save_view(
    *, by: User, name: str, query: str, now: datetime, request: HttpRequest | None = None
) -> SavedView:
    """Keep the filters of `query` under a name, in place of an older view of that name.

    Raises SummaryRefused without a name, or with too many views already.
    """
    name = " ".join(name.split())[:80]
    if not name:
        raise SummaryRefused("The view has no name.", fix="Give it one.")
    views = SavedView.objects.filter(user=by)
    if views.exclude(name=name).count() >= MOST_VIEWS:
        raise SummaryRefused(
            f"You have {MOST_VIEWS} saved views already.", fix="Remove one of them first."
        )
    view, _ = views.update_or_create(
        user=by, name=name, defaults={"query": tidy(query), "created_at": now}
    )
    _record("usage.view_save", by, view, request)
    return view


@transaction.atomic
def remove_view(*, by: User, pk: int, request: HttpRequest | None = None) -> None:
    """Nothing happens to a view of somebody else, or one that is gone."""
    view = SavedView.objects.filter(user=by, pk=pk).first()
    if view is not None:
        _record("usage.view_remove", by, view, request)
        view.delete()


def tidy(query: str) -> str:
    """Only the parts of an address that choose window and filters, each once."""
    parts = {name: value for name, value in parse_qsl(query) if name in PARTS}
    return urlencode(parts)


def _record(action: str, by: User, view: SavedView, request: HttpRequest | None) -> None:
    audit.record(
        action=action,
        door=audit.Door.PAGE,
        actor=by,
        resource_type="view",
        resource_id=view.name,
        details={"filters": view.query},
        request=request,
    )
