"""What can be wrong with the mirror. None of it stops sign-in, upload or processing."""

from typing import ClassVar

from accounts.errors import AgnesError

REBUILD = "Run manage.py usage_mirror rebuild; the worker also does so at its next tick."


class MirrorUnavailable(AgnesError):
    """There is no published mirror that this version of Agnes can read."""

    code: ClassVar[str] = "mirror_unavailable"
    status: ClassVar[int] = 503

    def __init__(self, message: str) -> None:
        super().__init__(message, fix=REBUILD)


class MirrorBusy(AgnesError):
    """Another process writes the mirror right now."""

    code: ClassVar[str] = "mirror_busy"
    status: ClassVar[int] = 409

    def __init__(self) -> None:
        super().__init__(
            "Another process writes the mirror right now.",
            fix="Wait until it is done; a process that died gives way within a minute.",
        )
