"""The names that plugins bring, exploded at catalogue changes by telemetry.attribution."""

from django.db import models

from telemetry.models.usage import choices
from telemetry.taxonomy import Source


class AttributionRow(models.Model):
    """A name and the item it stands for. A renamed or removed item keeps its row: `valid_to`."""

    source = models.CharField(max_length=16, choices=choices(Source))
    ref_id = models.CharField(max_length=200)
    marketplace = models.CharField(
        max_length=200, blank=True, help_text="Registration slug; empty for flea."
    )
    plugin = models.CharField(max_length=200, blank=True)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True, help_text="Null: still offered.")

    class Meta:
        abstract = True


class AttributionPlugin(AttributionRow):
    """A plugin under the marketplace name that transcripts' paths show; aliases are more rows."""

    marketplace_name = models.CharField(max_length=200, help_text="As in …/plugins/cache/<name>/….")
    plugin_name = models.CharField(max_length=200, help_text="As in paths and qualified names.")
    version = models.CharField(max_length=100, blank=True)

    class Meta:
        db_table = "usage_attribution_plugins"
        indexes = [models.Index(fields=["ref_id"], name="attribution_plugins_ref")]

    def __str__(self) -> str:
        return f"{self.plugin_name}@{self.marketplace_name}"


class AttributionSkill(AttributionRow):
    """A skill under the name Claude Code writes (`plugin:skill`)."""

    skill_name = models.CharField(max_length=300, db_index=True)

    class Meta:
        db_table = "usage_attribution_skills"
        indexes = [models.Index(fields=["ref_id"], name="attribution_skills_ref")]

    def __str__(self) -> str:
        return self.skill_name


class AttributionAgent(AttributionRow):
    """An agent under the name Claude Code writes (`plugin:folder:agent`)."""

    agent_name = models.CharField(max_length=300, db_index=True)

    class Meta:
        db_table = "usage_attribution_agents"
        indexes = [models.Index(fields=["ref_id"], name="attribution_agents_ref")]

    def __str__(self) -> str:
        return self.agent_name


class AttributionCommand(AttributionRow):
    """A command under the name Claude Code writes, without a slash."""

    command_name = models.CharField(max_length=300, db_index=True)

    class Meta:
        db_table = "usage_attribution_commands"
        indexes = [models.Index(fields=["ref_id"], name="attribution_commands_ref")]

    def __str__(self) -> str:
        return self.command_name


class AttributionMcpServer(AttributionRow):
    """An MCP server under the name in a tool's name: `plugin_<plugin>_<server>`."""

    server_name = models.CharField(max_length=300, db_index=True)

    class Meta:
        db_table = "usage_attribution_mcp_servers"
        verbose_name = "attribution MCP server"
        verbose_name_plural = "attribution MCP servers"
        indexes = [models.Index(fields=["ref_id"], name="attribution_mcp_ref")]

    def __str__(self) -> str:
        return self.server_name
