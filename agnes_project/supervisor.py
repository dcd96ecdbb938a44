"""Runs several programs as one: they start together, stop together and leave no orphan."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from accounts.errors import AgnesError

# Longer than a web request, shorter than a person's patience; every job survives a kill.
GRACE_SECONDS = 15.0
LOOK_SECONDS = 0.2
PR_SET_PDEATHSIG = 1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ProgramStopped(AgnesError):
    code = "program_stopped"
    status = 500


@dataclass(frozen=True)
class Program:
    name: str
    command: Sequence[str]


@dataclass
class _Running:
    program: Program
    process: subprocess.Popen[bytes]


def supervise(
    programs: Sequence[Program],
    *,
    on_started: Callable[[Callable[[], bool]], None] = lambda stopping: None,
    grace_seconds: float = GRACE_SECONDS,
) -> None:
    """Runs all programs until a stop signal arrives, then stops them and returns.

    `on_started` is called once with a function that tells whether a stop was asked for or a
    program has ended. Raises ProgramStopped, after stopping the rest, when a program ends by
    itself. Each program leads a process group of its own, so that Ctrl-C reaches only the
    supervisor and a group can be killed whole. A second stop signal kills at once.
    """
    stop = threading.Event()
    hurry = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        (hurry if stop.is_set() else stop).set()

    former = {number: signal.signal(number, ask_to_stop) for number in STOP_SIGNALS}
    running: list[_Running] = []
    try:
        running.extend(_Running(program, _start(program)) for program in programs)
        on_started(lambda: stop.is_set() or _first_ended(running) is not None)
        while not stop.wait(LOOK_SECONDS):
            ended = _first_ended(running)
            if ended is not None:
                raise ProgramStopped(
                    f"The {ended.program.name} stopped by itself ({_how(ended.process)}), "
                    "so everything was stopped.",
                    fix="Its own lines above say why.",
                )
    finally:
        _stop_all(running, hurry=hurry, grace_seconds=grace_seconds)
        for number, handler in former.items():
            signal.signal(number, handler)


def _start(program: Program) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  (the commands are our own)
        list(program.command),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _first_ended(running: Sequence[_Running]) -> _Running | None:
    return next((item for item in running if item.process.poll() is not None), None)


def _how(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _stop_all(running: Sequence[_Running], *, hurry: threading.Event, grace_seconds: float) -> None:
    for item in running:
        with suppress(ProcessLookupError):
            item.process.terminate()
    deadline = time.monotonic() + grace_seconds
    while any(item.process.poll() is None for item in running):
        if hurry.wait(0.05) or time.monotonic() > deadline:
            break
    for item in running:
        # Also where the leader has ended: what it left behind has its group.
        with suppress(ProcessLookupError):
            os.killpg(item.process.pid, signal.SIGKILL)
        item.process.wait()
