"""The demo's curated marketplaces, as real as any: repositories with files, synced like others.

Nobody has to be asked for them: each is pinned to a commit whose copy is put where a fetch would
put it, so that nightly syncs find it there.
"""

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from dulwich.index import commit_tree
from dulwich.objects import Blob, Commit
from dulwich.repo import Repo

from accounts import audit
from marketplace.git_source import NEW, copy_folder, store_of
from marketplace.manifests.catalogue import PATH
from marketplace.models import Marketplace
from marketplace.sync import sync_marketplace
from telemetry.demo import catalogue
from telemetry.demo.catalogue import Plugin
from telemetry.taxonomy import Source

REGULAR: Final = 0o100644
AUTHOR: Final = b"Harbour Guild <guild@harbour.example>"


def register(*, now: datetime) -> int:
    """The names of all the demo's plugins, and its curated marketplaces with their files; returns
    how many plugins. Nothing where they are there already."""
    offered = [each for each in catalogue.PLUGINS if each.source is Source.CURATED]
    slugs = sorted({each.marketplace_name for each in offered})
    if Marketplace.objects.filter(slug__in=slugs).exists():
        return len(catalogue.PLUGINS)
    count = catalogue.register(now=now)
    for slug in slugs:
        plugins = [each for each in offered if each.marketplace_name == slug and not each.retired]
        _offer(slug, plugins, now=now - catalogue.REGISTERED_BEFORE)
    return count


def _offer(slug: str, plugins: list[Plugin], *, now: datetime) -> None:
    url = f"https://git.harbour.example/{slug}.git"
    files = _files(slug, plugins)
    row = Marketplace(slug=slug, url=url, created_at=now)
    row.pinned_sha = _store(files, slug, url, at=now)
    row.save()
    sync_marketplace(row, by=None, door=audit.Door.SYSTEM, now=now)


def _files(slug: str, plugins: list[Plugin]) -> dict[str, str]:
    """The files of a marketplace by path."""
    entries = [
        {"name": each.name, "source": f"./plugins/{each.name}", "category": "harbour"}
        for each in plugins
    ]
    files = {
        PATH: json.dumps({"name": slug, "owner": {"name": "Harbour Guild"}, "plugins": entries})
    }
    for plugin in plugins:
        base = f"plugins/{plugin.name}"
        about = f"What the harbour's developers need for {plugin.name.replace('-', ' ')}."
        manifest = {"name": plugin.name, "version": plugin.version, "description": about}
        files[f"{base}/.claude-plugin/plugin.json"] = json.dumps(manifest)
        for name in plugin.skills:
            files[f"{base}/skills/{_path(name)}/SKILL.md"] = _document(name, "skill")
        for folder, names in (("agents", plugin.agents), ("commands", plugin.commands)):
            for name in names:
                files[f"{base}/{folder}/{_path(name)}.md"] = _document(name, folder[:-1])
        if plugin.servers:
            servers = {name: {"command": f"{name}-server"} for name in plugin.servers}
            files[f"{base}/.mcp.json"] = json.dumps({"mcpServers": servers})
    return files


def _path(name: str) -> str:
    """Of an item's file below its folder: what stands behind the plugin's name."""
    return name.partition(":")[2].replace(":", "/")


def _document(name: str, kind: str) -> str:
    plugin, _, own = name.partition(":")
    about = f"The {kind} for {own.replace(':', ' and ')} in {plugin.replace('-', ' ')}."
    return f"---\ndescription: {about}\n---\n# {own}\n\nLook at what is there, then do it.\n"


def _store(files: Mapping[str, str], slug: str, url: str, *, at: datetime) -> str:
    """A bare repository of one commit, put where its copy belongs; returns the commit."""
    store = store_of(slug)
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=NEW, dir=store, ignore_cleanup_errors=True) as draft:
        with Repo.init_bare(draft) as repository:
            commit = _commit(repository, files, at=at)
        with suppress(OSError):  # it is there already: the same files make the same commit
            Path(draft).rename(copy_folder(slug, url, commit))
    return commit


def _commit(repository: Repo, files: Mapping[str, str], *, at: datetime) -> str:
    blobs = {path: Blob.from_string(text.encode()) for path, text in files.items()}
    repository.object_store.add_objects([(blob, None) for blob in blobs.values()])
    entries = [(path.encode(), blob.id, REGULAR) for path, blob in blobs.items()]
    commit = Commit()
    commit.tree = commit_tree(repository.object_store, entries)
    commit.author = commit.committer = AUTHOR
    commit.author_time = commit.commit_time = int(at.timestamp())
    commit.author_timezone = commit.commit_timezone = 0
    commit.message = b"Offer what the harbour uses\n"
    repository.object_store.add_object(commit)
    return commit.id.decode()
