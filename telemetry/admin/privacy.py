"""What people keep private: to be looked at; only they take a mark back."""

from django.contrib import admin

from telemetry.admin.base import TelemetryAdmin
from telemetry.models import PrivateLine, PrivateMark


@admin.register(PrivateMark)
class PrivateMarkAdmin(TelemetryAdmin):
    list_display = ("session_id", "user", "created_at", "lifted_at")
    list_select_related = ("user",)
    search_fields = ("=session_id", "=user__username")
    search_help_text = "A session id or a username in full."
    ordering = ("-pk",)


@admin.register(PrivateLine)
class PrivateLineAdmin(TelemetryAdmin):
    list_display = ("digest", "mark")
    list_select_related = ("mark",)
    search_fields = ("=mark__session_id",)
    search_help_text = "A session id in full."
    ordering = ("-pk",)
