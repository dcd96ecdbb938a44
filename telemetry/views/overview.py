"""The overview of an organisation's usage, its exports and the views people keep of it."""

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts import audit
from accounts.errors import AgnesError
from accounts.pages import admin_page, person_of
from telemetry.mirror import MirrorUnavailable
from telemetry.models import SavedView
from telemetry.stats import saved_views, series
from telemetry.stats.files import FORMATS, TABLES, table_file
from telemetry.stats.filters import Filters
from telemetry.stats.overview import Overview, choices, overview
from telemetry.stats.windows import LENGTHS, Window
from telemetry.taxonomy import Source

# In the order of the page: (kind, heading, the column of its number, what to read below it).
RANKINGS = (
    ("tool", "Tools", "calls", ""),
    ("plugin", "Plugins", "invocations", ""),
    ("skill", "Skills", "invocations", ""),
    ("agent", "Agents", "uses", "Of builtin agents the calls, of others the invocations."),
    ("mcp", "MCP servers", "invocations", ""),
    ("command", "Commands", "uses", "Of builtin commands the calls, of others the invocations."),
)
TABLE_TITLES = {
    "totals": "Figures",
    "daily": "By day and source",
    "unattributed": "Unattributed names",
    "people": "People",
    "models": "Models",
    "projects": "Projects",
    "unused": "Never used",
    **{kind: title for kind, title, _, _ in RANKINGS},
}


@admin_page
@require_safe
def overview_page(request: HttpRequest) -> HttpResponse:
    problem: AgnesError | None = None
    try:
        window, filters = asked_for(request)
    except AgnesError as error:
        problem = error
        window, filters = Window.of_days(30, now=timezone.now()), Filters()
    context = {
        "window": window,
        "filters": filters,
        "problem": problem,
        "lengths": LENGTHS,
        "sources": list(Source),
        "saved": SavedView.objects.filter(user=person_of(request)),
        "query": saved_views.tidy(request.GET.urlencode()),
        "exports": [(table, TABLE_TITLES[table]) for table in TABLES],
    }
    status = 400 if problem else 200
    try:
        found = overview(window, filters)
        context |= {"overview": found, "choices": choices(window), **_shown(found)}
    except MirrorUnavailable as error:
        context["unavailable"] = error
        status = 503
    return TemplateResponse(request, "overview/page.html", context, status=status)


@admin_page
@require_safe
def export_table(request: HttpRequest) -> HttpResponse:
    table, format = request.GET.get("table", ""), request.GET.get("format", "csv")
    try:
        window, filters = asked_for(request)
        body = table_file(
            window,
            filters,
            table=table,
            format=format,
            by=person_of(request),
            door=audit.Door.PAGE,
            request=request,
        )
    except AgnesError as error:
        messages.error(request, f"{error.message} {error.fix}")
        return HttpResponseRedirect(reverse("overview"))
    response = HttpResponse(body, content_type=FORMATS[format])
    name = f"{table}_{window.first}_{window.last}.{format}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@admin_page
@require_POST
def save(request: HttpRequest) -> HttpResponse:
    query = request.POST.get("query", "")
    try:
        view = saved_views.save_view(
            by=person_of(request),
            name=request.POST.get("name", ""),
            query=query,
            now=timezone.now(),
            request=request,
        )
        messages.success(request, f"Saved as “{view.name}”.")
    except AgnesError as error:
        messages.error(request, f"{error.message} {error.fix}")
    return _back(query)


@admin_page
@require_POST
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    saved_views.remove_view(by=person_of(request), pk=pk, request=request)
    return _back(request.POST.get("query", ""))


def asked_for(request: HttpRequest) -> tuple[Window, Filters]:
    """Window and filters of the address; raises SummaryRefused."""
    words = request.GET.dict()
    window = Window.parse(
        **{name: str(words.get(name, "")).strip() for name in ("days", "since", "until")},
        now=timezone.now(),
    )
    return window, Filters.parse({name: str(value) for name, value in words.items()})


def _back(query: str) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('overview')}?{saved_views.tidy(query)}")


def _shown(found: Overview) -> dict[str, Any]:
    """The overview in the order of the page."""
    rankings = [
        {
            "kind": kind,
            "title": title,
            "unit": unit,
            "note": note,
            "ranked": found.names[kind],
            "most": max((row.uses for row in found.names[kind].rows), default=0),
        }
        for kind, title, unit, note in RANKINGS
    ]
    adopted = [
        {
            "source": source,
            "ref_id": ref_id,
            "name": found.plugin_names.get(ref_id, ref_id) if source == "flea" else ref_id,
            "people": people,
            "now": people[-1],
            "most": max(people),
        }
        for (source, ref_id), people in zip(
            found.adoption.plugins, found.adoption.people, strict=True
        )
    ]
    return {
        "whole": found.totals["window"],
        "complete": found.totals["complete"],
        "before": found.totals["before"],
        "series_names": series.SOURCES,
        "rankings": rankings,
        "adopted": adopted,
        "weekdays": series.WEEKDAYS,
        "hours_of_day": [f"{hour:02}" for hour in range(24)],
        "where_data_is": _where_data_is(found),
    }


def _where_data_is(found: Overview) -> tuple[date, date, date] | None:
    """First and last of the newest thirty days with data, and the day after; None without data."""
    if found.data_days is None:
        return None
    first, last = found.data_days
    return max(first, last - timedelta(days=29)), last, last + timedelta(days=1)
