"""Two `usage_process` at once come to the figures of one, on either database."""

import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from benchmarks.kill_test import Instance, differences, make_tree

OnPostgres = Callable[[str], str]


@pytest.fixture
def address() -> OnPostgres:
    """A name to the address of a new database; nothing, for SQLite, in SQLite's suite."""
    server = os.environ.get("TEST_POSTGRES_URL", "")

    def create(name: str) -> str:
        if not server:
            return ""
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return server.replace("/postgres?", f"/{name}?")

    return create


def test_two_workers_come_to_the_figures_of_one(tmp_path: Path, address: OnPostgres) -> None:
    make_tree(tmp_path / "tree", megabytes=1, seed=5)
    mark = os.environ.get("PYTEST_XDIST_WORKER", "main")
    one = Instance(tmp_path / "one", address(f"one_{mark}"))
    two = Instance(tmp_path / "two", address(f"two_{mark}"))
    importing = ("usage_import", str(tmp_path / "tree"), "--users-from-folders", "--no-process")
    for instance in (one, two):
        instance.run("migrate", "--verbosity", "0")
        instance.run(*importing)

    one.run("usage_process", "--processes", "1")
    workers = [two.start("usage_process", "--processes", "1") for _ in range(2)]

    assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    two.run("usage_process")  # the last to come may have found the rollups taken
    two.run("usage_mirror", "verify")
    assert differences(one.tables(), two.tables()) == []
