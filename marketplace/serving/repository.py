"""The served repository, built of stored bundles: the same content has the same commit id anywhere.

Each state is a bare repository of its own below AGNES_SERVED_DIR, named by its commit, beside a zip
of the same files. `current.json` says which one is served. The one before stays for a while, for
those who are about to fetch it. A commit has no parent: what was removed is nowhere to be found.
"""

import contextlib
import json
import logging
import os
import re
import shutil
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from dulwich.errors import NotGitRepository
from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

from marketplace.bundle_store import BundleMissing, is_stored
from marketplace.bundles import Bundle, add_file
from marketplace.serving.offer import (
    CATALOGUE_FILE,
    Offered,
    catalogue,
    fingerprint,
    offered_plugins,
)
from telemetry import leases
from telemetry.claimants import this_host

logger = logging.getLogger(__name__)

BRANCH: Final = Ref(b"refs/heads/main")
HEAD: Final = Ref(b"HEAD")
WHO: Final = b"Agnes <agnes@localhost>"
COMMIT: Final = re.compile("[0-9a-f]{40}")
STATE: Final = "current.json"
ZIP: Final = "marketplace.zip"
CATALOGUE: Final = "marketplace.json"
BUILD_LEASE: Final = timedelta(minutes=10)
GRACE: Final = 15 * 60
"""Seconds that a repository stays after another one took its place."""

PACK_BYTES: Final = 16 * 1024**2
"""Content that is held in memory before it is written."""

# A partial clone fetches files one by one as it needs them; all there is here may be had anyway.
CONFIG: Final = (
    "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
    "[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n[gc]\n\tauto = 0\n"
)


@dataclass(frozen=True)
class Built:
    """A state that is served. `is_new`: it was not before this call. `missing` are the digests of
    bundles that could not be read for it."""

    commit: str
    plugins: int
    is_new: bool = False
    missing: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return served_folder() / self.commit

    @property
    def zip_path(self) -> Path:
        return self.folder / ZIP

    @property
    def catalogue_path(self) -> Path:
        return self.folder / CATALOGUE


def served_folder() -> Path:
    return Path(settings.AGNES_SERVED_DIR)


def build_current(*, now: datetime) -> Built:
    """What the catalogue says now, built where it is not there yet. Raises LeaseTaken while another
    process of this machine builds."""
    plugins = offered_plugins()
    mark = fingerprint(plugins)
    built = _whole_state(mark)
    if built is not None:
        _remove_retired(built.commit)
        return built
    # By host, since each machine has a folder of its own.
    with leases.lease(f"served:{this_host()}", ttl=BUILD_LEASE):
        built = _whole_state(mark) or _build(plugins, mark)
    _remove_retired(built.commit)
    return built


def served(*, now: datetime) -> Built:
    """What to serve: the current state, or while that is being built for long, the one before.

    Raises LeaseTaken when there is none yet.
    """
    try:
        return leases.patiently(lambda: build_current(now=now))
    except leases.LeaseTaken:
        before = _state("")
        if before is None:
            raise
        return before


def state_with(wanted: list[str]) -> Path | None:
    """The repository that holds all of the objects: the one that is served now, else the newest
    that was until a moment ago. None when there is none, or nothing is wanted.

    A partial clone asks for the files of its commit by their own ids, which name no state.
    """
    now = _state("")
    folders = [] if now is None else [now.folder]
    root = served_folder()
    with contextlib.suppress(FileNotFoundError):
        found = [one for one in root.iterdir() if COMMIT.fullmatch(one.name) and one not in folders]
        folders += sorted(found, key=_changed, reverse=True)
    ids = [ObjectID(one.encode()) for one in wanted]
    return next((folder for folder in folders if ids and _holds(folder, ids)), None)


def _holds(folder: Path, ids: list[ObjectID]) -> bool:
    # Not there where it was removed meanwhile.
    with contextlib.suppress(NotGitRepository, OSError), Repo(str(folder)) as repository:
        return all(one in repository.object_store for one in ids)
    return False


def _changed(folder: Path) -> float:
    with contextlib.suppress(OSError):
        return folder.stat().st_mtime
    return 0.0


def _state(mark: str) -> Built | None:
    """The state that was built for the fingerprint, any when that is empty; None without one."""
    try:
        state = json.loads((served_folder() / STATE).read_text())
    except (FileNotFoundError, ValueError):
        return None
    built = Built(state["commit"], state["plugins"], missing=tuple(state.get("missing", ())))
    if (mark and state["fingerprint"] != mark) or not built.folder.is_dir():
        return None
    return built


def _whole_state(mark: str) -> Built | None:
    """Like `_state`; None as well when a bundle that was missing for it can be read now."""
    built = _state(mark)
    return None if built is None or any(map(is_stored, built.missing)) else built


def _build(plugins: list[Offered], mark: str) -> Built:
    root = served_folder()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = _state("")
    building = root / f".building-{os.getpid()}-{time.monotonic_ns()}"
    try:
        commit, missing = _write(building, plugins)
        folder = root / commit
        # A state that was there before and comes back is the same, file by file.
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    built = Built(commit, len(plugins), is_new=True, missing=tuple(missing))
    _put(
        root / STATE,
        {"fingerprint": mark, "commit": commit, "plugins": built.plugins, "missing": missing},
    )
    if before is not None and before.commit != commit:
        with contextlib.suppress(OSError):
            os.utime(before.folder)
    return built


def _write(folder: Path, plugins: list[Offered]) -> tuple[str, list[str]]:
    """The commit, and the digests of bundles that could not be read."""
    missing: list[str] = []
    folder.mkdir(mode=0o700)
    with Repo.init_bare(str(folder)) as repository, _Pen(repository, folder / ZIP) as pen:
        root = _Folder()
        listed = []
        for plugin in plugins:
            try:
                bundle = plugin.bundle()
                catalogue([plugin])
            except BundleMissing as error:
                missing.append(error.digest)
                logger.exception("The plugin %s is left out of what is served.", plugin.name)
                continue
            except Exception:  # whatever is wrong with one plugin, the others are served
                logger.exception("The plugin %s is left out of what is served.", plugin.name)
                continue
            listed.append(plugin)
            for path, blob_id, mode in pen.write(bundle, plugin.folder):
                root.add(path, mode, blob_id)
        content = catalogue(listed)
        for path, blob_id, mode in pen.write(Bundle.of({CATALOGUE_FILE: content}), ""):
            root.add(path, mode, blob_id)
        commit = _commit(root.store(pen))
        pen.add(commit)
        pen.flush()
        repository.refs[BRANCH] = commit.id
        repository.refs.set_symbolic_ref(HEAD, BRANCH)
    (folder / "config").write_text(CONFIG)
    (folder / CATALOGUE).write_bytes(content)
    return commit.id.decode(), missing


def _commit(tree: ObjectID) -> Commit:
    """Nothing in it tells when or where it was made."""
    commit = Commit()
    commit.tree = tree
    commit.author = commit.committer = WHO
    commit.author_time = commit.commit_time = 0
    commit.author_timezone = commit.commit_timezone = 0
    commit.encoding = b"UTF-8"
    commit.message = b"What Agnes serves\n"
    return commit


class _Pen:
    """Writes objects to the repository, some megabytes at a time, and files to the zip."""

    def __init__(self, repository: Repo, zip_path: Path) -> None:
        self._store = repository.object_store
        self._zip_path = zip_path
        self._waiting: dict[bytes, ShaFile] = {}
        self._size = 0

    def __enter__(self) -> "_Pen":
        self._zip = zipfile.ZipFile(self._zip_path, "w", zipfile.ZIP_DEFLATED)
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    def write(self, bundle: Bundle, folder: str) -> Iterator[tuple[str, ObjectID, int]]:
        """Writes the bundle's files below `folder`; gives path, id and mode of each."""
        for below in bundle.files:
            path = f"{folder}/{below}".lstrip("/")
            content = bundle.files[below]
            mode = 0o755 if below in bundle.executables else 0o644
            add_file(self._zip, path, content, mode)
            blob = Blob.from_string(content)
            self.add(blob)
            yield path, blob.id, 0o100000 | mode

    def add(self, one: ShaFile) -> None:
        if one.id in self._waiting:
            return
        self._waiting[one.id] = one
        self._size += one.raw_length()
        if self._size > PACK_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self._store.add_objects([(one, None) for one in self._waiting.values()])
        self._waiting, self._size = {}, 0


class _Folder:
    """A folder of the tree, filled path by path."""

    def __init__(self) -> None:
        self._folders: dict[str, _Folder] = {}
        self._files: dict[str, tuple[int, ObjectID]] = {}

    def add(self, path: str, mode: int, blob_id: ObjectID) -> None:
        head, slash, rest = path.partition("/")
        if slash:
            self._folders.setdefault(head, _Folder()).add(rest, mode, blob_id)
        else:
            self._files[head] = (mode, blob_id)

    def store(self, pen: _Pen) -> ObjectID:
        """Writes the tree objects below; returns this one's id."""
        tree = Tree()
        for name, (mode, blob_id) in self._files.items():
            tree.add(name.encode(), mode, blob_id)
        for name, folder in self._folders.items():
            tree.add(name.encode(), 0o040000, folder.store(pen))
        pen.add(tree)
        return tree.id


def _put(path: Path, value: dict[str, Any]) -> None:
    """All of the file or none."""
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(value))
    temporary.replace(path)


def _remove_retired(current: str) -> None:
    """Delete states whose time is up, and builds that were broken off."""
    limit = time.time() - GRACE
    for folder in served_folder().iterdir():
        with contextlib.suppress(OSError):
            if folder.is_dir() and folder.name != current and folder.stat().st_mtime < limit:
                shutil.rmtree(folder, ignore_errors=True)
