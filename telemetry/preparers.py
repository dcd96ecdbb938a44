"""Processes that prepare transcript files for an importer.

Plain Python: a process of the pool loads neither Django nor a database.
"""

import zipfile
import zlib
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor

from telemetry.preparation import Content, ContentChanged, Known, Prepared, prepare
from telemetry.processes import start_processes

WORTH_PROCESSES = 8 * 1024**2
"""Starting processes takes as long as preparing this many bytes in the one that is there."""

UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What reading a file or an archive's entry may raise."""

Task = tuple[Content, str, tuple[Known, ...]]
"""Content, its `TranscriptFile.name`, and the revisions stored under it."""


def prepare_all(tasks: Sequence[Task], folder: str) -> list[Prepared | str]:
    """Runs in a process of the pool: each file prepared, or why it cannot be read."""
    results: list[Prepared | str] = []
    for content, name, known in tasks:
        try:
            results.append(prepare(content, name=name, known=known, folder=folder))
        except (ContentChanged, *UNREADABLE) as error:
            results.append(why_unreadable(error))
    return results


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
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def expect(self, size: int) -> None:
        """So many bytes are coming; the pool is started when it is worth it."""
        self._bytes += size
        if self.processes > 1 and self._bytes > WORTH_PROCESSES and not self._pool:
            self._pool = start_processes(self.processes)

    def submit(self, tasks: list[Task]) -> "Future[list[Prepared | str]]":
        if self._pool:
            return self._pool.submit(prepare_all, tasks, self.folder)
        future: Future[list[Prepared | str]] = Future()
        future.set_result(prepare_all(tasks, self.folder))
        return future
