"""Instances of the tests' own: mirror and storage start empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from telemetry import mirror


@pytest.fixture(autouse=True)
def mirror_folder(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    yield
    mirror.close()
