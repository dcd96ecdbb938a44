"""Repositories on a server of this machine, which is allowed for the tests alone; people who
publish in the flea market, and folders of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from accounts.models import User
from tests.marketplace.git_server import GitServer, serving
from tests.marketplace.own_folders import use_own_folders
from tests.telemetry.ask.conftest import server as server


@pytest.fixture
def git_server(tmp_path: Path, settings: Settings) -> Iterator[GitServer]:
    """A git server whose repositories lie in its `root`."""
    settings.AGNES_MARKETPLACES_DIR = tmp_path / "marketplaces"
    settings.AGNES_MARKETPLACE_PRIVATE_HOSTS = ["127.0.0.1"]
    settings.AGNES_MARKETPLACE_HTTP_HOSTS = ["127.0.0.1"]
    root = tmp_path / "served"
    root.mkdir()
    with serving(root) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Nothing that marketplaces keep lies outside."""
    with use_own_folders(tmp_path):
        yield tmp_path


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob@example.org")


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root@example.org", username="root")
