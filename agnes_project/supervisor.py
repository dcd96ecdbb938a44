"""Runs several programs as one: they start together, stop together and leave no orphan.

A program that was killed from outside, or that asks for it, is started again.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

from accounts.errors import AgnesError

# Longer than a web request, shorter than a person's patience; every job survives a kill.
GRACE_SECONDS = 15.0
LOOK_SECONDS = 0.2
PR_SET_PDEATHSIG = 1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_AGAIN = os.EX_TEMPFAIL
"""The exit code by which a program asks to be started again."""

RESTART_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before each restart of a program within RESTART_WINDOW; one more is given up. What
kills one process a minute, as a session that needs too much memory, is lived with."""

RESTART_WINDOW = 300.0


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
    restarts: list[float] = field(default_factory=list)
    """When it was started again, by the monotonic clock; only those within RESTART_WINDOW."""

    @property
    def may_start_again(self) -> bool:
        code = self.process.returncode
        return code is not None and (code < 0 or code == START_AGAIN)


def supervise(
    programs: Sequence[Program],
    *,
    on_started: Callable[[Callable[[], bool]], None] = lambda stopping: None,
    say: Callable[[str], None] = lambda line: None,
    grace_seconds: float = GRACE_SECONDS,
    restart_delays: Sequence[float] = RESTART_DELAYS,
) -> None:
    """Runs all programs until a stop signal arrives, then stops them and returns.

    `on_started` is called once with a function that tells whether a stop was asked for or a
    program has ended; `say` with a line for each restart. Raises ProgramStopped, after stopping
    the rest, when a program ends by itself, or was killed and started again as often as there are
    `restart_delays`. Each program leads a process group of its own, so that Ctrl-C reaches only the
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
                _start_again(ended, delays=restart_delays, stop=stop, say=say)
    finally:
        _stop_all(running, hurry=hurry, grace_seconds=grace_seconds)
        for number, handler in former.items():
            signal.signal(number, handler)


def _start_again(
    ended: _Running,
    *,
    delays: Sequence[float],
    stop: threading.Event,
    say: Callable[[str], None],
) -> None:
    name, how = ended.program.name, _how(ended.process)
    if not ended.may_start_again:
        raise ProgramStopped(
            f"The {name} stopped by itself ({how}), so everything was stopped.",
            fix="Its own lines above say why.",
        )
    # What it left behind would work beside its successor.
    _kill_group(ended)
    now = time.monotonic()
    ended.restarts = [at for at in ended.restarts if now - at < RESTART_WINDOW]
    if len(ended.restarts) >= len(delays):
        raise ProgramStopped(
            f"The {name} was killed from outside ({how}) and started again {len(delays)} times "
            "within a few minutes, so everything was stopped.",
            fix="Find out who kills it: the kernel does when memory is short (dmesg says "
            "'Out of memory'). Give it more, or set AGNES_WORKERS=1, and start again.",
        )
    delay = delays[len(ended.restarts)]
    say(f"The {name} was killed or got stuck ({how}): starting it again in {delay:g} s.")
    if stop.wait(delay):
        return
    ended.restarts.append(time.monotonic())
    ended.process = _start(ended.program)


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
        _kill_group(item)


def _kill_group(item: _Running) -> None:
    with suppress(ProcessLookupError):
        os.killpg(item.process.pid, signal.SIGKILL)
    item.process.wait()
