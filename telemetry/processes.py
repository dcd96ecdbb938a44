"""Processes beside this one: how they start, and that they end with it. Plain Python."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_all_start_methods, get_context, parent_process


def start_processes(count: int, *, begin: Callable[[], None] | None = None) -> ProcessPoolExecutor:
    """An executor over `count` processes, each of which calls `begin` (picklable) first.

    They share nothing with this process, above all not the database's connection, and end when it
    ends, also when it is killed. Ctrl-C is this process's to handle.
    """
    # Forked from a server that was started afresh, which is quicker than starting each.
    method = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"
    return ProcessPoolExecutor(
        count, mp_context=get_context(method), initializer=_start, initargs=(begin,)
    )


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
