"""How the pipeline is doing: what is due, failed or waiting, and who is at work."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import truncatechars
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.admin_base import BAD, GOOD, INFO, WARN, colored
from accounts.models import User
from telemetry.admin import actions
from telemetry.admin.base import TelemetryAdmin, session_link
from telemetry.models import Heartbeat, Lease, PendingChange, ProcessorState, Watermark
from telemetry.processors import names

Status = ProcessorState.Status
STATUS_COLORS: dict[str, str] = {
    Status.DONE: GOOD,
    Status.DUE: INFO,
    Status.FAILED: WARN,
    Status.QUARANTINED: BAD,
}


class ProcessorFilter(admin.SimpleListFilter):
    """By the processors there are, without asking the table."""

    title = "processor"
    parameter_name = "processor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in names()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(processor=self.value()) if self.value() else queryset


@admin.register(ProcessorState)
class ProcessorStateAdmin(TelemetryAdmin):
    note = "What each processor has done with each session; what failed can be tried again."
    list_display = (
        "of_session",
        "processor",
        "state",
        "attempts",
        "short_error",
        "due_at",
        "processed_at",
        "version",
        "claimed_by",
    )
    list_filter = (ProcessorFilter, "status")
    list_select_related = ("session",)
    search_fields = ("=session__session_id", "=session__user__username")
    search_help_text = "A session id or a username in full."
    ordering = ("-pk",)
    actions = ("try_again",)

    @admin.display(description="session")
    def of_session(self, state: ProcessorState) -> SafeString | str:
        return session_link(state.session_id, state.session.session_id)

    @colored(STATUS_COLORS)
    @admin.display(description="status")
    def state(self, state: ProcessorState) -> str:
        return str(state.status)

    @admin.display(description="error")
    def short_error(self, state: ProcessorState) -> str:
        return truncatechars(state.error, 80)

    @admin.action(description="Try again: failed and quarantined ones are due now")
    def try_again(self, request: HttpRequest, queryset: QuerySet[ProcessorState]) -> None:
        by = cast("User", request.user)
        # The list may be filtered by what is about to change.
        selected = queryset.count()
        due = actions.try_again(queryset, by=by, now=timezone.now(), request=request)
        left = selected - due
        rest = f" {left} had not failed, or are being tried right now." if left else ""
        self.message_user(request, f"{due} will be tried again soon.{rest}", messages.SUCCESS)


@admin.register(PendingChange)
class PendingChangeAdmin(TelemetryAdmin):
    when_empty = "Nothing to do: everything has caught up."
    note = "What rollups, mirror and attribution have yet to catch up with; empty most of the time."
    list_display = ("consumer", "kind", "key")
    search_fields = ("=consumer", "=kind", "=key")
    ordering = ("-pk",)


@admin.register(Lease)
class LeaseAdmin(TelemetryAdmin):
    when_empty = "No job runs right now."
    note = "The right to do one job alone. A holder that died gives it back by the clock."
    list_display = ("name", "owner", "token", "acquired_at", "expires_at")
    ordering = ("name",)


@admin.register(Heartbeat)
class HeartbeatAdmin(TelemetryAdmin):
    note = "When each part of the worker was last known to work, and what it said."
    when_empty = "The worker has not run yet: start it with manage.py qcluster."
    list_display = ("name", "beat_at", "details")
    ordering = ("name",)


@admin.register(Watermark)
class WatermarkAdmin(TelemetryAdmin):
    note = "Days before which something is closed, because it was pruned or is settled."
    list_display = ("name", "day", "updated_at")
    ordering = ("name",)
