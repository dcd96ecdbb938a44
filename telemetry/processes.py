"""Processes beside this one: how they start, and that they end with it. Plain Python."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import forkserver, get_all_start_methods, get_context, parent_process
from typing import Any

PRELOADED = "telemetry.preloaded"
"""What the server imports once, for all the processes that are forked from it."""


def start_processes(count: int, *, begin: Callable[[], None] | None = None) -> ProcessPoolExecutor:
    """An executor over `count` processes, each of which calls `begin` (picklable) first.

    They share nothing with this process, above all not the database's connection, and end when it
    ends, also when it is killed. Ctrl-C is this process's to handle.
    """
    # Forked from a server that was started afresh, which is quicker than starting each.
    return ProcessPoolExecutor(count, mp_context=_context(), initializer=_start, initargs=(begin,))


def expect_processes() -> None:
    """Processes will be wanted soon: what they are forked from starts beside this process."""
    if "forkserver" in get_all_start_methods():
        _context()
        forkserver.ensure_running()


def _context() -> Any:
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context: Any = get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context


def _start(begin: Callable[[], None] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin()


def _end_with_parent() -> None:
    # The executor's processes wait for jobs in a pipe that each of them keeps open for the others.
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
