"""Questions in plain language, as they were asked and as people keep them."""

from django.contrib import admin
from django.template.defaultfilters import truncatechars
from django.utils.safestring import SafeString

from telemetry.admin.base import TelemetryAdmin, person_link
from telemetry.models import AskedQuestion, SavedQuestion


@admin.register(AskedQuestion)
class AskedQuestionAdmin(TelemetryAdmin):
    when_empty = "Nobody has asked yet: manage.py usage_ask takes a question in plain language."
    note = "Rows are not kept; run the SQL again to see them."
    list_display = (
        "asked_at",
        "person",
        "question",
        "origin",
        "outcome",
        "row_count",
        "model",
        "cost_usd",
        "door",
    )
    list_filter = ("outcome", "origin", "door", "asked_at")
    list_select_related = ("user",)
    search_fields = ("text", "sql", "=user__username")
    search_help_text = "Words of the question or its SQL, or a username in full."
    ordering = ("-asked_at", "-pk")
    sortable_by = ("asked_at",)

    @admin.display(description="person", empty_value="(command)")
    def person(self, asked: AskedQuestion) -> SafeString | str | None:
        return person_link(asked.user.pk, asked.user.username) if asked.user else None

    @admin.display(description="question")
    def question(self, asked: AskedQuestion) -> str:
        return truncatechars(str(asked), 80)


@admin.register(SavedQuestion)
class SavedQuestionAdmin(TelemetryAdmin):
    when_empty = "Nobody has kept a question yet."
    list_display = ("name", "owner", "text", "shared", "updated_at")
    list_filter = ("shared", "updated_at")
    list_select_related = ("user",)
    search_fields = ("name", "text", "sql", "=user__username")
    search_help_text = "Words of the name, the question or its SQL, or a username in full."
    ordering = ("name",)
    sortable_by = ("name", "updated_at")

    @admin.display(description="owner")
    def owner(self, saved: SavedQuestion) -> SafeString | str:
        return person_link(saved.user.pk, saved.user.username)
