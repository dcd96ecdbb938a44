"""File trees written out in tests, and what a reader makes of them."""

import json
from typing import Any

from marketplace.file_tree import FileTree
from marketplace.findings import Finding
from marketplace.manifests import Catalogue, PluginContents, read_catalogue, read_plugin
from telemetry.taxonomy import ItemKind


def tree_of(files: dict[str, Any]) -> FileTree:
    """A tree of files by path: bytes, text, or anything else as JSON."""
    return FileTree.of({path: content_of(value) for path, value in files.items()})


def content_of(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value, indent=1)).encode()


def skill(name: str = "", description: str = "Does something useful.") -> str:
    named = f"name: {name}\n" if name else ""
    return f"---\n{named}description: {description}\n---\n# Steps\n\nDo it.\n"


def catalogue_of(value: Any, **others: Any) -> tuple[Catalogue | None, list[Finding]]:
    return read_catalogue(tree_of({".claude-plugin/marketplace.json": value, **others}))


def plugin_of(
    files: dict[str, Any], name: str = "brew", **options: Any
) -> tuple[PluginContents, list[Finding]]:
    return read_plugin(tree_of(files), name, **options)


def names(contents: PluginContents, kind: ItemKind) -> list[str]:
    return [item.name for item in contents.items if item.kind is kind]


def rules(findings: list[Finding]) -> list[str]:
    return [finding.rule for finding in findings]
