"""`.claude-plugin/marketplace.json`: what a catalogue is called and which plugins it offers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from marketplace.file_tree import FileTree
from marketplace.findings import Finding, blocking, warning
from marketplace.manifests.json_files import JsonFile, read_json
from marketplace.manifests.sources import BadSource, LocalSource, Source, folder_path, read_source
from marketplace.manifests.texts import KEBAB, clean, is_keepable, name_problem, shown

PATH: Final = ".claude-plugin/marketplace.json"
COMPONENTS: Final = ("skills", "commands", "agents", "hooks", "mcpServers")
MOST_ENTRIES: Final = 10_000


@dataclass(frozen=True)
class PluginEntry:
    """A plugin as its catalogue offers it; `name` is the one that transcripts carry.

    `components` are the entry's own of COMPONENTS, unchecked. Not `strict` means that the entry
    itself says what the plugin holds.
    """

    name: str
    source: Source
    line: int | None = None
    version: str = ""
    description: str = ""
    display_name: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    strict: bool = True
    components: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """A catalogue that can be used. `renames` maps a former name to the present one, None for a
    plugin that was removed; chains are followed to their end."""

    name: str
    entries: tuple[PluginEntry, ...]
    version: str = ""
    description: str = ""
    owner: str = ""
    renames: Mapping[str, str | None] = field(default_factory=dict)


def read_catalogue(files: FileTree) -> tuple[Catalogue | None, list[Finding]]:
    """The repository's catalogue, and what is wrong with it; None when nothing can be used.

    An entry that cannot be used is left out, with a blocking finding.
    """
    if PATH not in files:
        problem = f"The repository has no {PATH}, so it is no marketplace."
        return None, [blocking("marketplace-missing", PATH, problem)]
    file = read_json(files, PATH, files.whole_path(PATH))
    if file.value is None:
        return None, list(file.findings)
    value = file.value
    unusable = name_problem(value.get("name"))
    entries = value.get("plugins")
    if unusable:
        line = file.line_of("name")
        return None, [blocking("marketplace-name", file.path, f"The name {unusable}.", line)]
    if not isinstance(entries, list):
        return None, [blocking("marketplace-plugins", file.path, "There is no list of plugins.", 1)]
    found = list(_form(file, value, entries))
    plugins = _entries(file, entries[:MOST_ENTRIES], _plugin_root(file, value, found), files, found)
    return Catalogue(
        value["name"],
        tuple(plugins),
        version=clean(_metadata(value, "version"), 100),
        description=clean(_metadata(value, "description")),
        owner=clean(_owner(value), 200),
        renames=_renames(file, value.get("renames"), {entry.name for entry in plugins}, found),
    ), found


def _form(file: JsonFile, value: dict[str, Any], entries: list[Any]) -> list[Finding]:
    found = []
    if not KEBAB.fullmatch(value["name"]):
        problem = f"The marketplace's name {shown(value['name'])} is not in kebab-case."
        found.append(warning("kebab-case", file.path, problem, file.line_of("name")))
    if not _owner(value):
        problem = "The marketplace names no owner: add an owner with a name."
        found.append(warning("owner-missing", file.path, problem, file.line_of("owner")))
    if len(entries) > MOST_ENTRIES:
        problem = f"Only the first {MOST_ENTRIES} of {len(entries)} plugins are taken."
        found.append(blocking("too-many-plugins", file.path, problem))
    return found


def _owner(value: dict[str, Any]) -> Any:
    owner = value.get("owner")
    return owner.get("name") if isinstance(owner, dict) else owner


def _metadata(value: dict[str, Any], key: str) -> Any:
    metadata = value.get("metadata")
    return value.get(key) or (metadata.get(key) if isinstance(metadata, dict) else None)


def _plugin_root(file: JsonFile, value: dict[str, Any], found: list[Finding]) -> str:
    root = _metadata(value, "pluginRoot")
    try:
        return folder_path(root) if isinstance(root, str) else ""
    except BadSource as error:
        line = file.line_of("pluginRoot")
        found.append(blocking("plugin-root", file.path, f"The marketplace {error}.", line))
        return ""


def _entries(
    file: JsonFile, entries: list[Any], root: str, files: FileTree, found: list[Finding]
) -> list[PluginEntry]:
    plugins: dict[str, PluginEntry] = {}
    for number, value in enumerate(entries, start=1):
        name: Any = value.get("name") if isinstance(value, dict) else None
        line = file.line_of(name)
        problem = name_problem(name)
        if problem:
            text = f"Plugin {number} is left out: its name {problem}."
            found.append(blocking("plugin-name", file.path, text, line))
            continue
        if name in plugins:
            text = f"The plugin {shown(name)} is listed twice; the first is taken."
            found.append(warning("plugin-twice", file.path, text, line))
            continue
        try:
            plugins[name] = _entry(name, value, line, root, files)
        except BadSource as error:
            text = f"The plugin {shown(name)} is left out: it {error}."
            found.append(blocking("plugin-source", file.path, text, line))
            continue
        if not is_keepable(plugins[name].components):
            del plugins[name]
            text = f"The plugin {shown(name)} is left out: its components hold broken characters."
            found.append(blocking("plugin-components", file.path, text, line))
            continue
        if not KEBAB.fullmatch(name):
            text = f"The plugin's name {shown(name)} is not in kebab-case."
            found.append(warning("kebab-case", file.path, text, line))
    return list(plugins.values())


def _entry(
    name: str, value: dict[str, Any], line: int | None, root: str, files: FileTree
) -> PluginEntry:
    tags = value.get("tags") or value.get("keywords")
    return PluginEntry(
        name,
        _present(read_source(value.get("source"), root), root, files),
        line,
        version=clean(value.get("version"), 100),
        description=clean(value.get("description")),
        display_name=clean(value.get("displayName"), 200),
        category=clean(value.get("category"), 100),
        tags=tuple(clean(tag, 50) for tag in tags[:20]) if isinstance(tags, list) else (),
        strict=value.get("strict") is not False,
        components={key: value[key] for key in COMPONENTS if value.get(key)},
    )


def _present(source: Source, root: str, files: FileTree) -> Source:
    """Where the folder is not where it is said to be, the one that pluginRoot would make of it."""
    if not isinstance(source, LocalSource) or not root or files.has_folder(source.path):
        return source
    bare = source.path.removeprefix(f"{root}/")
    other = LocalSource(bare if bare != source.path else f"{root}/{source.path}")
    return other if files.has_folder(other.path) else source


def _renames(
    file: JsonFile, value: Any, names: set[str], found: list[Finding]
) -> dict[str, str | None]:
    """Former names by what they are called now."""
    if value is None:
        return {}
    line = file.line_of("renames")
    if not isinstance(value, dict):
        found.append(warning("renames", file.path, "The renames are no object.", line))
        return {}
    renames: dict[str, str | None] = {}
    for old in value:
        new = _last_name(old, value, names)
        if isinstance(new, str) and new not in names:
            text = f"The plugin {shown(old)} was renamed to {shown(new)}, which is not listed."
            found.append(warning("rename-target", file.path, text, file.line_of(old)))
        elif old not in names:
            renames[old] = new
    return renames


def _last_name(old: str, renames: dict[str, Any], names: set[str]) -> str | None:
    """The end of the chain of renames that begins with `old`; a circle ends where it closes."""
    seen = {old}
    name: Any = renames[old]
    while isinstance(name, str) and name not in names and name in renames and name not in seen:
        seen.add(name)
        name = renames[name]
    return name if isinstance(name, str) else None
