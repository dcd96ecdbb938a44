"""Events, responses and summaries: what transcripts came to."""

import math
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.admin_base import BAD, GOOD, WARN, colored
from telemetry.admin.base import SessionRowsAdmin
from telemetry.identity import identity_key
from telemetry.models import UsageEvent, UsageResponse, UsageSessionSummary
from telemetry.taxonomy import Outcome

OUTCOME_COLORS: dict[str, str] = {
    Outcome.OK: GOOD,
    Outcome.FAILED: BAD,
    Outcome.REJECTED: WARN,
    Outcome.INTERRUPTED: WARN,
}


@admin.register(UsageEvent)
class UsageEventAdmin(SessionRowsAdmin):
    list_display = (
        "occurred_at",
        "person",
        "session",
        "event_type",
        "what",
        "result",
        "invocation",
        "item",
        "evidence",
    )
    list_filter = ("occurred_at", "event_type", "outcome", "source", "evidence", "item_kind")
    search_help_text = (
        "In full: a session id, a username, a tool_use id, or the name of a tool, skill, agent or "
        "command among the newest events."
    )
    ordering = ("-occurred_at",)
    sortable_by = ("occurred_at",)

    def rows_named(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        if term.startswith("toolu_"):
            return queryset.filter(pk=identity_key("call", term))
        name = term.removeprefix("/")
        return self.searched(queryset, self.oldest_searched()).filter(
            Q(tool_name=name) | Q(skill_name=name) | Q(subagent_type=name) | Q(command_name=name)
        )

    @admin.display(description="what")
    def what(self, event: UsageEvent) -> str:
        if event.command_name:
            return f"/{event.command_name}"
        named = event.skill_name or event.subagent_type
        return f"{event.tool_name}: {named}" if named else event.tool_name or ""

    @colored(OUTCOME_COLORS)
    @admin.display(description="outcome")
    def result(self, event: UsageEvent) -> str:
        return event.outcome

    @admin.display(description="invocation")
    def invocation(self, event: UsageEvent) -> str:
        return "yes" if event.is_invocation else ""

    @admin.display(description="comes from")
    def item(self, event: UsageEvent) -> str:
        return f"{event.source} {event.ref_id}" if event.ref_id else event.source


@admin.register(UsageResponse)
class UsageResponseAdmin(SessionRowsAdmin):
    list_display = (
        "occurred_at",
        "person",
        "session",
        "model",
        "input_tokens",
        "output_tokens",
        "cache_creation_tokens",
        "cache_read_tokens",
        "usage_final",
        "subagent",
        "cost",
    )
    list_filter = (
        "occurred_at",
        "usage_final",
        "is_sidechain",
        ("cost_usd", admin.EmptyFieldListFilter),
    )
    search_help_text = (
        "In full: a session id, a username, a message id, or a model among the newest."
    )
    ordering = ("-occurred_at",)
    sortable_by = ("occurred_at",)

    def rows_named(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        if term.startswith("msg_"):
            return queryset.filter(pk=identity_key("response", term))
        return self.searched(queryset, self.oldest_searched()).filter(model=term)

    @admin.display(description="subagent")
    def subagent(self, response: UsageResponse) -> str:
        return "yes" if response.is_sidechain else ""

    @admin.display(description="cost")
    def cost(self, response: UsageResponse) -> str:
        return "unknown" if response.cost_usd is None else f"${response.cost_usd:.4f}"


@admin.register(UsageSessionSummary)
class UsageSessionSummaryAdmin(SessionRowsAdmin):
    list_display = (
        "started_at",
        "person",
        "session",
        "title",
        "active",
        "prompts",
        "tool_calls",
        "tool_errors",
        "skill_invocations",
        "primary_model",
        "output",
        "cost",
        "bad_lines",
    )
    time_field = "started_at"
    list_filter = ("started_at", ("cost_usd", admin.EmptyFieldListFilter))
    search_help_text = "A session id or a username in full, or a part of a title or project."
    ordering = ("-started_at",)
    sortable_by = ("started_at",)

    def rows_named(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        return queryset.filter(Q(title__icontains=term) | Q(project__icontains=term))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("token_counts",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Whether the tokens are all of it stands right below them."""
        own = [field.name for field in UsageSessionSummary._meta.fields]
        at = own.index("usage_final_share")
        return [*own[:at], "token_counts", *own[at + 1 :]]

    @admin.display(description="output tokens")
    def output(self, summary: UsageSessionSummary) -> str:
        bound = _lower_bound(summary)
        return f"{summary.output_tokens} ({bound})" if bound else str(summary.output_tokens)

    @admin.display(description="token counts")
    def token_counts(self, summary: UsageSessionSummary) -> str:
        if summary.usage_final_share is None:
            return "no responses"
        return _lower_bound(summary) or "final"

    @admin.display(description="active")
    def active(self, summary: UsageSessionSummary) -> str:
        """Minutes; whoever wants seconds finds them on the row's page."""
        return f"{summary.active_seconds / 60:.0f} min"

    @admin.display(description="cost")
    def cost(self, summary: UsageSessionSummary) -> str:
        return "unknown" if summary.cost_usd is None else f"${summary.cost_usd:.2f}"


def _lower_bound(summary: UsageSessionSummary) -> str:
    """Empty when every response's tokens are final, or there is none."""
    share = summary.usage_final_share
    if share is None or share >= 1:
        return ""
    # Cut, not rounded: what is not all of it never reads as 100 %.
    percent = math.floor(share * 1000) / 10
    return f"lower bound: {percent:g} % of the responses have final counts"
