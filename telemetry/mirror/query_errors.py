"""How a statement in the sandbox can end without an answer."""

from typing import ClassVar

from accounts.errors import AgnesError


class QueryRefused(AgnesError):
    """The sandbox itself found that the statement wants more than the mirror's tables."""

    code: ClassVar[str] = "query_refused"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"The statement was not run: {problem}.",
            fix="Write one SELECT over the tables of the mirror.",
        )


class QueryFailed(AgnesError):
    """DuckDB could not bind or run the statement.

    `message` has DuckDB's own sentence, which may quote values of the data: for people who may
    read the data. `engine_class` (as BinderException) and `identifiers` (names of columns, tables
    and functions that the error is about) hold none.
    """

    code: ClassVar[str] = "query_failed"

    def __init__(self, engine_class: str, sentence: str, identifiers: tuple[str, ...]) -> None:
        super().__init__(
            f"The statement could not be run: {sentence.rstrip('.')}.",
            fix="Correct the SQL, or ask in other words.",
            details={"engine_class": engine_class, "identifiers": list(identifiers)},
        )
        self.engine_class = engine_class
        self.identifiers = identifiers


class QueryTimedOut(AgnesError):
    """The statement did not end in time and was stopped."""

    code: ClassVar[str] = "query_timed_out"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The statement was stopped after {seconds:g} seconds.",
            fix="Ask for fewer days, or for a total instead of every row.",
        )


class QueryTooLarge(AgnesError):
    """The statement, or one row of its result, wants more memory than a question may have."""

    code: ClassVar[str] = "query_too_large"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"The statement was stopped: {problem}.",
            fix="Ask for fewer rows or columns, or for a total instead of every row.",
        )


class TooManyQueries(AgnesError):
    """As many statements as may run at once are running."""

    code: ClassVar[str] = "too_many_queries"
    status: ClassVar[int] = 429

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} questions are being answered right now.", fix="Ask again in some seconds."
        )
        self.retry_after = 5


class SandboxBroken(AgnesError):
    """The worker process could not be started or ended without an answer of its own accord."""

    code: ClassVar[str] = "sandbox_broken"
    status: ClassVar[int] = 503

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"The process that answers questions failed: {problem}.",
            fix="Ask again; if it stays so, look into the server's log.",
        )
        self.retry_after = 5
