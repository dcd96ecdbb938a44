"""One running Agnes for all tests of the client, each with a person and a laptop of its own."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.agnes_cli.laptop import Laptop, make_people
from tests.agnes_cli.network import Network, network
from tests.agnes_project.test_run_agnes import Instance, free_port

NAMES = [f"person-{number}" for number in range(40)]
MakeLaptop = Callable[..., Laptop]


class Running:
    """The instance and unused accounts in it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.instance = Instance(data_dir, free_port())
        self.instance.wait_until_running()
        scopes = ["push", "read"]
        self.tokens = make_people(
            data_dir, ("boss", True, [*scopes, "admin"]), *((name, False, scopes) for name in NAMES)
        )
        self._unused = itertools.chain(NAMES)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.instance.port}"

    def token(self) -> str:
        """Of somebody who has nothing stored yet."""
        return self.tokens[next(self._unused)]

    def restart(self) -> None:
        self.instance = Instance(self.data_dir, self.instance.port)
        self.instance.wait_until_running()


@pytest.fixture(scope="session")
def agnes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("agnes") / "data")
    yield running
    running.instance.stop()


@pytest.fixture
def laptop(agnes: Running, tmp_path: Path) -> Laptop:
    return Laptop(tmp_path / "home", agnes.url, agnes.token())


@pytest.fixture
def line(agnes: Running) -> Iterator[Network]:
    """The way from a laptop to the instance."""
    with network(agnes.instance.port) as made:
        yield made
