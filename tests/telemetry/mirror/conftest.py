"""A mirror folder of the test's own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from telemetry import mirror
from tests.telemetry.mirror.filled_mirror import publish_filled_mirror
from tests.telemetry.mirror.sandbox_engine import Engine


@pytest.fixture(autouse=True)
def mirror_folder(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    yield tmp_path / "mirror"
    mirror.close()


@pytest.fixture(scope="session")
def filled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled") / "mirror"
    publish_filled_mirror(folder)
    return folder


@pytest.fixture
def filled_mirror(mirror_folder: Path, filled_folder: Path, settings: Settings) -> Path:
    """The folder of a published mirror of 2,000 events, the same for all tests: only read it."""
    settings.AGNES_MIRROR_DIR = filled_folder
    return filled_folder


@pytest.fixture(scope="session")
def engine(filled_folder: Path) -> Iterator[Engine]:
    """One for all tests: nothing that a statement does may change it."""
    mirror = os.open(filled_folder / "agnes.duckdb", os.O_RDONLY)
    opened = Engine(mirror)
    yield opened
    opened.connection.close()
    os.close(mirror)
