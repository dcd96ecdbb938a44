"""What the system lets the process do: set before DuckDB is opened, and again before the SQL."""

import contextlib
import resource
from pathlib import Path

MEGABYTE = 1024 * 1024
# DuckDB reserves far more than it uses; lowered below to what is in use and some room.
START_ADDRESS_SPACE = 4096 * MEGABYTE
ROOM = 640 * MEGABYTE
# Seconds of all threads together. The clock ends a statement long before.
PROCESSOR_SECONDS = 30


def limit(kind: int, amount: int) -> None:
    """For good: the hard limit cannot be raised again."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        amount = min(amount, hard)
    resource.setrlimit(kind, (amount, amount))


def set_first_limits() -> None:
    limit(resource.RLIMIT_AS, START_ADDRESS_SPACE)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_CPU, PROCESSOR_SECONDS)
    limit(resource.RLIMIT_NOFILE, 64)


def set_last_limits() -> None:
    """No further file, socket, process or thread, and little further memory."""
    with contextlib.suppress(OSError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit(resource.RLIMIT_AS, used + ROOM)
    limit(resource.RLIMIT_NOFILE, 0)
    limit(resource.RLIMIT_NPROC, 0)
