"""Views of the overview that people keep."""

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from telemetry.admin.base import TelemetryAdmin, person_link
from telemetry.models import SavedView


@admin.register(SavedView)
class SavedViewAdmin(TelemetryAdmin):
    note = "Filters of the overview that people gave a name; everybody sees only their own."
    when_empty = "Open the overview, choose days and filters, and save them under Views."
    list_display = ("name", "owner", "filters", "created_at")
    list_select_related = ("user",)
    search_fields = ("name", "=user__username")
    ordering = ("name", "pk")
    sortable_by = ("name",)

    @admin.display(description="owner")
    def owner(self, view: SavedView) -> SafeString | str:
        return person_link(view.user_id, view.user.username)

    @admin.display(description="filters")
    def filters(self, view: SavedView) -> SafeString:
        return format_html(
            '<a href="/admin/telemetry/?{}">{}</a>', view.query, view.query or "none"
        )
