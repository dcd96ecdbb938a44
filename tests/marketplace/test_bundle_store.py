"""Bundles are kept once, under their digest, and go when nothing names them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile

from marketplace.bundle_store import (
    BundleMissing,
    bundles,
    is_stored,
    read_bundle,
    read_packed,
    store_bundle,
    sweep_bundles,
)
from marketplace.bundles import Bundle, pack
from tests.marketplace.own_folders import files_below

ONE = Bundle.of({"SKILL.md": b"one", "run.sh": b"#!/bin/sh\n"}, frozenset({"run.sh"}))
OTHER = Bundle.of({"SKILL.md": b"other"})


pytestmark = pytest.mark.usefixtures("folder")


def test_a_bundle_comes_back_as_it_was() -> None:
    digest = store_bundle(ONE)
    back = read_bundle(digest)

    assert dict(back.files) == dict(ONE.files)
    assert back.executables == ONE.executables
    assert read_packed(digest) == pack(ONE)


def test_the_same_content_is_kept_once(folder: Path) -> None:
    assert store_bundle(ONE) == store_bundle(ONE) != store_bundle(OTHER)
    assert len(files_below(folder)) == 2


def test_a_bundle_that_is_gone_is_named() -> None:
    with pytest.raises(BundleMissing, match="0000"):
        read_bundle("0" * 64)


@pytest.mark.parametrize("damage", ["half", "empty", "other", "no zip"])
def test_a_damaged_bundle_is_missing_until_it_is_stored_again(folder: Path, damage: str) -> None:
    digest = store_bundle(ONE)
    file = Path(bundles().path(f"{digest[:2]}/{digest}.zip"))
    whole = file.read_bytes()
    file.unlink()
    damaged = {"half": whole[: len(whole) // 2], "empty": b"", "other": pack(OTHER)}
    file.write_bytes(damaged.get(damage, b"no zip at all"))

    with pytest.raises(BundleMissing, match=digest):
        read_bundle(digest)
    with pytest.raises(BundleMissing, match=digest):
        read_packed(digest)
    assert store_bundle(ONE) == digest
    assert read_packed(digest) == whole
    assert len(files_below(folder)) == 1


def test_a_write_that_is_broken_off_leaves_nothing_that_is_taken_for_the_bundle(
    folder: Path,
) -> None:
    digest = store_bundle(ONE)
    name = f"{digest[:2]}/{digest}.zip"
    file = Path(bundles().path(name))
    file.rename(file.with_name(f"{file.name}.part"))

    assert not is_stored(digest)
    assert store_bundle(ONE) == digest
    assert is_stored(digest)
    later = datetime.now(UTC) + timedelta(days=2)
    assert sweep_bundles(lambda digests: set(digests), now=later) == 1
    assert files_below(folder / "bundles") == [name]


def test_only_old_bundles_that_nothing_names_are_swept() -> None:
    kept, gone = store_bundle(ONE), store_bundle(OTHER)
    bundles().save(f"{kept[:2]}/{kept}_x1y2.zip", ContentFile(b"a second copy"))
    now = datetime.now(UTC)

    def named(digests: list[str]) -> set[str]:
        return {kept} & set(digests)

    assert sweep_bundles(named, now=now) == 0
    assert sweep_bundles(named, now=now + timedelta(days=2)) == 2
    assert read_bundle(kept)
    with pytest.raises(BundleMissing):
        read_bundle(gone)
