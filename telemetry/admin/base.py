"""What telemetry's lists have in common: they open at once however long the table is."""

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.admin_base import ReadOnlyAdmin
from accounts.models import User
from telemetry.models import Session

if TYPE_CHECKING:
    # The theme's own, without types.
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

MOST_LISTED = 5_000
"""Rows that a list counts and pages through; counting ten million takes seconds, each time."""


MOST_SEARCHED = 200_000
"""The newest rows that are looked through for what no index finds; all of ten million take half a
minute when hardly any matches."""


class BoundedPaginator(Paginator[Any]):
    """Counts no further than MOST_LISTED; `is_cut` tells whether there are more."""

    @cached_property
    def _counted(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[: MOST_LISTED + 1].count()
        return len(rows)

    @property
    def count(self) -> int:
        return min(self._counted, MOST_LISTED)

    @property
    def is_cut(self) -> bool:
        return self._counted > MOST_LISTED


class WholeList(ChangeList):
    """Says how many rows there are beside the search box only when something was chosen."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


class NewestList(WholeList):
    """Filters look through the newest rows only, unless the rows are a session's or a person's."""

    is_bounded = False

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: Any = None
    ) -> QuerySet[Any, Any]:
        rows: QuerySet[Any, Any] = super().get_queryset(request, exclude_parameters)
        model_admin = self.model_admin
        assert isinstance(model_admin, SessionRowsAdmin)  # noqa: S101
        indexed = ("session_row", f"{model_admin.time_field}__isnull")
        if self.query or not self.has_active_filters:
            return rows
        if any(name.startswith(indexed) for name in self.params):
            return rows
        oldest = model_admin.oldest_searched()
        self.is_bounded = oldest is not None
        return model_admin.searched(rows, oldest)


class TelemetryAdmin(ReadOnlyAdmin):
    """A list that can be read, filtered and searched."""

    when_empty = (
        "Rows come from transcripts: import some with manage.py usage_import, or make a demo with "
        "manage.py seed_demo."
    )
    paginator = BoundedPaginator
    show_full_result_count = False
    # The counts beside filters are a query each, over the whole table.
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    # What is not indexed would be sorted whole, so a list names what it may be sorted by.
    sortable_by: ClassVar[Any] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WholeList


class SessionRowsAdmin(TelemetryAdmin):
    """Rows derived from a session, perhaps millions of them.

    A search for a session id, a username or an e-mail address goes by the session's index. Anything
    else goes to `rows_named`. `time_field` is indexed, and what the list is ordered by.
    """

    time_field: ClassVar[str] = "occurred_at"

    search_fields = ("session_id",)
    search_help_text = "A session id, a username or an e-mail address, written in full."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        people = list(
            User.objects.filter(username=term).values_list("pk", flat=True)
            or User.objects.filter(email=term.lower()).values_list("pk", flat=True)
        )
        sessions = (
            Session.objects.filter(user__in=people)
            if people
            else Session.objects.filter(session_id=term)
        )
        if people or sessions.exists():
            return queryset.filter(session_row__in=sessions), False
        return self.rows_named(queryset, term), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestList

    def oldest_searched(self) -> Any:
        """The time of the last of the MOST_SEARCHED newest rows; None when there are fewer."""
        times = self.model._default_manager.exclude(**{self.time_field: None})
        newest = times.order_by(f"-{self.time_field}").values_list(self.time_field, flat=True)
        return newest[MOST_SEARCHED : MOST_SEARCHED + 1].first()

    def searched(self, queryset: QuerySet[Any], oldest: Any) -> QuerySet[Any]:
        """The rows from `oldest` on, all when it is None."""
        if oldest is None:
            return queryset
        return queryset.filter(**{f"{self.time_field}__gte": oldest})

    def rows_named(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """The rows that `term` finds otherwise."""
        return queryset.none()

    @admin.display(description="person")
    def person(self, row: Any) -> SafeString | str:
        return person_link(row.user_id, row.username)

    @admin.display(description="session")
    def session(self, row: Any) -> SafeString | str:
        return session_link(row.session_row_id, row.session_id)


def person_link(user_id: int | None, username: str) -> SafeString | str:
    return _link("accounts_user_change", user_id, username)


def session_link(session_pk: int | None, name: str) -> SafeString | str:
    """A session by the beginning of its name, which is what people compare."""
    return _link("telemetry_session_change", session_pk, name[:8] or "session", title=name)


def row_link(row: Model, text: str) -> SafeString | str:
    """A row's own page."""
    return _link(f"{row._meta.app_label}_{row._meta.model_name}_change", row.pk, text)


def list_links(links: Iterable[tuple[type[Model], str, str]]) -> SafeString:
    """Links to filtered lists: (model, query string, text) each."""
    return format_html_join(
        " · ",
        '<a href="{}?{}">{}</a>',
        (
            (reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"), q, text)
            for model, q, text in links
        ),
    )


def size(number: int) -> str:
    """Bytes as people read them."""
    return filesizeformat(number)


def _link(page: str, pk: Any, text: str, title: str = "") -> SafeString | str:
    if pk is None:
        return text
    address = reverse(f"admin:{page}", args=[pk])
    return format_html('<a href="{}" title="{}">{}</a>', address, title, text)
