"""Repositories on a server of this machine, which is allowed for the tests alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.marketplace.git_server import GitServer, serving


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
