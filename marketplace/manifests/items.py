"""The skills, agents and commands of a plugin, each under the name that a transcript carries."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from marketplace.file_tree import FileTree
from marketplace.findings import Finding, blocking
from marketplace.manifests.front_matter import Document, read_document
from marketplace.manifests.texts import clean, name_problem, shown
from telemetry.taxonomy import ItemKind

SKILL_FILE: Final = "SKILL.md"
LONGEST_SCOPED: Final = 120
MOST_ITEMS: Final = 2_000
"""Of one kind in one plugin."""


@dataclass(frozen=True)
class Item:
    """Something a plugin brings. `name` is as Claude Code writes it, `plugin:…`; for an MCP server
    `plugin_<plugin>_<server>`. `aliases` are further spellings that may be met. `path` is below
    the plugin's folder, empty when no file of its own defines it."""

    kind: ItemKind
    name: str
    path: str
    title: str
    description: str = ""
    aliases: tuple[str, ...] = ()


def read_skills(files: FileTree, folder: str, plugin: str, found: list[Finding]) -> list[Item]:
    """The skills in the subfolders of `folder`, or the one that `folder` itself is.

    A folder below that of a skill belongs to this skill and holds no other.
    """
    if f"{folder}/{SKILL_FILE}".lstrip("/") in files:
        return _skill(files, folder, plugin, found)
    within = files.below(folder)
    base = f"{folder}/" if folder else ""
    folders = {path.rpartition("/")[0] for path in within if path.endswith(f"/{SKILL_FILE}")}
    top = (each for each in sorted(folders) if folders.isdisjoint(_ancestors(each)))
    return [item for each in top for item in _skill(files, base + each, plugin, found)]


def _ancestors(folder: str) -> Iterator[str]:
    while "/" in folder:
        folder = folder.rpartition("/")[0]
        yield folder


def _skill(files: FileTree, folder: str, plugin: str, found: list[Finding]) -> list[Item]:
    path = f"{folder}/{SKILL_FILE}".lstrip("/")
    document = _document(files, path, found)
    own = folder.rpartition("/")[2] or plugin
    names = ([document.text("name")], [own])
    return _named(ItemKind.SKILL, files, path, plugin, document, names, found)


def read_agents(files: FileTree, folder: str, plugin: str, found: list[Finding]) -> list[Item]:
    """The agents in the Markdown files of `folder` and below; folders are part of the name."""
    items = []
    for path, folders, stem in _markdown(files, folder):
        document = _document(files, path, found)
        names = ([*folders, document.text("name")], [*folders, stem])
        items += _named(ItemKind.AGENT, files, path, plugin, document, names, found)
    return items


def read_commands(files: FileTree, folder: str, plugin: str, found: list[Finding]) -> list[Item]:
    """The commands in the Markdown files of `folder` and below: file names, folders before them.

    A folder that holds a SKILL.md is one command of the folder's name.
    """
    items = []
    for path, folders, stem in _markdown(files, folder):
        document = _document(files, path, found)
        parts = folders if f"{stem}.md" == SKILL_FILE and folders else [*folders, stem]
        items += _named(ItemKind.COMMAND, files, path, plugin, document, (parts,), found)
    return items


def _markdown(files: FileTree, folder: str) -> Iterable[tuple[str, list[str], str]]:
    """(path, folders below `folder`, name without ending) of its Markdown files; also when
    `folder` is such a file itself."""
    if folder.endswith(".md") and folder in files:
        yield folder, [], folder.rpartition("/")[2][:-3]
        return
    base = f"{folder}/" if folder else ""
    for below in files.below(folder):
        *folders, file = below.split("/")
        if file.endswith(".md") and file != "README.md":
            yield base + below, folders, file[:-3]


def _document(files: FileTree, path: str, found: list[Finding]) -> Document:
    document = read_document(files[path], files.whole_path(path))
    found += document.findings
    return document


def _named(
    kind: ItemKind,
    files: FileTree,
    path: str,
    plugin: str,
    document: Document,
    names: tuple[list[str], ...],
    found: list[Finding],
) -> list[Item]:
    """The item under the first usable of `names` (folders and name), the others as aliases; none
    when none is usable."""
    usable: list[str] = []
    for parts in names:
        name = ":".join(parts)
        if not parts[-1] or name in usable:
            continue
        problem = _problem(parts)
        if problem:
            text = f"The {kind.value} cannot be called {shown(name)}: the name {problem}."
            found.append(blocking(f"{kind.value}-name", files.whole_path(path), text, 1))
            continue
        usable.append(name)
    if not usable:
        return []
    first, *others = (f"{plugin}:{name}" for name in usable)
    about = clean(document.text("description")) or first_paragraph(document.body)
    return [Item(kind, first, path, usable[0].rpartition(":")[2], about, tuple(others))]


def _problem(parts: list[str]) -> str | None:
    if len(":".join(parts)) > LONGEST_SCOPED:
        return f"is longer than {LONGEST_SCOPED} characters with its folders"
    return next((problem for part in parts if (problem := name_problem(part))), None)


def first_paragraph(body: str) -> str:
    """The first text of a Markdown file that is no heading; empty when there is none."""
    for paragraph in body[:20_000].split("\n\n"):
        lines = [line for line in paragraph.strip().split("\n") if not line.startswith("#")]
        if any(line.strip() for line in lines):
            return clean(" ".join(lines), 500)
    return ""
