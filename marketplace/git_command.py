"""git run as a stranger's data deserves: no configuration, hooks, prompts or check-outs; limited.

Nothing secret is ever an argument: the token's header is configuration that goes in the
environment, where only the process itself and its user can read it.
"""

import base64
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Final

from marketplace.addresses import Address
from marketplace.git_errors import GitMissing, failure, too_large, took_too_long

MEMORY: Final = 2 * 1024**3
"""Bytes of address space for one git process."""

OLDEST: Final = (2, 37)
"""The first that takes http.curloptResolve; older ones would ignore it and ask for themselves."""

MOST_STDERR: Final = 64 * 1024
SETTINGS: Final[Sequence[tuple[str, str]]] = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.bigFileThreshold", "1m"),  # larger objects are streamed, not held in memory
    ("core.symlinks", "false"),
    ("credential.helper", ""),
    ("fetch.recurseSubmodules", "false"),
    ("fetch.unpackLimit", "1"),  # one pack, so that the limit of a file is that of the whole
    ("gc.auto", "0"),
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "20"),
    ("http.proxy", ""),
    ("maintenance.auto", "false"),
    ("pack.threads", "1"),
    ("protocol.version", "2"),
    ("submodule.recurse", "false"),
    ("transfer.bundleURI", "false"),
    ("transfer.fsckObjects", "true"),
)
LIMITED: Final = 'ulimit -f "$1"; ulimit -v "$2" 2>/dev/null; shift 2; exec "$@"'


@dataclass(frozen=True)
class Access:
    """How a repository is reached. `pinned` are the checked IP addresses, the only ones used."""

    address: Address
    pinned: tuple[str, ...] = ()
    token: str = field(default="", repr=False)

    def settings(self) -> list[tuple[str, str]]:
        """Configuration for git; holds the token."""
        found = []
        if self.pinned:
            to = f"{self.address.host}:{self.address.port}:{','.join(self.pinned)}"
            found.append(("http.curloptResolve", to))
        if self.token:
            key = f"http.{self.address.origin}/.extraHeader"
            found.append((key, f"Authorization: Basic {self._basic()}"))
        return found

    def secrets(self) -> list[str]:
        """What must not be told: the token, also as it travels, and alone of a `name:token`."""
        if not self.token:
            return []
        return [self.token, self._basic(), self.token.partition(":")[2] or self.token]

    def _basic(self) -> str:
        # Hosts take any user name beside a token; one that needs its own is given as name:token.
        pair = self.token if ":" in self.token else f"x-access-token:{self.token}"
        return base64.b64encode(pair.encode()).decode()


@dataclass(frozen=True)
class Limits:
    """`deadline` is on time.monotonic's clock; `most_bytes` is that of any file git writes."""

    deadline: float
    most_bytes: int

    def seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())


def run_git(
    *arguments: str, limits: Limits, access: Access | None = None, folder: Path | None = None
) -> bytes:
    """What git wrote to its standard output. `folder` is the bare repository it works on.

    Raises an error of marketplace.git_errors. The process and its children have ended.
    """
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as complaints:
        with started(
            *arguments,
            limits=limits,
            access=access,
            folder=folder,
            stdout=told,
            stderr=complaints,
        ) as process:
            try:
                process.wait(timeout=max(limits.seconds_left(), 0.01))
            except subprocess.TimeoutExpired:
                raise took_too_long() from None
        told.seek(0)
        complaints.seek(0)
        if process.returncode:
            text = complaints.read(MOST_STDERR).decode(errors="replace")
            if process.returncode in {-signal.SIGXFSZ, 128 + signal.SIGXFSZ}:
                raise too_large()
            raise failure(text, access.secrets() if access else [])
        return told.read()


@contextmanager
def started(
    *arguments: str,
    limits: Limits,
    access: Access | None = None,
    folder: Path | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A running git, which ends with all its children at the end of the block."""
    program = _program()
    blocks = str(max(1, -(-limits.most_bytes // 512)))
    process = subprocess.Popen(  # noqa: S603  fixed program, arguments are never words of a shell
        ["/bin/sh", "-c", LIMITED, "sh", blocks, str(MEMORY // 1024), program, *arguments],
        cwd=folder or "/",
        env=_environment(access, folder),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)


def _program() -> str:
    """Where git is. Raises GitMissing where there is none that can be held to an address."""
    program = shutil.which("git")
    found = _version(program) if program else (0, 0)
    if program is None or found < OLDEST:
        there = f"git {found[0]}.{found[1]} is too old" if program else "git is not installed"
        raise GitMissing(
            f"On this server {there}.", fix=f"Install git {OLDEST[0]}.{OLDEST[1]} or newer."
        )
    return program


@cache
def _version(program: str) -> tuple[int, int]:
    told = subprocess.run([program, "--version"], capture_output=True, check=False, timeout=10)  # noqa: S603
    found = re.search(rb"version (\d+)\.(\d+)", told.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            # Its children too, such as the one that talks to the network.
            os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    process.wait()


def _environment(access: Access | None, folder: Path | None) -> dict[str, str]:
    settings = [*SETTINGS, *(access.settings() if access else [])]
    scheme = access.address.scheme if access else ""
    if folder is not None or scheme == "file":
        # Whoever owns the folder: nothing in it is run.
        settings.append(("safe.directory", "*"))
    environment = {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": scheme or "none",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    if folder is not None:
        environment["GIT_DIR"] = str(folder)
    for number, (key, value) in enumerate(settings):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment
