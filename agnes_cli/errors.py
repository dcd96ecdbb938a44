"""What the client says when it cannot do something, and the exit code it says it with."""

from __future__ import annotations

from typing import Any

OK = 0
FAILED = 1
USAGE = 2
NOT_SIGNED_IN = 3
TRY_LATER = 4
REFUSED = 5


class ClientError(Exception):
    """A stable `code`, a sentence saying what is wrong and one that says the fix."""

    exit_code = FAILED
    code = "failed"

    def __init__(
        self, message: str, *, fix: str, code: str = "", details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(f"{message} {fix}")
        self.message = message
        self.fix = fix
        self.code = code or type(self).code
        self.details = details or {}


class UsageError(ClientError):
    exit_code = USAGE
    code = "usage"


class NotSignedIn(ClientError):
    exit_code = NOT_SIGNED_IN
    code = "not_signed_in"


class TryLater(ClientError):
    """Nothing is wrong with what was asked: the server is away, busy or broken."""

    exit_code = TRY_LATER
    code = "try_later"

    def __init__(self, message: str, *, fix: str, wait: float = 0.0, **more: Any) -> None:
        super().__init__(message, fix=fix, **more)
        self.wait = wait
        """Seconds the server asked for; 0 when it did not."""


class Refused(ClientError):
    """The server will not do this, however often it is asked."""

    exit_code = REFUSED
    code = "refused"

    def __init__(self, message: str, *, fix: str, status: int = 0, **more: Any) -> None:
        super().__init__(message, fix=fix, **more)
        self.status = status
