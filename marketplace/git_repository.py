"""Files of a fetched repository, read as objects: nothing is ever checked out."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from marketplace.file_tree import FileTree
from marketplace.findings import Finding, blocking, warning
from marketplace.git_command import Limits, started
from marketplace.git_errors import GitFailed, TooLarge, took_too_long
from marketplace.manifests.sources import LONGEST_PATH
from marketplace.manifests.texts import UNSEEN, shown

LARGEST_FILE: Final = 10 * 1024**2
DEEPEST: Final = 30
SYMLINK: Final = b"120000"
SUBMODULE: Final = b"160000"
FILES: Final = frozenset({b"100644", b"100755", b"100664"})
MOST_REPORTED: Final = 50
"""Findings of a repository's form; a thousand symlinks are one problem, not a thousand."""


@dataclass(frozen=True)
class Blob:
    """A file's object. `size` in bytes."""

    sha: str
    size: int
    is_program: bool = False


@dataclass(frozen=True)
class Listing:
    """The regular files of a commit's folder by path, and what was left out."""

    blobs: dict[str, Blob]
    findings: list[Finding]


class Blobs:
    """Gives files their bytes through one `git cat-file`; a context that `opened` makes."""

    def __init__(self, blobs: dict[str, Blob], ask: IO[bytes], told: IO[bytes]) -> None:
        self._blobs = blobs
        self._ask = ask
        self._told = told

    def __getitem__(self, path: str) -> bytes:
        blob = self._blobs[path]
        self._ask.write(f"{blob.sha}\n".encode())
        self._ask.flush()
        header = self._told.readline().split()
        if len(header) != 3 or header[1] != b"blob":
            raise GitFailed(
                "The fetched copy of the repository is damaged.", fix="Sync the marketplace again."
            )
        content = self._told.read(int(header[2]))
        self._told.read(1)
        return content


@contextmanager
def opened(
    folder: Path, commit: str, *, path: str = "", most_files: int, limits: Limits
) -> Iterator[tuple[FileTree, list[Finding]]]:
    """The files of `path` (empty: all) at the commit, and what was left out of them.

    `folder` is a bare repository. Raises TooLarge, GitFailed, TookTooLong.
    """
    listing = list_files(folder, commit, path=path, most_files=most_files, limits=limits)
    with started(
        "cat-file", "--batch", limits=limits, folder=folder, stdin=subprocess.PIPE
    ) as process:
        assert process.stdin is not None  # noqa: S101  asked for above
        assert process.stdout is not None  # noqa: S101
        blobs = Blobs(listing.blobs, process.stdin, process.stdout)
        programs = (path for path, blob in listing.blobs.items() if blob.is_program)
        files = FileTree(blobs, sorted(listing.blobs), programs=frozenset(programs))
        yield files, listing.findings


def list_files(
    folder: Path, commit: str, *, path: str = "", most_files: int, limits: Limits
) -> Listing:
    """Stops at the first limit that is passed, so that a tree which holds itself a thousand times
    over costs no more than any other."""
    blobs: dict[str, Blob] = {}
    findings: list[Finding] = []
    arguments = ("ls-tree", "-r", "-t", "-l", "-z", "--full-tree", f"{commit}:{path}")
    with started(*arguments, limits=limits, folder=folder) as process:
        assert process.stdout is not None  # noqa: S101
        for count, line in enumerate(_records(process.stdout, limits), start=1):
            if count > most_files:
                raise TooLarge(
                    f"The repository has more than {most_files} files and folders.",
                    fix="Take out what no plugin needs, or raise AGNES_MARKETPLACE_MAX_FILES.",
                )
            _take(line, blobs, findings)
        process.wait()
        if process.returncode:
            raise GitFailed(
                "The repository has no such folder or commit.", fix="Check the path and the commit."
            )
    return Listing(blobs, findings[:MOST_REPORTED])


def _records(stream: IO[bytes], limits: Limits) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(1 << 16):
        if not limits.seconds_left():
            raise took_too_long()
        *records, rest = (rest + chunk).split(b"\0")
        yield from records


def _take(line: bytes, blobs: dict[str, Blob], findings: list[Finding]) -> None:
    head, _, raw = line.partition(b"\t")
    mode, kind, sha, size = head.split()
    path = raw.decode(errors="replace")
    if path.count("/") >= DEEPEST:
        raise TooLarge(
            f"The path {shown(path)} is nested too deeply.",
            fix=f"Keep files within {DEEPEST} folders.",
        )
    if kind == b"tree":
        return
    problem = _problem(mode, path, raw, int(size) if size.isdigit() else 0)
    if problem is None:
        blobs[path] = Blob(sha.decode(), int(size), mode == b"100755")
    elif len(findings) < MOST_REPORTED:
        findings.append(problem)


def _problem(mode: bytes, path: str, raw: bytes, size: int) -> Finding | None:
    """Why the file is left out; None when it is taken."""
    where = shown(path) if UNSEEN.search(path) or len(path) > LONGEST_PATH else path
    if mode == SYMLINK:
        return warning("symlink", where, "Symbolic links are not followed; the file is left out.")
    if mode == SUBMODULE:
        return warning("submodule", where, "Submodules are not fetched; the folder is left out.")
    if mode not in FILES:
        return blocking("file-mode", where, "This is no regular file, so it is left out.")
    parts = path.split("/")
    unusable = UNSEEN.search(path) or "\\" in path or {"", ".", ".."}.intersection(parts)
    if unusable or path.encode() != raw:
        text = "The path holds control characters, backslashes or dots; the file is left out."
        return blocking("file-path", where, text)
    if any(part.lower() == ".git" for part in parts):
        return blocking("file-path", where, "A path may not lead into .git; the file is left out.")
    if len(path) > LONGEST_PATH:
        text = f"The path is longer than {LONGEST_PATH} characters; the file is left out."
        return blocking("file-path", where, text)
    if size > LARGEST_FILE:
        text = f"The file is larger than {LARGEST_FILE // 1024**2} MiB and is left out."
        return blocking("file-too-large", where, text)
    return None
