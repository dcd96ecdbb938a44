import pytest

from telemetry import builtin_names
from telemetry.event_names import builtin_kind
from telemetry.taxonomy import ItemKind

GROUPS = {
    "tools": builtin_names.TOOLS,
    "agents": builtin_names.AGENTS,
    "commands": builtin_names.COMMANDS,
    "skills": builtin_names.SKILLS,
    "servers": builtin_names.MCP_SERVERS,
}


@pytest.mark.parametrize(
    "tool", ["Bash", "MultiEdit", "TaskOutput", "LS", "ToolSearch", "KillShell"]
)
def test_a_tool_of_any_version_is_builtin(tool: str) -> None:
    assert builtin_kind(ItemKind.TOOL, tool) is ItemKind.TOOL


@pytest.mark.parametrize("name", ["test-command", "bash", "my-skill", "deploy", "Clear", ""])
def test_a_name_that_is_not_listed_is_never_builtin(name: str) -> None:
    assert all(builtin_kind(kind, name) is None for kind in ItemKind)


def test_names_are_compared_within_their_kind() -> None:
    assert builtin_kind(ItemKind.AGENT, "Explore") is ItemKind.AGENT
    assert builtin_kind(ItemKind.SKILL, "Explore") is None
    assert builtin_kind(ItemKind.TOOL, "clear") is None


def test_a_qualified_name_is_never_builtin() -> None:
    assert builtin_kind(ItemKind.COMMAND, "ledger:review") is None


def test_a_typed_bundled_skill_is_said_to_be_a_skill() -> None:
    assert builtin_kind(ItemKind.COMMAND, "simplify") is ItemKind.SKILL
    assert builtin_kind(ItemKind.COMMAND, "clear") is ItemKind.COMMAND


def test_a_command_that_the_model_called_is_said_to_be_a_command() -> None:
    assert builtin_kind(ItemKind.SKILL, "init") is ItemKind.COMMAND


def test_only_anthropics_own_mcp_servers_are_builtin() -> None:
    assert builtin_kind(ItemKind.MCP, "mcp__ide__getDiagnostics") is ItemKind.MCP
    assert builtin_kind(ItemKind.MCP, "mcp__claude_ai_Gmail__search") is None
    assert builtin_kind(ItemKind.MCP, "mcp__idea__run") is None


@pytest.mark.parametrize("group", GROUPS)
def test_no_listed_name_is_qualified_or_slashed(group: str) -> None:
    assert [name for name in GROUPS[group] if ":" in name or "/" in name or " " in name] == []
