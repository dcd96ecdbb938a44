"""The closed vocabularies of telemetry, as plain Python: no Django, no I/O.

The values are what tables, API and pages carry; they are part of the product's contract.
"""

from enum import StrEnum


class EventKind(StrEnum):
    """What a person or a model visibly did."""

    TOOL_USE = "tool_use"
    MCP_CALL = "mcp_call"
    SUBAGENT = "subagent"
    SLASH_COMMAND = "slash_command"


class Outcome(StrEnum):
    """How an event ended; `unknown` means that no result was seen."""

    OK = "ok"
    FAILED = "failed"
    REJECTED = "rejected"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"


class Source(StrEnum):
    """Where an event's name comes from."""

    CURATED = "curated"
    FLEA = "flea"
    BUILTIN = "builtin"
    UNATTRIBUTED = "unattributed"


class Evidence(StrEnum):
    """How an attribution is known, strongest first; empty means that nothing is known."""

    BUILTIN = "builtin"
    PATH = "path"
    FIELD = "field"
    QUALIFIED = "qualified"
    UNIQUE_NAME = "unique_name"
    AMBIGUOUS = "ambiguous"
    NONE = ""


class ItemKind(StrEnum):
    """What kind of thing an event names. `tool` and, for builtins, the others need no plugin."""

    TOOL = "tool"
    PLUGIN = "plugin"
    SKILL = "skill"
    AGENT = "agent"
    COMMAND = "command"
    MCP = "mcp"
