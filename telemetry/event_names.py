"""What an event names and what that name says by itself: plain Python, no catalogue.

Also the values that the resolver takes and gives.
"""

import json
import re
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from telemetry.builtin_names import AGENTS, COMMANDS, MCP_SERVERS, SKILLS, TOOLS
from telemetry.taxonomy import EventKind, Evidence, ItemKind, Source

MCP_PREFIX: Final = "mcp__"
UNNAMED_AGENT: Final = "general-purpose"  # what Claude Code starts when no type is given


class Attribution(msgspec.Struct, frozen=True):
    """What a name was resolved to; `candidates` are the ref_ids of an ambiguous one, sorted."""

    source: Source
    item_kind: ItemKind
    ref_id: str | None = None
    marketplace: str | None = None
    plugin: str | None = None
    evidence: Evidence = Evidence.NONE
    item_version: str | None = None
    candidates: tuple[str, ...] = ()


class CatalogueRow(NamedTuple):
    """One row of an attribution table. `kind` is PLUGIN for the plugin table, whose `name` is the
    plugin's name in paths; only those rows have `marketplace_name` and `version`."""

    kind: ItemKind
    name: str
    source: Source
    ref_id: str
    marketplace: str
    plugin: str
    valid_from: datetime
    valid_to: datetime | None
    marketplace_name: str = ""
    version: str = ""

    def holds(self, at: datetime | None) -> bool:
        """Whether the row is valid at `at`, or still valid when there is no time."""
        if at is None:
            return self.valid_to is None
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)


class Subject(NamedTuple):
    """What an event names, as `Resolver.resolve` takes it."""

    kind: ItemKind
    name: str


class BodyPath(NamedTuple):
    """A skill body's base directory below `…/plugins/cache/`."""

    marketplace_name: str
    plugin_name: str
    version: str | None
    item: str | None


def subject_of(
    event_type: str,
    tool_name: str | None,
    skill_name: str | None,
    subagent_type: str | None,
    command_name: str | None,
) -> Subject:
    """What a stored event names. A tool call that names a skill or command is about that.

    A typed name is a command's, unless a skill's name stands beside it: then its body was seen.
    """
    if event_type == EventKind.MCP_CALL:
        return Subject(ItemKind.MCP, tool_name or "")
    if event_type == EventKind.SUBAGENT:
        return Subject(ItemKind.AGENT, subagent_type or UNNAMED_AGENT)
    if event_type == EventKind.SLASH_COMMAND:
        typed = ItemKind.SKILL if skill_name else ItemKind.COMMAND
        return Subject(typed, command_name or skill_name or "")
    if skill_name:
        return Subject(ItemKind.SKILL, skill_name)
    if command_name:
        return Subject(ItemKind.COMMAND, command_name)
    return Subject(ItemKind.TOOL, tool_name or "")


def mcp_server_name(plugin: str, server: str) -> str:
    """The name in tool names of a plugin's MCP server."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"plugin_{plugin}_{server}")


def split_path(path: str | None) -> BodyPath | None:
    """The parts of `marketplace/plugin/version/item`; None when it is not of that form."""
    parts = path.split("/", 3) if path else []
    if len(parts) < 2 or not all(parts[:2]):
        return None
    version, item = (*parts[2:], "", "")[:2]
    return BodyPath(parts[0], parts[1], version or None, item or None)


def builtin_kind(item_kind: ItemKind, name: str) -> ItemKind | None:
    """What a builtin name is, None for a name that is not builtin. A qualified one never is."""
    if ":" in name:
        return None
    if item_kind is ItemKind.TOOL:
        return ItemKind.TOOL if name in TOOLS else None
    if item_kind is ItemKind.AGENT:
        return ItemKind.AGENT if name in AGENTS else None
    if name.startswith(MCP_PREFIX):
        return ItemKind.MCP if mcp_server_of(name) in MCP_SERVERS else None
    listed = {ItemKind.SKILL: name in SKILLS, ItemKind.COMMAND: name in COMMANDS}
    if listed.get(item_kind):
        return item_kind
    return next((kind for kind, is_listed in listed.items() if is_listed), None)


def mcp_server_of(tool_name: str) -> str:
    """The server in `mcp__<server>__<tool>`; the first `__` after the prefix ends it."""
    return tool_name.removeprefix(MCP_PREFIX).partition("__")[0]


def candidates_of(text: str | None) -> tuple[str, ...]:
    """The stored JSON list of candidates, as text, back as a tuple."""
    return tuple(json.loads(text) or ()) if text else ()


def item_name(item_kind: str, name: str) -> str:
    """The name under which an event is summed up: the server for an MCP call, else its own."""
    return mcp_server_of(name) if item_kind == ItemKind.MCP else name
