"""The base of every error that people see: on a page, in the API, in a command, in the client."""

from typing import Any, ClassVar


class AgnesError(Exception):
    """A refusal with a stable `code`, a sentence saying what is wrong, and one saying the fix.

    Subclasses stand beside the code that raises them and set `code` and, when it is not 400,
    `status`. `details` holds JSON values only and nothing secret. `retry_after`: seconds after
    which the same request may succeed; None where waiting does not help or is not known to.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400

    def __init__(self, message: str, *, fix: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{message} {fix}")
        self.message = message
        self.fix = fix
        self.details = details or {}
        self.retry_after: int | None = None
