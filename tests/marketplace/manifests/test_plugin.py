"""The items of a plugin get the names that Claude Code writes in transcripts."""

from typing import Any

import pytest

from marketplace.file_tree import FileTree
from marketplace.findings import Severity
from marketplace.manifests import read_plugin
from telemetry.taxonomy import ItemKind
from tests.marketplace.manifests.trees import names, plugin_of, rules, skill, tree_of

MANIFEST = ".claude-plugin/plugin.json"


def test_a_skill_is_called_by_its_front_matter_else_by_its_folder() -> None:
    contents, _ = plugin_of(
        {"skills/pour/SKILL.md": skill("filter"), "skills/grind/SKILL.md": skill()}
    )
    assert names(contents, ItemKind.SKILL) == ["brew:grind", "brew:filter"]
    assert [item.aliases for item in contents.items] == [(), ("brew:pour",)]


def test_files_of_a_skill_are_no_further_skills() -> None:
    contents, _ = plugin_of(
        {
            "skills/pour/SKILL.md": skill(),
            "skills/pour/examples/cold/SKILL.md": skill(),
            "skills/pour-over/SKILL.md": skill(),
            "skills/hot/deep/SKILL.md": skill(),
            "skills/readme.md": "x",
        }
    )
    assert names(contents, ItemKind.SKILL) == ["brew:deep", "brew:pour", "brew:pour-over"]


def test_a_plugin_whose_root_holds_a_skill_is_one() -> None:
    contents, _ = plugin_of({"SKILL.md": skill(), "scripts/a.py": "x"})
    assert names(contents, ItemKind.SKILL) == ["brew:brew"]


def test_folders_are_part_of_the_names_of_agents_and_commands() -> None:
    contents, _ = plugin_of(
        {
            "agents/taster.md": skill("sommelier"),
            "agents/review/water.md": skill(),
            "commands/clean.md": skill("ignored"),
            "commands/machine/descale.md": "Just a body.",
            "commands/README.md": "About",
        }
    )
    assert names(contents, ItemKind.AGENT) == ["brew:review:water", "brew:sommelier"]
    assert names(contents, ItemKind.COMMAND) == ["brew:clean", "brew:machine:descale"]
    assert contents.items[1].aliases == ("brew:taster",)


def test_declared_paths_replace_or_add_as_claude_code_does() -> None:
    contents, findings = plugin_of(
        {
            MANIFEST: {
                "name": "brew",
                "commands": ["./extra/one.md"],
                "agents": "./staff",
                "skills": "./more",
            },
            "commands/gone.md": skill(),
            "agents/gone.md": skill(),
            "extra/one.md": skill(),
            "staff/barista.md": skill(),
            "skills/pour/SKILL.md": skill(),
            "more/press/SKILL.md": skill(),
        }
    )
    assert names(contents, ItemKind.COMMAND) == ["brew:one"]
    assert names(contents, ItemKind.AGENT) == ["brew:barista"]
    assert sorted(names(contents, ItemKind.SKILL)) == ["brew:pour", "brew:press"]
    assert findings == []


def test_an_entry_that_is_not_strict_says_alone_what_counts() -> None:
    files = {
        "skills/pour/SKILL.md": skill(),
        "skills/press/SKILL.md": skill(),
        "commands/clean.md": skill(),
    }
    listed, _ = plugin_of(files, components={"skills": ["./skills/press"]}, strict=False)
    unlisted, _ = plugin_of(files, strict=False)

    assert [item.name for item in listed.items] == ["brew:press"]
    assert len(unlisted.items) == 3


def test_a_strict_entry_adds_to_what_the_plugin_has() -> None:
    contents, _ = plugin_of(
        {"skills/pour/SKILL.md": skill(), "more/press/SKILL.md": skill()},
        components={"skills": "./more/press/SKILL.md"},
    )
    assert sorted(names(contents, ItemKind.SKILL)) == ["brew:pour", "brew:press"]


def test_mcp_servers_are_read_from_their_file_and_the_manifest_without_secrets() -> None:
    contents, _ = plugin_of(
        {
            ".mcp.json": {"mcpServers": {"scale.v2": {"command": "s", "env": {"KEY": "hidden"}}}},
            MANIFEST: {"name": "brew", "mcpServers": {"kettle": {"type": "http", "url": "u"}}},
        }
    )
    assert names(contents, ItemKind.MCP) == ["plugin_brew_scale_v2", "plugin_brew_kettle"]
    assert "hidden" not in repr(contents)


def test_an_mcp_file_may_hold_the_servers_themselves() -> None:
    contents, _ = plugin_of({".mcp.json": {"kettle": {"url": "https://kettle.example"}}})
    assert names(contents, ItemKind.MCP) == ["plugin_brew_kettle"]


def test_hooks_tell_when_what_runs() -> None:
    contents, _ = plugin_of(
        {
            "hooks/hooks.json": {
                "description": "d",
                "hooks": {
                    "PostToolUse": [
                        {"matcher": "Edit", "hooks": [{"type": "command", "command": "fmt"}]}
                    ],
                    "Stop": [{"hooks": [{"type": "prompt", "prompt": "Done?"}, 3]}, 4],
                },
            }
        }
    )
    assert [(hook.event, hook.kind, hook.action, hook.matcher) for hook in contents.hooks] == [
        ("PostToolUse", "command", "fmt", "Edit"),
        ("Stop", "prompt", "Done?", ""),
    ]


def test_commands_may_be_spelled_out_in_a_manifest() -> None:
    contents, _ = plugin_of(
        {
            MANIFEST: {
                "name": "brew",
                "commands": {
                    "rinse": {"content": "Rinse.", "description": "Rinses."},
                    "steam": {"source": "./steam.md"},
                },
            },
            "steam.md": skill(),
        }
    )
    assert sorted(names(contents, ItemKind.COMMAND)) == ["brew:rinse", "brew:steam"]


def test_a_plugin_that_calls_itself_otherwise_may_be_met_under_both_names() -> None:
    contents, findings = plugin_of(
        {
            MANIFEST: {"name": "coffee"},
            "skills/pour/SKILL.md": skill("filter"),
            ".mcp.json": {"mcpServers": {"kettle": {"command": "k"}}},
        }
    )
    [filter_skill, kettle] = contents.items
    assert filter_skill.name == "brew:filter"
    assert set(filter_skill.aliases) == {"brew:pour", "coffee:filter", "coffee:pour"}
    assert kettle.aliases == ("plugin_coffee_kettle",)
    assert rules(findings) == ["plugin-name-differs"]


@pytest.mark.parametrize(
    ("files", "rule", "severity"),
    [
        ({MANIFEST: "{"}, "json", Severity.BLOCKING),
        ({MANIFEST: {"name": "brew", "skills": "../../etc"}}, "component-path", Severity.BLOCKING),
        ({MANIFEST: {"name": "brew", "agents": "./none"}}, "component-missing", Severity.WARNING),
        ({MANIFEST: {"name": "brew", "skills": [7]}}, "component-form", Severity.WARNING),
        ({MANIFEST: {"name": "a/b"}}, "plugin-name", Severity.WARNING),
        ({"skills/x/SKILL.md": skill("../up")}, "skill-name", Severity.BLOCKING),
        ({"agents/x.md": skill("a:b")}, "agent-name", Severity.BLOCKING),
        ({"commands/a\x07b.md": skill()}, "command-name", Severity.BLOCKING),
        ({".mcp.json": {"mcpServers": {"a/b": {"command": "x"}}}}, "mcp-name", Severity.BLOCKING),
        ({".mcp.json": {"mcpServers": [1]}}, "mcp-form", Severity.WARNING),
        ({"hooks/hooks.json": {"hooks": []}}, "hooks-form", Severity.WARNING),
        ({MANIFEST: {"name": "brew", "hooks": "../h.json"}}, "hooks-path", Severity.WARNING),
        ({"notes.txt": "x"}, "plugin-empty", Severity.WARNING),
    ],
)
def test_each_problem_is_a_finding(files: Any, rule: str, severity: Severity) -> None:
    _, findings = plugin_of(files)
    assert (rule, severity) in {(each.rule, each.severity) for each in findings}


def test_findings_name_the_file_in_the_whole_repository() -> None:
    files = tree_of({"plugins/brew/skills/x/SKILL.md": "---\ndescription: a: b\n---\n"})
    _, findings = read_plugin(files.below("plugins/brew"), "brew")
    assert [(each.file, each.line) for each in findings] == [("plugins/brew/skills/x/SKILL.md", 2)]


def test_a_name_that_is_there_twice_is_taken_once() -> None:
    contents, findings = plugin_of(
        {"skills/a/SKILL.md": skill("pour"), "skills/b/SKILL.md": skill("pour")}
    )
    assert names(contents, ItemKind.SKILL) == ["brew:pour"]
    assert rules(findings) == ["item-twice"]


def test_a_tree_below_a_folder_ends_with_the_folder() -> None:
    tree = FileTree.of({"a/x": b"1", "a0": b"2", "a/b/y": b"3", "a-b/z": b"4", "ab/q": b"5"})
    assert list(tree.below("a")) == ["b/y", "x"]
    assert tree.below("a").below("b")["y"] == b"3"
    assert len(tree.below("nothing")) == 0
    assert "x" in tree.below("/a/")
    with pytest.raises(KeyError):
        tree.below("a")["../a0"]


def test_descriptions_are_bounded_and_without_control_characters() -> None:
    long = skill(description='"' + "a\\u0000b\\u202e" * 2000 + '"')
    contents, _ = plugin_of({"skills/a/SKILL.md": long})
    assert len(contents.items[0].description) <= 4000
    assert contents.items[0].description[:4] == "abab"
