"""A plugin's folder: `.claude-plugin/plugin.json`, its items, hooks and MCP servers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from marketplace.file_tree import FileTree
from marketplace.findings import Finding, blocking, warning
from marketplace.manifests.catalogue import COMPONENTS
from marketplace.manifests.hooks import Hook, read_hooks
from marketplace.manifests.items import (
    MOST_ITEMS,
    SKILL_FILE,
    Item,
    read_agents,
    read_commands,
    read_skills,
)
from marketplace.manifests.json_files import JsonFile, read_json
from marketplace.manifests.mcp_servers import read_mcp_servers
from marketplace.manifests.sources import BadSource, folder_path
from marketplace.manifests.texts import clean, name_problem, shown
from telemetry.event_names import mcp_server_name
from telemetry.taxonomy import ItemKind

PATH: Final = ".claude-plugin/plugin.json"
READERS: Final[Mapping[str, Callable[[FileTree, str, str, list[Finding]], list[Item]]]] = {
    "skills": read_skills,
    "agents": read_agents,
    "commands": read_commands,
}


@dataclass(frozen=True)
class PluginContents:
    """What a plugin's folder holds. `name` is the one its items are scoped by; `manifest_name` is
    what plugin.json calls it, empty without one. `version` is empty when none is given."""

    name: str
    manifest_name: str
    version: str
    description: str
    author: str
    items: tuple[Item, ...]
    hooks: tuple[Hook, ...]


def read_plugin(
    files: FileTree,
    name: str,
    *,
    components: Mapping[str, Any] | None = None,
    strict: bool = True,
) -> tuple[PluginContents, list[Finding]]:
    """The plugin in the tree's root under `name`, and what is wrong with it.

    `components` are those of the catalogue's entry (see COMPONENTS): they add to the plugin's own,
    or are all that counts when the entry is not `strict`.
    """
    found: list[Finding] = []
    manifest = _manifest(files, found)
    value = manifest.value if manifest and manifest.value else {}
    own = _own_name(manifest, name, found)
    declared = _declared(value, components or {}, strict=strict)
    items: dict[tuple[ItemKind, str], Item] = {}
    for key, reader in READERS.items():
        for folder in _folders(files, key, declared[key], manifest, found):
            _add(reader(files, folder, name, found), items, files, found)
    _add(_inline_commands(declared["commands"], name), items, files, found)
    _add(read_mcp_servers(files, declared["mcpServers"], name, found), items, files, found)
    hooks = read_hooks(files, declared["hooks"], found)
    if not items and not hooks:
        text = f"The plugin {shown(name)} holds no skill, agent, command, hook or MCP server."
        found.append(warning("plugin-empty", files.whole_path(""), text))
    author = value.get("author")
    return PluginContents(
        name,
        own,
        clean(value.get("version"), 100),
        clean(value.get("description")),
        clean(author.get("name") if isinstance(author, dict) else author, 200),
        tuple(_with_own_name(item, name, own) for item in items.values()),
        tuple(hooks),
    ), found


def _manifest(files: FileTree, found: list[Finding]) -> JsonFile | None:
    if PATH not in files:
        return None
    manifest = read_json(files, PATH, files.whole_path(PATH))
    found += manifest.findings
    return manifest


def _own_name(manifest: JsonFile | None, name: str, found: list[Finding]) -> str:
    """What plugin.json calls the plugin; empty when it calls it nothing usable."""
    if manifest is None or manifest.value is None:
        return ""
    own = manifest.value.get("name")
    problem = name_problem(own)
    if problem:
        text = f"The plugin's name {problem}; {shown(name)} is used."
        found.append(warning("plugin-name", manifest.path, text, manifest.line_of("name")))
        return ""
    if own != name:
        text = f"The plugin calls itself {shown(own)}, but is listed as {shown(name)}."
        found.append(warning("plugin-name-differs", manifest.path, text, manifest.line_of(own)))
    return str(own)


def _declared(
    value: Mapping[str, Any], entry: Mapping[str, Any], *, strict: bool
) -> dict[str, list[Any]]:
    """Per component what is declared, defaults as None, in the order in which it is read."""
    if not strict and any(entry.get(key) for key in COMPONENTS):
        return {key: _listed(entry.get(key)) for key in COMPONENTS}
    declared: dict[str, list[Any]] = {}
    for key in COMPONENTS:
        own = _listed(value.get(key))
        replaces = key in {"commands", "agents"} and own
        declared[key] = [*([] if replaces else [None]), *own, *_listed(entry.get(key))]
    return declared


def _listed(value: Any) -> list[Any]:
    if value in (None, "", [], {}):
        return []
    return value if isinstance(value, list) else [value]


def _folders(
    files: FileTree, key: str, declared: list[Any], manifest: JsonFile | None, found: list[Finding]
) -> list[str]:
    """The folders and files that hold a component; one that is named but missing is reported."""
    folders: list[str] = []
    for value in declared:
        if value is None:
            folders += _default_folders(files, key)
        elif isinstance(value, dict):
            folders += [each["source"] for each in value.values() if _has_source(each)]
        elif isinstance(value, str):
            folders.append(value)
        else:
            text = f"An entry of {key} is neither a path nor an object: {shown(value)}."
            found.append(warning("component-form", _named_in(files, manifest), text))
    usable = (_usable(files, key, folder, manifest, found) for folder in folders)
    return list(dict.fromkeys(folder for folder in usable if folder is not None))


def _default_folders(files: FileTree, key: str) -> list[str]:
    folders = [key] if files.has_folder(key) else []
    return ["", *folders] if key == "skills" and SKILL_FILE in files else folders


def _has_source(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("source"), str)


def _named_in(files: FileTree, manifest: JsonFile | None) -> str:
    return manifest.path if manifest else files.whole_path("")


def _usable(
    files: FileTree, key: str, folder: str, manifest: JsonFile | None, found: list[Finding]
) -> str | None:
    where, line = _named_in(files, manifest), manifest.line_of(folder) if manifest else None
    try:
        path = folder_path(folder)
    except BadSource as error:
        found.append(blocking("component-path", where, f"An entry of {key} {error}.", line))
        return None
    if key == "skills" and path.endswith(SKILL_FILE):
        path = path.removesuffix(SKILL_FILE).rstrip("/")
    if path not in files and not files.has_folder(path):
        text = f"An entry of {key} names {shown(folder)}, which is not there."
        found.append(warning("component-missing", where, text, line))
        return None
    return path


def _inline_commands(declared: list[Any], plugin: str) -> list[Item]:
    """Commands that a manifest spells out: `{"name": {"content": …, "description": …}}`."""
    items = []
    for value in declared:
        for name, each in value.items() if isinstance(value, dict) else ():
            if isinstance(each, dict) and not _has_source(each) and not name_problem(name):
                about = clean(each.get("description"))
                items.append(Item(ItemKind.COMMAND, f"{plugin}:{name}", "", name, about))
    return items


def _add(
    new: list[Item],
    items: dict[tuple[ItemKind, str], Item],
    files: FileTree,
    found: list[Finding],
) -> None:
    """Items of new names, as many as are taken; the first of a name wins."""
    for item in new:
        key = (item.kind, item.name)
        if key in items:
            if items[key].path != item.path:
                text = f"The {item.kind.value} {shown(item.name)} is there twice; one is taken."
                found.append(warning("item-twice", files.whole_path(item.path), text))
        elif sum(each is item.kind for each, _ in items) >= MOST_ITEMS:
            text = f"Only the first {MOST_ITEMS} items of the kind {item.kind.value} are taken."
            found.append(blocking("too-many-items", files.whole_path(item.path), text))
            return
        else:
            items[key] = item


def _with_own_name(item: Item, name: str, own: str) -> Item:
    """The item with the spellings that plugin.json's name makes, where that is another."""
    if own in {"", name}:
        return item
    if item.kind is ItemKind.MCP:
        return replace(item, aliases=(mcp_server_name(own, item.title),))
    scoped = (own + each.removeprefix(name) for each in (item.name, *item.aliases))
    return replace(item, aliases=(*item.aliases, *scoped))
