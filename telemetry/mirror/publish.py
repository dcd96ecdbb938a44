"""A finished build file becomes the published one: beside it, whole, then by one rename.

The file published before the current one is kept as a spare. When nobody reads it any more, only
the blocks that differ are written into it, so a publication costs what changed and not the whole
file. It never carries the published name while it is written.
"""

import fcntl
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PUBLISHED = "agnes.duckdb"
SPARE = "spare.duckdb"
DRAFT = "publishing.duckdb"

# DuckDB's storage: three header pages, then blocks that begin with a checksum over the rest.
HEADER_BYTES = 3 * 4096
BLOCK_BYTES = 262_144
CHECKSUM_BYTES = 8


@dataclass(frozen=True)
class Publication:
    """`written`: bytes copied to disk. `whole`: the file was copied, not its changes."""

    size: int
    written: int
    whole: bool


def publish(build: Path, folder: Path, *, whole: bool = False) -> Publication:
    """Copy `build`, a closed DuckDB file without a log, to the published name in `folder`.

    With `whole` no older file is used again and none is left: what was deleted from the build
    file is gone from the disk.
    """
    published, spare, draft = folder / PUBLISHED, folder / SPARE, folder / DRAFT
    # What a killed publication left behind is worth nothing: it may be half written.
    draft.unlink(missing_ok=True)
    publication = None if whole else _update_spare(build, published, spare, draft)
    if publication is None:
        spare.unlink(missing_ok=True)
        draft.unlink(missing_ok=True)
        publication = _copy(build, draft)
    if not whole and published.exists():
        spare.unlink(missing_ok=True)
        # Without hard links there is no spare, and every publication copies the file.
        with suppress(OSError):
            os.link(published, spare)
    os.replace(draft, published)  # noqa: PTH105 - the word the promise is made of
    _sync_folder(folder)
    return publication


def _copy(build: Path, draft: Path) -> Publication:
    shutil.copyfile(build, draft)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    return Publication(size=size, written=size, whole=True)


def _update_spare(build: Path, published: Path, spare: Path, draft: Path) -> Publication | None:
    """The spare brought up to date under the draft's name, or None when it cannot be used."""
    try:
        # A publication killed between its link and its rename leaves both names on one file.
        if spare.samefile(published):
            return None
        # Renamed first: half written it must never be taken for a spare again.
        spare.rename(draft)
    except FileNotFoundError:
        return None
    with build.open("rb") as source, draft.open("r+b") as target:
        try:
            fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return None
        size = os.fstat(source.fileno()).st_size
        if (size - HEADER_BYTES) % BLOCK_BYTES:
            return None
        written = _write_changes(source.fileno(), target.fileno(), size)
        os.fsync(target.fileno())
    return Publication(size=size, written=written, whole=False)


def _write_changes(source: int, target: int, size: int) -> int:
    """Makes `target` equal to `source`; blocks with the same checksum are the same."""
    old_size = os.fstat(target).st_size
    os.ftruncate(target, size)
    os.pwrite(target, os.pread(source, HEADER_BYTES, 0), 0)
    written = HEADER_BYTES
    for offset in range(HEADER_BYTES, size, BLOCK_BYTES):
        checksum = os.pread(source, CHECKSUM_BYTES, offset)
        if offset < old_size and checksum == os.pread(target, CHECKSUM_BYTES, offset):
            continue
        block = os.pread(source, BLOCK_BYTES, offset)
        if os.pwrite(target, block, offset) != BLOCK_BYTES:
            raise OSError("a block of the mirror could not be written whole; is the disk full?")
        written += BLOCK_BYTES
    return written


def _sync_folder(folder: Path) -> None:
    """The rename itself on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
