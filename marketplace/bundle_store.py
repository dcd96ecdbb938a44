"""Bundles in Django's storage, named by their content: written before the rows that name them.

The same content is kept once. A bundle never changes, so a reader meets either all of it or none;
one that no row names any more is left to `sweep_bundles`.
"""

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from marketplace.bundles import Bundle, pack, unpack

logger = logging.getLogger(__name__)

ORPHAN_AGE = timedelta(days=1)
"""Longer than any transaction takes that is going to name a stored bundle."""

BATCH = 500


class BundleMissing(RuntimeError):
    """A bundle that a row names is not in the storage."""


def bundles() -> Storage:
    return storages["bundles"]


def store_bundle(bundle: Bundle) -> str:
    """Keep the bundle; returns its digest, by which it is found again."""
    digest = bundle.digest()
    if not bundles().exists(_name(digest)):
        # Written under the same name at the same time it may get another one, which is swept.
        bundles().save(_name(digest), ContentFile(pack(bundle)))
    return digest


def read_packed(digest: str) -> bytes:
    """The zip of a stored bundle. Raises BundleMissing."""
    try:
        with bundles().open(_name(digest)) as file:
            content = file.read()
    except FileNotFoundError as error:
        raise BundleMissing(f"the bundle {digest} is not in the storage") from error
    assert isinstance(content, bytes)  # noqa: S101  opened for bytes
    return content


def read_bundle(digest: str) -> Bundle:
    """Raises BundleMissing."""
    return unpack(read_packed(digest))


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
