"""The demo's marketplaces: two curated ones that share a plugin name, and a flea market."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from telemetry.attribution import explode_plugin, retire_plugin
from telemetry.event_names import mcp_server_name
from telemetry.models import AttributionPlugin
from telemetry.taxonomy import Source

FLEA_MARKETPLACE = "agnes-flea"
REGISTERED_BEFORE = timedelta(days=120)
RETIRED_BEFORE = timedelta(days=20)


class Plugin(NamedTuple):
    """A plugin and its items, under their full names. `folder` is its name in paths."""

    source: Source
    ref_id: str
    marketplace_name: str
    folder: str
    version: str
    skills: tuple[str, ...]
    agents: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    retired: bool = False

    @property
    def name(self) -> str:
        return self.ref_id.split("/")[-1] if self.source == Source.CURATED else self.folder

    def body_path(self, skill: str) -> str:
        """Where the body of one of its skills lies, below plugins/cache."""
        item = skill.split(":")[-1]
        return f"{self.marketplace_name}/{self.folder}/{self.version}/skills/{item}"


def _curated(
    marketplace: str,
    name: str,
    version: str,
    *,
    skills: tuple[str, ...],
    agents: tuple[str, ...] = (),
    commands: tuple[str, ...] = (),
    servers: tuple[str, ...] = (),
) -> Plugin:
    skills, agents, commands = (
        tuple(f"{name}:{item}" for item in items) for items in (skills, agents, commands)
    )
    return Plugin(
        Source.CURATED,
        f"{marketplace}/{name}",
        marketplace,
        name,
        version,
        skills,
        agents,
        commands,
        servers,
    )


TIDE_TABLES = _curated(
    "harbour-tools", "tide-tables", "2.3.0",
    skills=("forecast", "chart"), agents=("pilot",), commands=("refresh",), servers=("gauges",),
)  # fmt: skip
RELEASE_CREW = _curated(
    "harbour-tools", "release-crew", "1.8.2",
    skills=("changelog", "ship"), agents=("review:security",), commands=("cut",),
)  # fmt: skip
DOCS_WRITER = _curated("harbour-tools", "docs-writer", "0.9.1", skills=("draft", "proofread"))
OTHER_DOCS_WRITER = _curated("open-quay", "docs-writer", "3.0.0", skills=("draft", "outline"))
TEST_PILOT = _curated(
    "open-quay", "test-pilot", "1.2.0",
    skills=("flaky", "coverage"), agents=("runner",), servers=("browser",),
)  # fmt: skip
LOG_DIVER = _curated("open-quay", "log-diver", "0.4.0", skills=("dig",))._replace(retired=True)

STANDUP_NOTES = Plugin(
    Source.FLEA, "1001", FLEA_MARKETPLACE, "flea", "1",
    skills=("flea:standup-notes-by-yara-benali",),
)  # fmt: skip
SQL_EXPLAIN = Plugin(
    Source.FLEA, "1002", FLEA_MARKETPLACE, "flea", "1",
    skills=("flea:sql-explain-by-piet-vandermeer",),
)  # fmt: skip
TICKET_TRIAGE = Plugin(
    Source.FLEA, "1003", FLEA_MARKETPLACE, "ticket-triage-by-tomas-okafor", "1",
    skills=("ticket-triage-by-tomas-okafor:sort",),
    agents=("ticket-triage-by-tomas-okafor:summariser",),
)  # fmt: skip

PLUGINS = (
    TIDE_TABLES, RELEASE_CREW, DOCS_WRITER, OTHER_DOCS_WRITER, TEST_PILOT, LOG_DIVER,
    STANDUP_NOTES, SQL_EXPLAIN, TICKET_TRIAGE,
)  # fmt: skip
AMBIGUOUS_SKILL = "docs-writer:draft"
PERSONAL_SKILL = "my-checklist"
PERSONAL_MCP_TOOL = "mcp__kanban__move_card"


@transaction.atomic
def register(*, now: datetime) -> int:
    """Write the names of all plugins, as a sync of long ago would have; returns how many plugins.

    What is there already stays as it is.
    """
    for plugin in PLUGINS:
        if plugin.retired and AttributionPlugin.objects.filter(ref_id=plugin.ref_id).exists():
            continue
        flea = plugin.source == Source.FLEA
        own_name = plugin.skills[0].split(":")[-1] if plugin.folder == "flea" else plugin.name
        explode_plugin(
            source=plugin.source,
            ref_id=plugin.ref_id,
            marketplace="" if flea else plugin.marketplace_name,
            plugin=own_name,
            version=plugin.version,
            marketplace_names=[plugin.marketplace_name],
            skills=plugin.skills,
            agents=plugin.agents,
            commands=plugin.commands,
            mcp_servers=[mcp_server_name(plugin.name, server) for server in plugin.servers],
            now=now - REGISTERED_BEFORE,
            plugin_names=[plugin.folder],
        )
        if plugin.retired:
            retire_plugin(source=plugin.source, ref_id=plugin.ref_id, now=now - RETIRED_BEFORE)
    return len(PLUGINS)
