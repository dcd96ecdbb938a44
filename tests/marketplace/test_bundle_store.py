"""Bundles are kept once, under their digest, and go when nothing names them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile

from marketplace.bundle_store import (
    BundleMissing,
    bundles,
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
