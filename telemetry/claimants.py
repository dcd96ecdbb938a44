"""Which process took something, and whether that process is still there."""

import os
import socket
from functools import cache

import psutil


@cache
def _started_ms(pid: int) -> int:
    return int(psutil.Process(pid).create_time() * 1000)


def this_claimant() -> str:
    """This process: host, process id, and when it started in ms."""
    pid = os.getpid()
    return f"{this_host()}:{pid}:{_started_ms(pid)}"


def this_host() -> str:
    return socket.gethostname()[:60]


def is_gone(claimant: str) -> bool:
    """Whether a process of this host is known to have ended; False for any other host's."""
    host, _, rest = claimant.partition(":")
    pid, _, started = rest.partition(":")
    if host != this_host() or not pid.isdigit() or not started.isdigit():
        return False
    try:
        return int(psutil.Process(int(pid)).create_time() * 1000) != int(started)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
