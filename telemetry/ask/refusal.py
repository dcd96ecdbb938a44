"""Why a statement may not run."""

from enum import StrEnum
from typing import ClassVar

from accounts.errors import AgnesError


class Reason(StrEnum):
    """What kind of thing was refused; stable, for programs."""

    EMPTY = "empty"
    LENGTH = "length"
    CHARACTER = "character"
    SYNTAX = "syntax"
    KIND = "kind"
    TABLE = "table"
    FUNCTION = "function"
    TYPE = "type"
    SHAPE = "shape"
    SIZE = "size"
    DISAGREEMENT = "disagreement"


class SqlRefused(AgnesError):
    """One sentence: what of the statement was refused and why. Names stand in `names`.

    `names` are words of the statement itself (a table, a function), never data.
    """

    code: ClassVar[str] = "sql_refused"

    def __init__(self, reason: Reason, message: str, *, fix: str, names: tuple[str, ...] = ()):
        shown = tuple(name[:100] for name in names)
        super().__init__(message, fix=fix, details={"reason": str(reason), "names": list(shown)})
        self.reason = reason
        self.names = shown
