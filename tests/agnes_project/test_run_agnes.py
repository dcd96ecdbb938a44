"""`make run` as a person meets it: the real command, web server, worker and database file."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from tests.agnes_project.test_supervisor import wait_until


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Instance:
    def __init__(self, data_dir: Path, port: int, *, log_file: Path | None = None) -> None:
        self.port = port
        self.log = log_file or data_dir.with_suffix(".log")
        environment = {
            "PATH": os.environ["PATH"],
            "AGNES_DATA_DIR": str(data_dir),
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run_agnes", "--port", str(port), "--no-demo"],
                cwd=settings.BASE_DIR,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def output(self) -> str:
        return self.log.read_text()

    def wait_until_running(self) -> None:
        wait_until(
            lambda: "Agnes is running" in self.output() or self.process.poll() is not None, 90
        )
        assert self.process.poll() is None, self.output()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def get(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=40)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def instance(data_dir: Path) -> Iterator[Instance]:
    instance = Instance(data_dir, free_port())
    yield instance
    if instance.process.poll() is None:
        instance.process.kill()
        instance.process.wait()


def test_one_command_serves_and_ctrl_c_leaves_nothing_behind(
    instance: Instance, data_dir: Path
) -> None:
    instance.wait_until_running()
    second = Instance(data_dir, free_port(), log_file=data_dir.with_suffix(".second"))
    assert second.process.wait(timeout=60) == 1
    assert f"Agnes runs already on {data_dir}" in second.output()
    assert "Traceback" not in second.output()
    assert f"http://localhost:{instance.port}/" in instance.output()
    assert len(re.findall(r"password \(shown only now\): \S+", instance.output())) == 1
    assert instance.get("/livez") == (200, '{"status": "alive"}')
    assert json.loads(instance.get("/readyz")[1])["status"] == "ready"
    assert instance.get("/static/admin/css/base.css")[0] == 200
    family = instance.family()
    assert len(family) >= 4  # two leaders, each with workers

    instance.stop()

    assert instance.process.returncode == 0, instance.output()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []

    again = Instance(data_dir, instance.port)
    try:
        again.wait_until_running()
        assert "password" not in again.output()
    finally:
        again.stop()


def test_a_killed_web_server_and_a_killed_worker_are_started_again(instance: Instance) -> None:
    instance.wait_until_running()
    web, worker = sorted(
        psutil.Process(instance.process.pid).children(),
        key=lambda one: "gunicorn" not in one.cmdline(),
    )
    former = instance.family()
    web.kill()
    worker.kill()

    def answers() -> bool:
        with suppress(OSError):
            return instance.get("/livez")[0] == 200
        return False

    wait_until(lambda: instance.output().count("starting it again") == 2)
    wait_until(lambda: not any(one.is_running() for one in former))
    wait_until(answers)
    wait_until(lambda: len(instance.family()) >= 6)
    instance.stop()
    assert instance.process.returncode == 0, instance.output()


def test_a_taken_port_is_refused_with_a_way_out(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = Instance(data_dir, port)
        assert refused.process.wait(timeout=60) == 1
    assert f"Port {port}" in refused.output()
    assert "make run PORT=" in refused.output()
    assert "Traceback" not in refused.output()
    assert not (data_dir / "agnes.sqlite3").exists()


def test_a_port_that_is_none_is_refused(data_dir: Path) -> None:
    refused = Instance(data_dir, 70_000)
    assert refused.process.wait(timeout=60) == 1
    assert "choose one from 1 to 65535" in refused.output()
    assert "Traceback" not in refused.output()
