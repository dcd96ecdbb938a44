"""Hooks of a plugin: what it has Claude Code run, and when."""

from dataclasses import dataclass
from typing import Any, Final

from marketplace.file_tree import FileTree
from marketplace.findings import Finding, warning
from marketplace.manifests.json_files import read_json
from marketplace.manifests.sources import BadSource, folder_path
from marketplace.manifests.texts import clean, shown

DEFAULT: Final = "hooks/hooks.json"
MOST_HOOKS: Final = 500


@dataclass(frozen=True)
class Hook:
    """What runs at an event. `action` is the command, address or prompt, cut at 2,000 characters;
    `path` is the file that says so, empty for the manifest."""

    event: str
    kind: str
    action: str
    matcher: str = ""
    path: str = ""


def read_hooks(files: FileTree, declared: list[Any], found: list[Finding]) -> list[Hook]:
    """The hooks of what is declared: None for the usual file, a path, or hooks themselves."""
    hooks: list[Hook] = []
    for value in declared:
        if isinstance(value, dict):
            hooks += _hooks(value.get("hooks", value), "", files.whole_path(""), found)
            continue
        path = _path(value, files, found)
        if path is None:
            continue
        file = read_json(files, path, files.whole_path(path))
        found += file.findings
        if file.value is not None:
            hooks += _hooks(file.value.get("hooks", file.value), path, file.path, found)
    return list(dict.fromkeys(hooks))[:MOST_HOOKS]


def _path(value: Any, files: FileTree, found: list[Finding]) -> str | None:
    if value is None:
        return DEFAULT if DEFAULT in files else None
    try:
        path = folder_path(value) if isinstance(value, str) else ""
    except BadSource as error:
        found.append(warning("hooks-path", files.whole_path(""), f"An entry of hooks {error}."))
        return None
    if path in files:
        return path
    text = f"An entry of hooks names {shown(value)}, which is not there."
    found.append(warning("component-missing", files.whole_path(""), text))
    return None


def _hooks(value: Any, path: str, where: str, found: list[Finding]) -> list[Hook]:
    if not isinstance(value, dict):
        found.append(warning("hooks-form", where, "The hooks are no object of events.", 1))
        return []
    hooks: list[Hook] = []
    for event, groups in value.items():
        if not isinstance(groups, list):
            if event != "description":
                text = f"The hooks of {shown(event)} are no list."
                found.append(warning("hooks-form", where, text))
            continue
        hooks += [hook for group in groups for hook in _group(clean(event, 100), group, path)]
    return hooks


def _group(event: str, group: Any, path: str) -> list[Hook]:
    listed = group.get("hooks") if isinstance(group, dict) else None
    matcher = clean(group.get("matcher"), 200) if isinstance(group, dict) else ""
    return [
        Hook(event, clean(each.get("type"), 50) or "command", _action(each), matcher, path)
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict)
    ]


def _action(value: dict[str, Any]) -> str:
    keys = ("command", "url", "prompt", "tool", "agent")
    return next((clean(value[key], 2_000) for key in keys if isinstance(value.get(key), str)), "")
