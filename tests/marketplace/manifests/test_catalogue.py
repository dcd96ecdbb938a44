"""What a marketplace.json offers, in every form it is written in, and what is wrong with it."""

import json
from typing import Any

import pytest

from marketplace.findings import Severity
from marketplace.manifests import Catalogue, GitSource, LocalSource, UnsupportedSource
from tests.marketplace.manifests.trees import catalogue_of, rules, tree_of


def entry(name: str, source: Any = "./", **fields: Any) -> dict[str, Any]:
    return {"name": name, "source": source, **fields}


def market(*plugins: Any, **fields: Any) -> dict[str, Any]:
    return {"name": "quay", "owner": {"name": "Dock"}, "plugins": list(plugins), **fields}


def read(*plugins: Any, **fields: Any) -> Catalogue:
    catalogue, _ = catalogue_of(market(*plugins, **fields))
    assert catalogue is not None
    return catalogue


def test_a_repository_without_a_catalogue_is_no_marketplace() -> None:
    from marketplace.manifests import read_catalogue

    catalogue, findings = read_catalogue(tree_of({"README.md": "hello"}))

    assert catalogue is None
    assert rules(findings) == ["marketplace-missing"]


@pytest.mark.parametrize(
    ("source", "read_as"),
    [
        ("./plugins/crane", LocalSource("plugins/crane")),
        ("./", LocalSource("")),
        ("crane", LocalSource("crane")),
        (
            {"source": "github", "repo": "dock/crane"},
            GitSource("https://github.com/dock/crane.git"),
        ),
        (
            {"source": "github", "repo": "dock/crane", "ref": "v2", "sha": "A" * 40},
            GitSource("https://github.com/dock/crane.git", "", "v2", "a" * 40),
        ),
        (
            {"source": "url", "url": "https://git.example/crane.git", "ref": "release/3"},
            GitSource("https://git.example/crane.git", "", "release/3"),
        ),
        (
            {"source": "git-subdir", "url": "https://git.example/all.git", "path": "./a/b/"},
            GitSource("https://git.example/all.git", "a/b"),
        ),
        (
            {"source": "git-subdir", "url": "dock/all", "path": "a"},
            GitSource("https://github.com/dock/all.git", "a"),
        ),
        ({"source": "npm", "package": "@dock/crane"}, UnsupportedSource("npm")),
        ({"source": "archive", "url": "https://x.example/a.zip"}, UnsupportedSource("archive")),
        ({"source": "command", "command": "make"}, UnsupportedSource("command")),
    ],
)
def test_a_source_is_read_in_each_of_its_forms(source: Any, read_as: Any) -> None:
    assert read(entry("crane", source)).entries[0].source == read_as


@pytest.mark.parametrize(
    "source",
    [
        "../outside",
        "./a/../../b",
        "/etc",
        "~/crane",
        "a\\b",
        "./a\x00b",
        "https://git.example/crane.git",
        None,
        7,
        {},
        {"source": "github", "repo": "dock"},
        {"source": "github", "repo": "dock/crane", "ref": "--upload-pack=x"},
        {"source": "github", "repo": "dock/crane", "ref": "a..b"},
        {"source": "github", "repo": "dock/crane", "sha": "abc"},
        {"source": "url", "url": ""},
        {"source": "git-subdir", "url": "https://git.example/all.git"},
        {"source": "git-subdir", "url": "https://git.example/all.git", "path": "../x"},
        {"source": "teleport"},
    ],
)
def test_an_entry_with_an_unusable_source_is_left_out_with_its_line(source: Any) -> None:
    catalogue, findings = catalogue_of(market(entry("good"), entry("crane", source)))

    assert catalogue is not None
    assert [each.name for each in catalogue.entries] == ["good"]
    assert rules(findings) == ["plugin-source"]
    assert findings[0].severity is Severity.BLOCKING
    assert findings[0].line is not None
    assert findings[0].line > 5


def test_a_bare_name_lies_below_the_plugin_root() -> None:
    catalogue = read(entry("crane", "crane"), metadata={"pluginRoot": "./plugins"})
    assert catalogue.entries[0].source == LocalSource("plugins/crane")


def test_a_folder_is_found_with_or_without_the_plugin_root() -> None:
    value = market(
        entry("crane", "./crane"), entry("buoy", "buoy"), metadata={"pluginRoot": "./plugins"}
    )
    others = {"plugins/crane/skills/a/SKILL.md": "x", "buoy/skills/a/SKILL.md": "x"}

    catalogue, _ = catalogue_of(value, **others)

    assert catalogue is not None
    assert [each.source for each in catalogue.entries] == [
        LocalSource("plugins/crane"),
        LocalSource("buoy"),
    ]


def test_an_entry_keeps_what_it_says_of_the_plugin() -> None:
    [plugin] = read(
        entry(
            "crane",
            version="2.1",
            description="Lifts.",
            displayName="The Crane",
            category="dock",
            tags=["lift", 3],
            strict=False,
            skills=["./skills/lift"],
            mcpServers={"hook": {"command": "hook"}},
        )
    ).entries

    assert (plugin.version, plugin.description, plugin.display_name) == (
        "2.1",
        "Lifts.",
        "The Crane",
    )
    assert (plugin.category, plugin.tags, plugin.strict) == ("dock", ("lift", ""), False)
    assert set(plugin.components) == {"skills", "mcpServers"}


def test_renames_lead_to_the_present_name() -> None:
    catalogue = read(
        entry("winch"),
        renames={"hoist": "crane", "crane": "winch", "raft": None, "winch": "other"},
    )
    assert catalogue.renames == {"hoist": "winch", "crane": "winch", "raft": None}


def test_renames_in_a_circle_or_to_nowhere_come_to_an_end() -> None:
    catalogue, findings = catalogue_of(
        market(entry("winch"), renames={"a": "b", "b": "a", "c": "gone", "d": 3})
    )
    assert catalogue is not None
    assert catalogue.renames == {"d": None}
    assert rules(findings) == ["rename-target"] * 3


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ('{"name": "quay", "plugins": [}', "json"),
        ("[]", "json"),
        ("[" * 100_000, "json"),
        (b"\xff\xfe{}", "json"),
        ('{"plugins": []}', "marketplace-name"),
        ('{"name": "a/b", "plugins": []}', "marketplace-name"),
        ('{"name": "..", "plugins": []}', "marketplace-name"),
        ('{"name": "qu\\u0000ay", "plugins": []}', "marketplace-name"),
        ('{"name": "qu\\ud83day", "plugins": []}', "marketplace-name"),
        ('{"name": "quay"}', "marketplace-plugins"),
        (b" " * (8 * 1024**2 + 1), "json"),
    ],
)
def test_a_catalogue_that_cannot_be_used_says_why(content: Any, rule: str) -> None:
    catalogue, findings = catalogue_of(content)
    assert catalogue is None
    assert rules(findings) == [rule]
    assert findings[0].severity is Severity.BLOCKING


def test_broken_json_is_reported_with_its_line() -> None:
    _, findings = catalogue_of('{\n "name": "quay",\n oops\n}')
    assert (findings[0].file, findings[0].line) == (".claude-plugin/marketplace.json", 3)


def test_a_byte_order_mark_does_no_harm() -> None:
    catalogue, findings = catalogue_of(b'\xef\xbb\xbf{"name":"quay","owner":"D","plugins":[]}')
    assert catalogue is not None
    assert findings == []


@pytest.mark.parametrize(
    "name", ["", "  ", None, 3, "a/b", "a\\b", "a:b", "..", "a\nb", "a\u202eb", "x" * 101, " a"]
)
def test_a_plugin_whose_name_cannot_be_one_is_left_out(name: Any) -> None:
    catalogue, findings = catalogue_of(market(entry(name), entry("crane")))
    assert catalogue is not None
    assert [each.name for each in catalogue.entries] == ["crane"]
    assert rules(findings) == ["plugin-name"]


def test_odd_but_usable_forms_are_warnings() -> None:
    catalogue, findings = catalogue_of(
        {"name": "My Quay", "plugins": [entry("Crane Two"), entry("crane"), entry("crane", "./b")]}
    )
    assert catalogue is not None
    assert [each.name for each in catalogue.entries] == ["Crane Two", "crane"]
    assert {each.severity for each in findings} == {Severity.WARNING}
    assert sorted(rules(findings)) == ["kebab-case", "kebab-case", "owner-missing", "plugin-twice"]


@pytest.mark.parametrize("broken", ['"\\ud800": 1', '"a": "\\u0000"', '"a": 1e999'])
def test_components_that_cannot_be_kept_leave_out_their_plugin_alone(broken: str) -> None:
    hostile = {**entry("brew"), "hooks": ["BROKEN"]}
    text = json.dumps(market(hostile, entry("crane"))).replace('"BROKEN"', f"{{{broken}}}")
    catalogue, findings = catalogue_of(text)
    assert catalogue is not None
    assert [each.name for each in catalogue.entries] == ["crane"]
    assert rules(findings) == ["plugin-components"]


def test_numbers_that_json_does_not_have_are_no_json() -> None:
    catalogue, findings = catalogue_of('{"name": "quay", "version": NaN, "plugins": []}')
    assert catalogue is None
    assert "NaN is no number" in findings[0].message
