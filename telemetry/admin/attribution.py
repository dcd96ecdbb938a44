"""The names that plugins bring, with their history."""

from typing import Any, ClassVar

from django.contrib import admin

from telemetry.admin.base import TelemetryAdmin
from telemetry.models import (
    AttributionAgent,
    AttributionCommand,
    AttributionMcpServer,
    AttributionPlugin,
    AttributionSkill,
)

NOTE = "Written when a marketplace is synced or the flea market changes; closed, never deleted."
SHARED = ("source", "ref_id", "marketplace", "plugin", "valid_from", "valid_to")


class AttributionAdmin(TelemetryAdmin):
    note = NOTE
    when_empty = "Register a marketplace, and the names of its plugins are listed here."
    list_filter: ClassVar[Any] = ("source", ("valid_to", admin.EmptyFieldListFilter))
    ordering = ("-pk",)


@admin.register(AttributionPlugin)
class AttributionPluginAdmin(AttributionAdmin):
    list_display = ("plugin_name", "marketplace_name", "version", *SHARED)
    search_fields = ("plugin_name", "marketplace_name", "ref_id")
    sortable_by = ("plugin_name", "ref_id", "valid_from")


@admin.register(AttributionSkill)
class AttributionSkillAdmin(AttributionAdmin):
    list_display = ("skill_name", *SHARED)
    search_fields = ("skill_name", "ref_id")
    sortable_by = ("skill_name", "ref_id", "valid_from")


@admin.register(AttributionAgent)
class AttributionAgentAdmin(AttributionAdmin):
    list_display = ("agent_name", *SHARED)
    search_fields = ("agent_name", "ref_id")
    sortable_by = ("agent_name", "ref_id", "valid_from")


@admin.register(AttributionCommand)
class AttributionCommandAdmin(AttributionAdmin):
    list_display = ("command_name", *SHARED)
    search_fields = ("command_name", "ref_id")
    sortable_by = ("command_name", "ref_id", "valid_from")


@admin.register(AttributionMcpServer)
class AttributionMcpServerAdmin(AttributionAdmin):
    list_display = ("server_name", *SHARED)
    search_fields = ("server_name", "ref_id")
    sortable_by = ("server_name", "ref_id", "valid_from")
