"""Daily facts and rolled-up figures, as they stand in the tables."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from telemetry.admin.base import SessionRowsAdmin, TelemetryAdmin, person_link, session_link
from telemetry.models import (
    UsageFormatDrift,
    UsageHookDaily,
    UsageMarketplaceItemDaily,
    UsageMarketplaceItemWindow,
    UsagePluginDaily,
    UsageSessionDaily,
    UsageSessionDriftDaily,
    UsageSessionHookDaily,
    UsageToolDaily,
    UsageUserDaily,
)
from telemetry.rollups import PERIODS

COUNTS = ("calls", "invocations", "errors", "rejected", "interrupted")


class DailyAdmin(TelemetryAdmin):
    """Rolled-up rows: few for each day, so a list can be narrowed down by date."""

    ordering = ("-day", "-pk")
    sortable_by = ("day",)
    date_hierarchy: ClassVar[str | None] = "day"


class ContributionAdmin(SessionRowsAdmin):
    """One session's part of a day; too many rows for anything but the index of days."""

    time_field = "day"
    ordering = ("-day",)
    sortable_by = ("day",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Not by joins, which might be sorted whole before the first page is cut off.
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.prefetch_related("user", "session_row")

    @admin.display(description="person")
    def person(self, row: Any) -> SafeString | str:
        return person_link(row.user_id, row.user.username)

    @admin.display(description="session")
    def session(self, row: Any) -> SafeString | str:
        return session_link(row.session_row_id, row.session_row.session_id)


@admin.register(UsageSessionDaily)
class UsageSessionDailyAdmin(ContributionAdmin):
    list_display = ("day", "person", "session", "event_type", "name", "source", "ref_id", *COUNTS)
    list_filter = ("day", "event_type", "source", "item_kind")
    search_help_text = "In full: a session id, a username or an item's name."

    def rows_named(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        return self.searched(queryset, self.oldest_searched()).filter(name=term)


@admin.register(UsageSessionHookDaily)
class UsageSessionHookDailyAdmin(ContributionAdmin):
    list_display = (
        "day",
        "person",
        "session",
        "hook_event",
        "hook_name",
        "plugin",
        "result",
        "runs",
    )
    list_filter = ("day",)


@admin.register(UsageSessionDriftDaily)
class UsageSessionDriftDailyAdmin(ContributionAdmin):
    list_display = ("day", "person", "session", "kind", "name", "lines")
    list_filter = ("day",)


@admin.register(UsageUserDaily)
class UsageUserDailyAdmin(TelemetryAdmin):
    list_display = ("day", "person", "event_type", "name", "source", "ref_id", *COUNTS, "sessions")
    list_filter = ("day", "event_type", "source", "item_kind")
    search_fields = ("=username", "=name", "=ref_id")
    search_help_text = "In full: a username, an item's name or its plugin."
    ordering = ("-day",)
    sortable_by = ("day",)

    @admin.display(description="person")
    def person(self, row: UsageUserDaily) -> SafeString | str:
        return person_link(row.user_id, row.username)


@admin.register(UsageToolDaily)
class UsageToolDailyAdmin(DailyAdmin):
    list_display = (
        "day",
        "tool_name",
        "source",
        "invocations",
        "error_count",
        "rejected_count",
        "interrupted_count",
        "distinct_users",
        "distinct_sessions",
    )
    list_filter = ("source",)
    search_fields = ("tool_name",)


@admin.register(UsagePluginDaily)
class UsagePluginDailyAdmin(DailyAdmin):
    list_display = ("day", "source", "ref_id", "invocations", "distinct_users", "distinct_sessions")
    list_filter = ("source",)
    search_fields = ("ref_id",)


@admin.register(UsageMarketplaceItemDaily)
class UsageMarketplaceItemDailyAdmin(DailyAdmin):
    list_display = (
        "day",
        "source",
        "type",
        "ref_id",
        "name",
        "invocations",
        "distinct_users",
        "error_count",
    )
    list_filter = ("source", "type")
    search_fields = ("name", "ref_id")


class PeriodFilter(admin.SimpleListFilter):
    title = "period"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(label, f"last {days} days and today") for label, days in PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(period_label=self.value()) if self.value() else queryset


@admin.register(UsageMarketplaceItemWindow)
class UsageMarketplaceItemWindowAdmin(TelemetryAdmin):
    list_display = (
        "period_label",
        "source",
        "type",
        "ref_id",
        "name",
        "invocations",
        "distinct_users",
        "error_count",
        "refreshed_at",
    )
    list_filter = (PeriodFilter, "source", "type")
    search_fields = ("name", "ref_id")
    ordering = ("period_label", "-invocations")
    sortable_by = ("period_label", "invocations", "distinct_users", "error_count")


@admin.register(UsageHookDaily)
class UsageHookDailyAdmin(DailyAdmin):
    list_display = ("day", "hook_event", "hook_name", "plugin", "result", "runs", "distinct_users")
    search_fields = ("hook_name", "plugin")


@admin.register(UsageFormatDrift)
class UsageFormatDriftAdmin(DailyAdmin):
    note = (
        "What transcripts hold that this version of Agnes does not know. The day 1970-01-01 stands "
        "for lines without a time."
    )
    list_display = ("day", "kind", "name", "lines", "sessions")
    search_fields = ("kind", "name")
