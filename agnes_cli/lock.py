"""One push at a time, whichever windows and hooks start one; gone when its process is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from agnes_cli.errors import TryLater
from agnes_cli.folders import make_private

LOOK = 0.1


class PushRunning(TryLater):
    code = "push_running"


@contextmanager
def locked(path: Path, *, patience: float = 0.0) -> Iterator[None]:
    """Raises PushRunning when another process holds it for longer than `patience` seconds."""
    make_private(path.parent)
    with path.open("a+b") as file:
        ends = time.monotonic() + patience
        while not _take(file):
            if time.monotonic() >= ends:
                raise PushRunning(
                    "Another push is running on this machine.",
                    fix="It sends everything; look with: agnes status",
                )
            time.sleep(LOOK)
        try:
            yield
        finally:
            _release(file)


if os.name == "nt":  # pragma: no cover
    import msvcrt

    def _take(file: IO[bytes]) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def _release(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:
    import fcntl

    def _take(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _release(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
