"""What a marketplace offers at this moment, read from its repository and those of its plugins.

No database: everything is fetched and understood before any row is written. The files of plugins
are stored by their content; those that no row comes to name are swept.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from django.conf import settings

from accounts.errors import AgnesError
from marketplace.bundle_store import store_bundle
from marketplace.bundle_uploads import path_problem
from marketplace.bundles import Bundle
from marketplace.file_tree import FileTree
from marketplace.findings import Finding, blocking, is_blocked, warning
from marketplace.git_repository import opened
from marketplace.git_source import Copy, Source, Wanted
from marketplace.manifests import (
    Catalogue,
    GitSource,
    LocalSource,
    PluginContents,
    PluginEntry,
    UnsupportedSource,
    read_catalogue,
    read_plugin,
)
from marketplace.manifests.catalogue import PATH
from marketplace.manifests.plugin import PATH as PLUGIN_FILE
from marketplace.manifests.texts import shown
from marketplace.names import RESERVED, SERVED_MARKETPLACE
from telemetry.event_names import mcp_server_name

READER_VERSION: Final = 4
"""Raised whenever the same files would be read otherwise; then each marketplace is read anew."""

FETCHES_AT_ONCE: Final = 6
MOST_FINDINGS: Final = 1_000
LARGEST_SERVED: Final = 48 * 1024**2
"""Bytes of a plugin; more would take too much memory at once."""


class CatalogueUnusable(AgnesError):
    """The repository was fetched, but is no marketplace that can be used."""

    code: ClassVar[str] = "catalogue_unusable"
    status: ClassVar[int] = 422


@dataclass(frozen=True)
class PluginSnapshot:
    """A plugin of the catalogue. `contents` are None when its files could not be had; `problem`
    says why, as a sentence. `digest` names its stored files, empty when it cannot be served."""

    entry: PluginEntry
    contents: PluginContents | None
    commit: str = ""
    problem: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Snapshot:
    """Everything a sync stores. `copies` are the fetched repositories it was read from."""

    commit: str
    catalogue: Catalogue
    plugins: tuple[PluginSnapshot, ...]
    findings: tuple[Finding, ...]
    fingerprint: str
    copies: tuple[Copy, ...]


@dataclass
class Fetched:
    """What the catalogue's plugins with a repository of their own led to, by what was wanted."""

    copies: dict[Wanted, Copy] = field(default_factory=dict)
    problems: dict[Wanted, str] = field(default_factory=dict)


def take_snapshot(
    source: Source, wanted: Wanted, *, known: str = "", foreign: Collection[str] = ()
) -> Snapshot | None:
    """Fetch and read; None when the fingerprint is `known`, that is when nothing has changed.

    `foreign` are names of plugins that are others', as those of the flea market.

    Raises errors of marketplace.git_errors and addresses for the marketplace's own repository, and
    CatalogueUnusable. A plugin whose own repository fails has a `problem` and nothing else.
    """
    main = source.copy_at(wanted, source.commit_of(wanted))
    with _open(source, main) as (files, findings):
        catalogue, found = read_catalogue(files)
        if catalogue is None:
            raise CatalogueUnusable(
                str(found[0]), fix="Mend it in the repository, then sync again."
            )
        catalogue = _without_reserved(catalogue, found)
        fetched = _fetch_sources(source, catalogue)
        fingerprint = _fingerprint(main, catalogue, fetched)
        if fingerprint == known:
            return None
        names = {entry.name for entry in catalogue.entries} | RESERVED | set(foreign)
        plugins = _read_plugins(source, catalogue, files, main, fetched, names, found)
    return Snapshot(
        main.commit,
        catalogue,
        tuple(plugins),
        _bounded([*findings, *found]),
        fingerprint,
        (main, *fetched.copies.values()),
    )


def _open(
    source: Source, copy: Copy, path: str = ""
) -> AbstractContextManager[tuple[FileTree, list[Finding]]]:
    """The files of a copy."""
    return opened(
        copy.folder,
        copy.commit,
        path=path,
        most_files=settings.AGNES_MARKETPLACE_MAX_FILES,
        limits=source.limits,
    )


def _without_reserved(catalogue: Catalogue, found: list[Finding]) -> Catalogue:
    """The catalogue without plugins of the names that Agnes keeps for itself.

    Raises CatalogueUnusable when the catalogue itself has the name of the one that Agnes serves.
    """
    if catalogue.name == SERVED_MARKETPLACE:
        raise CatalogueUnusable(
            f"The marketplace is called {SERVED_MARKETPLACE!r}, which is what Agnes's own is "
            "called.",
            fix="Give it another name in its marketplace.json.",
        )
    reserved = [entry for entry in catalogue.entries if entry.name in RESERVED]
    for entry in reserved:
        text = f"A plugin cannot be called {entry.name!r}: Agnes keeps that name for itself."
        found.append(blocking("plugin-name-reserved", PATH, text, entry.line))
    kept = tuple(entry for entry in catalogue.entries if entry not in reserved)
    return replace(catalogue, entries=kept) if reserved else catalogue


def _wanted(source: GitSource) -> Wanted:
    return Wanted(source.url, source.ref, source.sha)


def _fetch_sources(source: Source, catalogue: Catalogue) -> Fetched:
    """Each repository once, some at a time. One that fails fails alone."""
    sources = (entry.source for entry in catalogue.entries)
    wanted = dict.fromkeys(_wanted(each) for each in sources if isinstance(each, GitSource))
    fetched = Fetched()

    def fetch(one: Wanted) -> Copy | str:
        try:
            return source.copy_at(one, source.commit_of(one))
        except AgnesError as error:
            return str(error)

    with ThreadPoolExecutor(FETCHES_AT_ONCE, thread_name_prefix="git") as pool:
        for one, result in zip(wanted, pool.map(fetch, wanted), strict=True):
            if isinstance(result, Copy):
                fetched.copies[one] = result
            else:
                fetched.problems[one] = result
    return fetched


def _fingerprint(main: Copy, catalogue: Catalogue, fetched: Fetched) -> str:
    """Of all that decides what is stored: the commits, and what could not be fetched."""
    parts = {
        "reader": READER_VERSION,
        "main": [main.folder.name, main.commit],
        "copies": sorted([*_key(each), copy.commit] for each, copy in fetched.copies.items()),
        "problems": sorted([*_key(each), text] for each, text in fetched.problems.items()),
        "name": catalogue.name,
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _key(wanted: Wanted) -> list[str]:
    return [wanted.url, wanted.ref, wanted.sha]


def _read_plugins(
    source: Source,
    catalogue: Catalogue,
    files: FileTree,
    main: Copy,
    fetched: Fetched,
    names: set[str],
    found: list[Finding],
) -> list[PluginSnapshot]:
    plugins = []
    for entry in catalogue.entries:
        if isinstance(entry.source, LocalSource):
            plugin = _read(entry, files.below(entry.source.path), names, main.commit, found)
        elif isinstance(entry.source, UnsupportedSource):
            text = f"Sources of the kind {entry.source.kind} are not fetched."
            plugin = _unread(entry, "plugin-source-unsupported", text, found)
        else:
            plugin = _read_external(source, entry, entry.source, names, fetched, found)
        plugins.append(plugin)
    return plugins


def _read_external(
    source: Source,
    entry: PluginEntry,
    place: GitSource,
    names: set[str],
    fetched: Fetched,
    found: list[Finding],
) -> PluginSnapshot:
    wanted = _wanted(place)
    copy = fetched.copies.get(wanted)
    if copy is None:
        return _unread(entry, "plugin-not-fetched", fetched.problems[wanted], found)
    own: list[Finding] = []
    try:
        with _open(source, copy, place.path) as (files, left_out):
            own += left_out
            plugin = _read(entry, files, names, copy.commit, own)
    except AgnesError as error:
        return _unread(entry, "plugin-not-read", str(error), found)
    # The catalogue's readers know where its own files are; these lie in another repository.
    found += [replace(each, file=f"{entry.name}: {place.path}/{each.file}") for each in own]
    return plugin


def _read(
    entry: PluginEntry, files: FileTree, names: set[str], commit: str, found: list[Finding]
) -> PluginSnapshot:
    if not len(files):
        text = "The folder that its source names is not there, or empty."
        return _unread(entry, "plugin-folder-missing", text, found)
    contents, own = read_plugin(files, entry.name, components=entry.components, strict=entry.strict)
    found += own
    digest = _kept(entry, files, found)
    contents = _without_others(contents, names, files.whole_path(PLUGIN_FILE), found)
    return PluginSnapshot(entry, contents, commit, digest=digest)


def _kept(entry: PluginEntry, files: FileTree, found: list[Finding]) -> str:
    """The digest under which the files are stored; empty when they are too large to be served."""
    contents: dict[str, bytes] = {}
    size = 0
    for path in files:
        if path_problem(path):
            continue
        contents[path] = files[path]
        size += len(contents[path])
        if size > LARGEST_SERVED:
            text = f"The plugin {shown(entry.name)} has more than {LARGEST_SERVED // 1024**2} MiB."
            found.append(
                warning("plugin-not-served", PATH, f"{text} It is not served.", entry.line)
            )
            return ""
    programs = frozenset(path for path in contents if files.is_program(path))
    return store_bundle(Bundle.of(contents, programs))


def _without_others(
    contents: PluginContents, names: set[str], file: str, found: list[Finding]
) -> PluginContents:
    """Where plugin.json says the name of another plugin, that one has it: what people use of that
    one would be counted for this one."""
    own = contents.manifest_name
    if own in {"", contents.name} or own not in names:
        return contents
    text = f"The name {shown(own)} is another plugin's: use of that one is not counted for this."
    found.append(warning("plugin-name-foreign", file, text))
    foreign = (f"{own}:", mcp_server_name(own, ""))
    items = (
        replace(item, aliases=tuple(each for each in item.aliases if not each.startswith(foreign)))
        for item in contents.items
    )
    return replace(contents, manifest_name="", items=tuple(items))


def _unread(entry: PluginEntry, rule: str, text: str, found: list[Finding]) -> PluginSnapshot:
    found.append(blocking(rule, PATH, f"The plugin {shown(entry.name)}: {text}", entry.line))
    return PluginSnapshot(entry, None, problem=text)


def _bounded(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Blocking ones first, as many as are kept."""
    ordered = sorted(findings, key=lambda each: not is_blocked([each]))
    return tuple(ordered[:MOST_FINDINGS])


def source_place(entry: PluginEntry) -> Mapping[str, str]:
    """Where a plugin's files are, as the fields of its row."""
    place = entry.source
    if isinstance(place, GitSource):
        ref = place.sha or place.ref
        return {"source_url": place.url, "source_path": place.path, "source_ref": ref}
    path = place.path if isinstance(place, LocalSource) else ""
    return {"source_url": "", "source_path": path, "source_ref": ""}
