"""Processes that prepare transcript files for an importer, and read the sessions in them.

Plain Python: none of this needs Django or a database.
"""

import gc
import zipfile
import zlib
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

from telemetry.preparation import Content, ContentChanged, Known, Prepared, prepare
from telemetry.processes import start_processes
from telemetry.readahead import ReadableFile, SessionRead, prepare_and_keep, read_sessions

WORTH_PROCESSES = 8 * 1024**2
"""Starting processes takes as long as preparing this many bytes in the one that is there."""

UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What reading a file or an archive's entry may raise."""


class Task(NamedTuple):
    """A file, its `TranscriptFile.name`, the revisions stored under it, and whether the sessions
    in it shall be read as well."""

    content: Content
    name: str
    known: tuple[Known, ...]
    read: bool = False


class Done(NamedTuple):
    """Each task's file prepared, or why it cannot be read; and the sessions that were read."""

    prepared: list[Prepared | str]
    sessions: list[SessionRead]


def prepare_all(tasks: Sequence[Task], folder: str) -> Done:
    """Runs in a process of the pool."""
    results: list[Prepared | str] = []
    readable: list[ReadableFile] = []
    for task in tasks:
        try:
            file = _prepare(task, folder)
        except (ContentChanged, *UNREADABLE) as error:
            results.append(why_unreadable(error))
        else:
            results.append(file.prepared)
            readable.append(file)
    sessions = list(read_sessions(readable)) if any(task.read for task in tasks) else []
    return Done(results, sessions)


def _prepare(task: Task, folder: str) -> ReadableFile:
    content, name, known, read = task
    if read:
        return prepare_and_keep(content, name=name, known=known, folder=folder)
    return ReadableFile(name, prepare(content, name=name, known=known, folder=folder), None)


def why_unreadable(error: BaseException) -> str:
    if isinstance(error, ContentChanged):
        return "it changed while it was read; run the import again"
    if isinstance(error, OSError):
        return f"not readable: {error.strerror or error}"
    return f"not readable: damaged archive entry ({error})"


class Preparers:
    """Where files are prepared: in this process while little came, then in a pool."""

    def __init__(self, processes: int, *, folder: str) -> None:
        """`folder` takes large frames on their way."""
        self.processes = processes
        self.folder = folder
        self._bytes = 0
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Preparers":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def expect(self, size: int) -> None:
        """So many bytes are coming; the pool is started when it is worth it."""
        self._bytes += size
        if self.processes > 1 and self._bytes > WORTH_PROCESSES and not self._pool:
            self._pool = _pool(self.processes)

    def submit(self, tasks: list[Task]) -> "Future[Done]":
        future: Future[Done] = Future()
        if self._pool is None:
            future.set_result(prepare_all(tasks, self.folder))
            return future
        try:
            return self._pool.submit(prepare_all, tasks, self.folder)
        except BrokenProcessPool as error:  # a process died while nobody was waiting
            future.set_exception(error)
            return future

    def start_again(self) -> None:
        """Replace a pool of which a process was killed."""
        self._stop()
        self._pool = _pool(self.processes)

    def _stop(self) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def _pool(processes: int) -> ProcessPoolExecutor:
    # What is decoded holds no cycles: the collector would only look through it again and again.
    return start_processes(processes, begin=gc.disable)
