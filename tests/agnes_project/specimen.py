"""A page with every component, for the browser to look at. Routes of its own, added to ours."""

from datetime import UTC, date, datetime, timedelta

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import include, path

TODAY = date(2026, 6, 15)


def specimen(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        messages.success(request, "Saved.")
        messages.error(request, "Something <b>failed</b>.")
    days = [TODAY - timedelta(days=29 - i) for i in range(30)]
    context = {
        "rows": [
            (day, (i % 7 * 11, i % 5 * 7, i % 3 * 5, i % 2 * 3)) for i, day in enumerate(days)
        ],
        "names": ["curated", "flea", "builtin", "unattributed"],
        "values": [3, 5, 2, 8, 9, 4, 12],
        "today": TODAY,
        "at": datetime(2026, 6, 15, 12, 30, tzinfo=UTC),
        "weekdays": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
        "hours": [f"{hour:02}" for hour in range(24)],
        "heat": [[(hour * (day + 1)) % 17 for hour in range(24)] for day in range(7)],
        "page": Paginator(range(1234), 50).page(3),
    }
    return TemplateResponse(request, "specimen.html", context)


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


urlpatterns = [
    path("specimen", specimen),
    path("broken", broken),
    path("forbidden", forbidden),
    path("", include("agnes_project.urls")),
]
