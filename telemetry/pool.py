"""Processes that read transcripts side by side. Imports no models: Django starts in each later."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from telemetry.processes import start_processes

AHEAD = 64
AHEAD_WEIGHT = 96 * 1024 * 1024
"""Jobs handed over beyond those being worked on, in number and in bytes of transcript: enough to
keep all processes busy while what they found is being stored, few enough to hold in memory."""


class Pool:
    """Applies functions to jobs in other processes, a bounded number at a time.

    A job that kills its process is tried once more alone; if it does so again, it fails with
    BrokenProcessPool and the others go on.
    """

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._executor: ProcessPoolExecutor | None = None

    def map(
        self, pairs: Iterable[tuple[Any, Any]], function: Callable[[Any], Any]
    ) -> Iterator[tuple[Any, Any]]:
        """(first, function(second)) of each pair, or (first, exception), in their order."""
        running: deque[tuple[Future[Any], tuple[Any, Any]]] = deque()
        weight = 0
        for pair in pairs:
            running.append((self._submit(function, pair[1]), pair))
            weight += getattr(pair[1], "size", 0)
            while running and (len(running) >= self.processes + AHEAD or weight > AHEAD_WEIGHT):
                weight -= getattr(running[0][1][1], "size", 0)
                yield self._next(running, function)
        while running:
            yield self._next(running, function)

    def _next(
        self,
        running: deque[tuple[Future[Any], tuple[Any, Any]]],
        function: Callable[[Any], Any],
    ) -> tuple[Any, Any]:
        future, (first, job) = running.popleft()
        error = future.exception()
        if not isinstance(error, BrokenProcessPool):
            return first, future.result() if error is None else error
        # Whoever broke the pool took the others with it: this one goes alone, the rest anew.
        self.close()
        result = self._alone(function, job)
        rest = [pair for _, pair in running]
        running.clear()
        running.extend((self._submit(function, pair[1]), pair) for pair in rest)
        return first, result

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None

    def _submit(self, function: Callable[[Any], Any], job: Any) -> Future[Any]:
        if self._executor is None:
            self._executor = start_processes(self.processes, begin=_start_django)
        try:
            return self._executor.submit(function, job)
        except BrokenProcessPool as error:  # a process died while nobody was waiting
            broken: Future[Any] = Future()
            broken.set_exception(error)
            return broken

    def _alone(self, function: Callable[[Any], Any], job: Any) -> Any:
        with start_processes(1, begin=_start_django) as executor:
            try:
                return executor.submit(function, job).result()
            except Exception as error:
                return error


class Here:
    """The same as Pool, in this process."""

    processes = 1

    def map(
        self, pairs: Iterable[tuple[Any, Any]], function: Callable[[Any], Any]
    ) -> Iterator[tuple[Any, Any]]:
        for first, job in pairs:
            try:
                result: Any = function(job)
            except Exception as error:
                result = error
            yield first, result

    def close(self) -> None:
        pass


@contextmanager
def worker_pool(processes: int) -> Iterator[Pool | Here]:
    """A pool of this many processes, started when first used; 0 and 1 work in this process."""
    pool = Pool(processes) if processes > 1 else Here()
    try:
        yield pool
    finally:
        pool.close()


def _start_django() -> None:
    import gc

    import django

    # What a job makes is freed by counting references; the collector would only look through it.
    gc.disable()
    django.setup()
