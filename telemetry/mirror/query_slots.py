"""How many statements may run at once on this machine, over all its processes."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from telemetry.mirror.connection import folder
from telemetry.mirror.errors import MirrorUnavailable
from telemetry.mirror.query_errors import TooManyQueries

# Seconds to wait for a turn: enough for the short ones to pass, and an answer stays quick.
PATIENCE = 0.5
_PAUSE = 0.02


@contextmanager
def query_slot() -> Iterator[None]:
    """Hold one of the turns. Raises TooManyQueries when none is free for half a second.

    A turn is a lock on a file, so the system gives it back when the process ends in any way.
    """
    most = settings.AGNES_ASK_MAX_QUERIES
    deadline = time.monotonic() + PATIENCE
    while (slot := _take(most)) is None:
        if time.monotonic() > deadline:
            raise TooManyQueries(most)
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        os.close(slot)


def _take(most: int) -> int | None:
    for number in range(most):
        try:
            slot = os.open(folder() / f"query-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise MirrorUnavailable("There is no mirror to read.") from error
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(slot)
            continue
        return slot
    return None
