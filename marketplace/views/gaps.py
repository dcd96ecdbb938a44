"""The page that tells admins what the catalogue lacks and what it offers in vain."""

from datetime import timedelta

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.permissions import is_admin
from marketplace.gaps import offered_but_unused, used_but_unlisted

WINDOWS = {"": "All time", "30": "Last 30 days", "90": "Last 90 days"}
TABS = {"unlisted": "Used, but in no catalogue", "unused": "In the catalogue, but never used"}
ROWS = 50


@never_cache
@login_required
@require_safe
def gaps_page(request: HttpRequest) -> HttpResponse:
    """`tab` is one of TABS, `days` one of WINDOWS, `page` counts from 1; others mean the first."""
    if not is_admin(request.user):
        raise PermissionDenied
    tab = request.GET.get("tab", "")
    tab = tab if tab in TABS else "unlisted"
    days = request.GET.get("days", "")
    days = days if days in WINDOWS else ""
    since = timezone.now().date() - timedelta(days=int(days)) if days else None
    rows = used_but_unlisted(since=since) if tab == "unlisted" else offered_but_unused(since=since)
    pages = Paginator(rows, ROWS)
    context = {
        "tab": tab,
        "tabs": TABS.items(),
        "days": days,
        "windows": WINDOWS.items(),
        "page": pages.get_page(request.GET.get("page")),
    }
    return TemplateResponse(request, "marketplaces/gaps.html", context)
