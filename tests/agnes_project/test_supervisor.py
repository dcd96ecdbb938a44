"""The supervisor over real processes that leave children of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings

# A program that starts a child, writes both ids down, and waits; some refuse to be told to stop.
PROGRAM = """
import os, signal, subprocess, sys, time
if {stubborn}: signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({file!r} + ".part", "w").write(f"{{os.getpid()}} {{child.pid}}")
os.rename({file!r} + ".part", {file!r})
time.sleep({seconds})
if {killed}: os.kill(os.getpid(), signal.SIGKILL)
sys.exit({code})
"""
SUPERVISOR = """
import sys
from agnes_project.supervisor import Program, ProgramStopped, supervise
programs = [Program(name, [sys.executable, "-c", code]) for name, code in {programs!r}]
try:
    say = lambda line: print(line, flush=True)
    supervise(programs, grace_seconds=1, restart_delays=(0.1, 0.1), say=say)
except ProgramStopped as error:
    sys.exit(str(error))
"""


class Run:
    """One supervisor with two programs; `ids` are those of the programs and their children."""

    def __init__(self, folder: Path, **second: object) -> None:
        programs = []
        for name, changes in (("first", {}), ("second", second)):
            values = {"file": str(folder / name), "stubborn": False, "seconds": 600, "code": 0}
            values["killed"] = False
            programs.append((name, PROGRAM.format(**{**values, **changes})))
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR.format(programs=programs)],
            env={**os.environ, "PYTHONPATH": str(settings.BASE_DIR)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.folder = folder
        files = [folder / "first", folder / "second"]
        wait_until(lambda: all(file.exists() for file in files))
        self.ids = [int(word) for file in files for word in file.read_text().split()]

    def file(self, name: str) -> Path:
        return self.folder / name

    def alive(self) -> list[int]:
        return [number for number in self.ids if is_running(number)]


def is_running(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(**second: object) -> Run:
        runs.append(Run(tmp_path, **second))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()
        # Before reading to the end of their pipe, which what still lives would hold open.
        for number in run.alive():
            os.kill(number, signal.SIGKILL)
        run.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_stops_programs_and_their_children(
    start: Callable[..., Run], number: signal.Signals
) -> None:
    run = start()
    run.process.send_signal(number)
    _, errors = run.process.communicate(timeout=20)
    assert (run.process.returncode, errors) == (0, "")
    assert run.alive() == []


def test_a_program_that_refuses_to_stop_is_killed_after_the_grace(
    start: Callable[..., Run],
) -> None:
    run = start(stubborn=True)
    run.process.terminate()
    run.process.communicate(timeout=20)
    assert run.alive() == []


@pytest.mark.parametrize(("code", "how"), [(3, "exit code 3"), (0, "exit code 0")])
def test_a_program_that_ends_stops_all_with_a_clear_line(
    start: Callable[..., Run], code: int, how: str
) -> None:
    run = start(seconds=0.5, code=code)
    _, errors = run.process.communicate(timeout=20)
    assert run.process.returncode == 1
    assert f"The second stopped by itself ({how})" in errors
    assert run.alive() == []


def test_a_program_that_was_killed_is_started_again_without_its_orphans(
    start: Callable[..., Run],
) -> None:
    run = start()
    first = run.ids[2:]
    run.file("second").unlink()
    os.kill(first[0], signal.SIGKILL)
    wait_until(run.file("second").exists)
    wait_until(lambda: not any(is_running(number) for number in first))
    run.ids += [int(word) for word in run.file("second").read_text().split()]
    assert not set(run.alive()) & set(first)
    run.process.terminate()
    output, errors = run.process.communicate(timeout=20)
    assert (run.process.returncode, errors) == (0, "")
    assert "The second was killed or got stuck (SIGKILL): starting it again" in output
    assert run.alive() == []


def test_a_program_that_asks_for_it_is_started_again(start: Callable[..., Run]) -> None:
    run = start(seconds=0.2, code=os.EX_TEMPFAIL)
    output, errors = run.process.communicate(timeout=20)
    assert output.count("starting it again") == 2
    assert "so everything was stopped" in errors


def test_a_program_that_is_killed_again_and_again_stops_all_and_says_that_it_was_killed(
    start: Callable[..., Run],
) -> None:
    run = start(seconds=0.2, killed=True)
    _, errors = run.process.communicate(timeout=20)
    assert run.process.returncode == 1
    assert "The second was killed from outside (SIGKILL) and started again 2 times" in errors
    assert "Find out who kills it" in errors
    assert "lines above" not in errors
    assert run.alive() == []


@pytest.mark.skipif(sys.platform != "linux", reason="a signal at the parent's death is Linux's")
def test_programs_end_when_the_supervisor_is_killed(start: Callable[..., Run]) -> None:
    run = start()
    leaders = run.ids[::2]
    run.process.kill()
    wait_until(lambda: not any(is_running(number) for number in leaders))
