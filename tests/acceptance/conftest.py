"""Instances of the tests' own: mirror and storage start empty; laptops of their people."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from accounts import audit
from accounts.models import Scope, User
from accounts.tokens import issue_token
from telemetry import mirror
from tests.agnes_cli.laptop import Laptop

LaptopOf = Callable[[User], Laptop]


@pytest.fixture(autouse=True)
def mirror_folder(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    yield
    mirror.close()


@pytest.fixture
def laptop_of(live_server: LiveServer, tmp_path: Path) -> LaptopOf:
    """A laptop whose client is signed in, with all that its person may do."""

    def make(user: User) -> Laptop:
        scopes = [scope.value for scope in Scope if scope != Scope.ADMIN or user.is_staff]
        _, token = issue_token(
            by=user,
            user=user,
            name="laptop",
            scopes=scopes,
            now=timezone.now(),
            door=audit.Door.COMMAND,
        )
        return Laptop(tmp_path / f"home of {user.username}", live_server.url, token)

    return make
