"""Bundles in Django's storage, named by their content: written before the rows that name them.

The same content is kept once. A bundle never changes, so a reader meets either all of it or none;
one that no row names any more is left to `sweep_bundles`.
"""

import contextlib
import itertools
import logging
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages

from marketplace.bundles import Bundle, pack, unpack

logger = logging.getLogger(__name__)

ORPHAN_AGE = timedelta(days=1)
"""Longer than any transaction takes that is going to name a stored bundle."""

BATCH = 500


UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, RuntimeError)
"""What reading a zip raises that was damaged."""


class BundleMissing(RuntimeError):
    """A bundle that a row names is not in the storage, or not as it was stored."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"the bundle {digest} is not in the storage, or damaged there")
        self.digest = digest


def bundles() -> Storage:
    return storages["bundles"]


def store_bundle(bundle: Bundle) -> str:
    """Keep the bundle; returns its digest, by which it is found again.

    One that is there already is read, and written anew where it was damaged.
    """
    digest = bundle.digest()
    if not is_stored(digest):
        _write(_name(digest), pack(bundle))
    return digest


def is_stored(digest: str) -> bool:
    """Whether the bundle is there, and whole."""
    try:
        read_bundle(digest)
    except BundleMissing:
        return False
    return True


def read_packed(digest: str) -> bytes:
    """The zip of a stored bundle. Raises BundleMissing."""
    return _read(digest)[0]


def read_bundle(digest: str) -> Bundle:
    """Raises BundleMissing."""
    return _read(digest)[1]


def _read(digest: str) -> tuple[bytes, Bundle]:
    """The zip and what is in it, which is what the digest says. Raises BundleMissing."""
    try:
        with bundles().open(_name(digest)) as file:
            content = file.read()
        bundle = unpack(content)
    except (FileNotFoundError, *UNREADABLE) as error:
        raise BundleMissing(digest) from error
    if bundle.digest() != digest:
        raise BundleMissing(digest)
    assert isinstance(content, bytes)  # noqa: S101  opened for bytes
    return content, bundle


def _write(name: str, content: bytes) -> None:
    """All of the file or none: what was broken off has a name that is swept."""
    storage = bundles()
    if not isinstance(storage, FileSystemStorage):
        storage.save(name, ContentFile(content))
        return
    written = storage.save(f"{name}.part", ContentFile(content))
    Path(storage.path(written)).replace(storage.path(name))


def sweep_bundles(named: Callable[[list[str]], set[str]], *, now: datetime) -> int:
    """Delete stored bundles that no row names and that are older than a day; returns how many.

    `named` tells which of some digests are still named.
    """
    swept = 0
    found = _stored()
    while batch := list(itertools.islice(found, BATCH)):
        kept = named([_digest(name) for name in batch])
        for name in batch:
            if _digest(name) not in kept or name != _name(_digest(name)):
                swept += _delete_if_old(name, now - ORPHAN_AGE)
    return swept


def _delete_if_old(name: str, limit: datetime) -> int:
    with contextlib.suppress(FileNotFoundError):
        if bundles().get_modified_time(name) < limit:
            bundles().delete(name)
            return 1
    return 0


def _stored() -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        for folder in bundles().listdir("")[0]:
            for file in bundles().listdir(folder)[1]:
                yield f"{folder}/{file}"


def _name(digest: str) -> str:
    return f"{digest[:2]}/{digest}.zip"


def _digest(name: str) -> str:
    return name.partition("/")[2][:64]
