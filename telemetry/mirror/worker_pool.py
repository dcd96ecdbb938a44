"""The processes that wait for a statement: one spare is kept, so nobody waits for a start.

A worker is used once. It ends by itself when this process goes away in whatever manner: its socket
is then closed, and while it works the system's alarm is set for it.
"""

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

# Found by its folder, appended after the standard library, since the process sees no other path.
START = (
    "import sys; sys.path.extend(sys.argv[2:]); from sandbox_worker.job import main; "
    "main(int(sys.argv[1]))"
)
# A started process that nobody uses costs about 40 MB; more than one hides little more.
SPARE = 1


class WorkerGone(Exception):
    """The process ended without an answer. `was_ready`: it had started well."""

    def __init__(self, status: int | None, *, was_ready: bool) -> None:
        super().__init__(status)
        self.status = status
        self.was_ready = was_ready


class Worker:
    """One process, for one statement. Always `close` it."""

    def __init__(self) -> None:
        self.was_ready = False
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own script, no shell
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-c",
                    START,
                    str(theirs.fileno()),
                    str(Path(__file__).parent),
                    *_installed("duckdb", "pytz"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # Nothing of this process's environment, secrets least of all.
                env={"TZ": "UTC", "LC_ALL": "C.UTF-8"},
                cwd="/",
                # Ctrl-C in a terminal is this process's to handle.
                start_new_session=True,
            )

    def send(self, job: bytes, mirror: int) -> None:
        """Raises OSError when the process is gone."""
        socket.send_fds(self.socket, [len(job).to_bytes(4, "big")], [mirror])
        self.socket.sendall(job)

    def receive(self, deadline: float, most: int) -> bytes:
        """Raises TimeoutError, or EOFError when it ended or says more than `most` bytes."""
        self._read(1, deadline)
        self.was_ready = True
        size = int.from_bytes(self._read(4, deadline), "big")
        if size > most:
            raise EOFError
        return self._read(size, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        parts = bytearray()
        # Not select(), which knows no file numbers above 1023, as a busy server has.
        readable = select.poll()
        readable.register(self.socket, select.POLLIN)
        while len(parts) < size:
            left = deadline - time.monotonic()
            if left <= 0 or not readable.poll(left * 1000):
                raise TimeoutError
            try:
                part = self.socket.recv(min(size - len(parts), 1 << 20))
            except ConnectionError:
                part = b""
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def close(self) -> int | None:
        """Kill what is left of it, and wait. Its status, negative for the signal that ended it."""
        self.socket.close()
        with suppress(ProcessLookupError):
            self.process.kill()
        return self.process.wait()


def _installed(*packages: str) -> list[str]:
    """The folders these packages are imported from."""
    found = [find_spec(name) for name in packages]
    origins = [Path(spec.origin).parent.parent for spec in found if spec and spec.origin]
    return [str(folder) for folder in dict.fromkeys(origins)]


def _start() -> Worker:
    try:
        return Worker()
    except OSError as error:
        raise WorkerGone(error.errno, was_ready=False) from error


class _SpareGone(Exception):
    """The spare worker ended before it looked at the statement."""


def _answer(
    worker: Worker, job: bytes, mirror: int, deadline: float, most: int, *, is_spare: bool = False
) -> bytes:
    try:
        worker.send(job, mirror)
        return worker.receive(deadline, most)
    except (EOFError, OSError) as error:
        if isinstance(error, TimeoutError):
            raise
        if is_spare and not worker.was_ready:
            raise _SpareGone from None
        raise WorkerGone(worker.close(), was_ready=worker.was_ready) from None
    finally:
        worker.close()


class WorkerPool:
    """The spare workers of this process; safe between threads and over forks."""

    def __init__(self) -> None:
        self._spare: list[Worker] = []
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, job: bytes, mirror: int, deadline: float, most: int) -> bytes:
        """A worker's answer to `job` about the opened file `mirror`, and the worker's end.

        Raises TimeoutError after `deadline` (of time.monotonic), WorkerGone when there is none.
        """
        try:
            spare = self._take()
            if spare is not None:
                # It may have ended while it waited, or be ending.
                with suppress(_SpareGone):
                    return _answer(spare, job, mirror, deadline, most, is_spare=True)
            return _answer(_start(), job, mirror, deadline, most)
        finally:
            # The answer is there; that there will be no spare shows at the next question.
            with suppress(OSError):
                self.prepare()

    def prepare(self) -> None:
        """Have a spare worker; it gets ready by itself. Costs this process some milliseconds.

        One that ended while nobody asked is replaced. Raises OSError when none can be started.
        """
        with self._lock:
            ended = [worker for worker in self._spare if worker.process.poll() is not None]
            self._spare = [worker for worker in self._spare if worker not in ended]
            for worker in ended:
                worker.close()
            if not self._closed and len(self._spare) < SPARE:
                self._spare.append(Worker())

    def _take(self) -> Worker | None:
        with self._lock:
            return self._spare.pop() if self._spare else None

    def close(self) -> None:
        """End the spare workers; the next question starts one again."""
        with self._lock:
            workers, self._spare = self._spare, []
        for worker in workers:
            worker.close()

    def close_for_good(self) -> None:
        self._closed = True
        self.close()

    def forget(self) -> None:
        """In a forked child: the workers are the parent's, and end with it alone."""
        for worker in self._spare:
            worker.socket.close()
            # It is no child of this process: nothing to wait for.
            worker.process.returncode = -signal.SIGKILL
        self._spare = []
        self._lock = threading.Lock()


pool = WorkerPool()
os.register_at_fork(after_in_child=pool.forget)
atexit.register(pool.close_for_good)
