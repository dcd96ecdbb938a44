"""Which process took something, and whether that process is still there."""

import os
import re
import socket
from functools import cache
from pathlib import Path

import psutil

CLOCK_STEPS_MS = 5_000
"""Where a start is a time, it is computed from a wall clock that may be set meanwhile."""

_PID = re.compile(r"[0-9]{1,10}")
_MARK = re.compile(r"[0-9]+|[0-9a-f]{8}-[0-9]+")


def this_claimant() -> str:
    """This process: host, process id, and a mark that no later process of this id has."""
    return _this_claimant(os.getpid())  # anew in a forked process


@cache
def _this_claimant(pid: int) -> str:
    return claimant_of(pid)


def claimant_of(pid: int) -> str:
    """The claimant of a process of this host. Raises psutil.NoSuchProcess."""
    return f"{this_host()}:{pid}:{_mark(pid)}"


def this_host() -> str:
    return socket.gethostname()[:60]


def is_gone(claimant: str) -> bool:
    """Whether a process of this host is known to have ended.

    False for any other host's, and for what no claimant looks like.
    """
    host, _, rest = claimant.partition(":")
    pid, _, mark = rest.partition(":")
    if host != this_host() or not _PID.fullmatch(pid) or not _MARK.fullmatch(mark):
        return False
    try:
        return _differs(int(pid), mark)
    except (psutil.NoSuchProcess, OverflowError):
        return True
    except (psutil.Error, OSError):
        return False


def _differs(pid: int, mark: str) -> bool:
    """Whether the process that has this id now is another one. Raises psutil.NoSuchProcess."""
    started = _started_ms(pid)
    if mark.isdigit():
        return abs(started - int(mark)) > CLOCK_STEPS_MS
    ticks = _boot_and_ticks(pid)
    return bool(ticks) and mark != ticks


def _mark(pid: int) -> str:
    return _boot_and_ticks(pid) or str(_started_ms(pid))


def _boot_and_ticks(pid: int) -> str:
    """On Linux the boot and the clock ticks from it to the process's start, which setting the
    clock does not change; empty elsewhere."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        # The name of the program comes second, in brackets, and may hold anything.
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return f"{boot}-{stat[19]}"


def _started_ms(pid: int) -> int:
    return int(psutil.Process(pid).create_time() * 1000)
