"""A local provider of the Messages API and settings that lead to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from telemetry import mirror
from tests.telemetry.ask.messages_server import MessagesServer, messages_server

KEY = "sk-local-0123456789-never-shown"


@pytest.fixture
def server(settings: Settings) -> Iterator[MessagesServer]:
    with messages_server() as running:
        running.key = KEY
        settings.AGNES_ANTHROPIC_API_KEY = KEY
        settings.AGNES_ANTHROPIC_BASE_URL = running.url
        yield running


@pytest.fixture
def mirror_folder(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    yield tmp_path / "mirror"
    mirror.close()
