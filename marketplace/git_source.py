"""Repositories fetched into a folder of immutable copies, one for each address and commit.

A copy appears whole or not at all: it is fetched beside the others and renamed. So a sync that
fails leaves nothing behind, and one that reads is never disturbed by one that writes.
"""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from django.conf import settings

from marketplace.addresses import Address, Rules, read_address, resolve
from marketplace.git_command import Access, Limits, run_git
from marketplace.git_errors import GitFailed, RefUnknown, too_large
from marketplace.manifests.sources import SHA

REFS_BYTES: Final = 16 * 1024**2
FETCHED: Final = "refs/agnes/fetched^{commit}"
NEW: Final = ".new-"
ABANDONED_AFTER: Final = 3600
"""Seconds after which no sync can still be reading or writing a copy that nothing names."""


@dataclass(frozen=True)
class Wanted:
    """A repository at a branch or tag (`ref`, empty: the default branch), or exactly at `sha`."""

    url: str
    ref: str = ""
    sha: str = ""


@dataclass(frozen=True)
class Copy:
    """A fetched repository, bare and one commit deep."""

    folder: Path
    commit: str


@dataclass
class Source:
    """Fetches for one marketplace. `token` goes to `origin` alone, whoever else is asked."""

    store: Path
    rules: Rules
    limits: Limits
    origin: str = ""
    token: str = field(default="", repr=False)

    def access(self, url: str) -> Access:
        """The address, checked and pinned. Raises AddressRefused, HostUnknown."""
        address = read_address(url, self.rules)
        if address.scheme == "file":
            return Access(address)
        token = self.token if address.origin == self.origin else ""
        return Access(address, resolve(address, self.rules), token)

    def commit_of(self, wanted: Wanted) -> str:
        """The commit that is meant, asked of the repository's host unless it is pinned."""
        if wanted.sha:
            return wanted.sha
        access = self.access(wanted.url)
        # Not the whole of a large repository's list, which nobody needs.
        limits = Limits(self.limits.deadline, REFS_BYTES)
        names = _full_names(wanted.ref)
        told = run_git(
            "ls-remote", "--quiet", "--", access.address.url, *names, limits=limits, access=access
        )
        lines = (line.partition("\t") for line in told.decode(errors="replace").splitlines())
        found = {name: sha for sha, _, name in lines}
        commit = next((found[name] for name in names if name in found), "")
        if not SHA.fullmatch(commit):
            raise RefUnknown(
                f"The repository has no branch or tag {wanted.ref!r}."
                if wanted.ref
                else "The repository is empty.",
                fix="Check the branch or tag.",
            )
        return commit

    def copy_at(self, wanted: Wanted, commit: str) -> Copy:
        """The copy at that commit, fetched when it is not here yet."""
        # The address as it is understood, so that one repository has one copy.
        url = read_address(wanted.url, self.rules).url
        copy = Copy(self.store / f"{_digest(url)}-{commit}.git", commit)
        if not copy.folder.is_dir():
            self._fetch(wanted, copy)
        return copy

    def _fetch(self, wanted: Wanted, copy: Copy) -> None:
        access = self.access(wanted.url)
        self.store.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=NEW, dir=self.store))
        try:
            run_git("init", "--bare", "--quiet", "--template=", str(draft), limits=self.limits)
            try:
                self._fetch_commit(draft, wanted, access, copy.commit)
            except GitFailed:
                # git does not say that the one who wrote the pack was stopped at the limit.
                if _largest_file(draft) >= self.limits.most_bytes:
                    raise too_large() from None
                raise
            with suppress(OSError):  # another sync was faster with the same copy
                draft.rename(copy.folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        if not copy.folder.is_dir():
            raise GitFailed(
                "The fetched repository could not be kept.",
                fix="Check that AGNES_DATA_DIR can be written and has room.",
            )

    def _fetch_commit(self, draft: Path, wanted: Wanted, access: Access, commit: str) -> None:
        """By its id, and where a host gives only branches and tags by these, the branch or tag."""
        names = [commit] if wanted.sha else [commit, *_full_names(wanted.ref)]
        for name in names:
            try:
                self._fill(draft, access, name)
            except RefUnknown:
                if name == names[-1]:
                    raise
                continue
            told = run_git("rev-parse", FETCHED, limits=self.limits, folder=draft)
            if told.decode().strip() == commit:
                return
        raise RefUnknown(
            f"The repository did not give the commit {commit}.",
            fix="Sync again; pin a commit, not a tag object.",
        )

    def _fill(self, draft: Path, access: Access, name: str) -> None:
        run_git(
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--",
            access.address.url,
            f"+{name.removesuffix('^{}')}:refs/agnes/fetched",
            limits=self.limits,
            access=access,
            folder=draft,
        )


def source_for(slug: str, url: str, token: str, *, seconds: float) -> Source:
    """As the settings say. Raises AddressRefused."""
    rules = configured_rules()
    address: Address = read_address(url, rules)
    return Source(
        store_of(slug),
        # An address in a catalogue may lead to this machine's files only if the catalogue does.
        rules if address.scheme == "file" else rules.without_files(),
        Limits(time.monotonic() + seconds, settings.AGNES_MARKETPLACE_MAX_BYTES),
        address.origin,
        token,
    )


def configured_rules() -> Rules:
    return Rules(
        frozenset(host.lower() for host in settings.AGNES_MARKETPLACE_PRIVATE_HOSTS),
        frozenset(host.lower() for host in settings.AGNES_MARKETPLACE_HTTP_HOSTS),
        settings.AGNES_MARKETPLACE_ALLOW_FILE,
    )


def store_of(slug: str) -> Path:
    """The folder of a marketplace's copies."""
    folder: Path = settings.AGNES_MARKETPLACES_DIR
    return folder / slug


def copy_folder(slug: str, url: str, commit: str) -> Path:
    """Where the copy of a repository at a commit lies; there after each good sync."""
    return store_of(slug) / f"{_digest(read_address(url, configured_rules()).url)}-{commit}.git"


def drop_others(store: Path, kept: Iterable[Path]) -> None:
    """Delete copies that nothing names any more, and drafts of syncs that were killed."""
    names = {folder.name for folder in kept}
    oldest = time.time() - ABANDONED_AFTER
    for folder in store.iterdir() if store.is_dir() else ():
        with suppress(OSError):
            if folder.name not in names and folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)


def _largest_file(folder: Path) -> int:
    return max((path.stat().st_size for path in folder.rglob("*") if path.is_file()), default=0)


def _full_names(ref: str) -> list[str]:
    """What is asked for, the first that is there is meant; an annotated tag's commit before it."""
    if not ref:
        return ["HEAD"]
    return [f"refs/heads/{ref}", f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}"]


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:16]
