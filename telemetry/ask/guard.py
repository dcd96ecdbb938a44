"""The first wall: may this text run? One SELECT, of known shapes, over known tables and functions.

DuckDB's own parse tree decides, since the parser that judges is then the parser that runs; sqlglot
is asked too. What passes is run as it was written. See docs/ask-security.md.
"""

import logging
import unicodedata
from dataclasses import dataclass
from functools import cached_property, lru_cache

from telemetry.ask import allow_list
from telemetry.ask.refusal import Reason, SqlRefused
from telemetry.ask.second_opinion import check_opinion, written_out
from telemetry.ask.tree_walk import TreeWalk
from telemetry.mirror import BY_NAME
from telemetry.mirror.sql_tree import SqlNotParsed, parse

logger = logging.getLogger(__name__)

TABLES = frozenset(BY_NAME)
_ONE_SELECT = "Write one SELECT over the tables of the mirror."
# Format characters (bidi, zero width) can make a statement read differently than it runs; the
# joiner in emoji cannot, in a text.
_JOINER = "\u200d"


@dataclass(frozen=True)
class Checked:
    """A statement that may run. `sql` is the original text, the only one to run.

    `tables`: the mirror's tables it reads, sorted; `functions`: all it calls, sorted.
    """

    sql: str
    tables: tuple[str, ...]
    functions: tuple[str, ...]

    @cached_property
    def formatted(self) -> str:
        """The statement laid out for people. Never run it."""
        return written_out(self.sql)


def check(sql: str) -> Checked:
    """Raises SqlRefused, which says in one sentence what was refused and why; nothing else."""
    try:
        _check_text(sql)
        return _check_statement(sql)
    except SqlRefused:
        raise
    except Exception as error:
        # What cannot be judged does not run.
        logger.exception("the guard failed on a statement of %s characters", len(sql))
        raise SqlRefused(
            Reason.SHAPE, "The statement was refused: it cannot be judged.", fix="Write it plainly."
        ) from error


def _check_text(sql: str) -> None:
    if len(sql) > allow_list.MAX_CHARACTERS:
        raise SqlRefused(
            Reason.LENGTH,
            f"The statement is longer than {allow_list.MAX_CHARACTERS:,} characters.",
            fix="Ask for less at once.",
        )
    for sign, most in (("/*", allow_list.MAX_COMMENTS), ("cube", allow_list.MAX_CUBES)):
        if sql.lower().count(sign) > most:
            raise SqlRefused(
                Reason.LENGTH, f"The statement has {sign} too often.", fix="Ask for less at once."
            )
    if sql.isascii() and sql.isprintable():
        return
    for sign in sql:
        if sign.isprintable() or sign in "\n\r\t":
            continue
        if sign != _JOINER and unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Cn"):
            raise SqlRefused(
                Reason.CHARACTER,
                f"The statement was refused: it holds the invisible character U+{ord(sign):04X}.",
                fix="Type the statement again without it.",
            )


@lru_cache(maxsize=512)
def _check_statement(sql: str) -> Checked:
    # Pure: the same text always gets the same answer. A refusal is not kept, it is cheap enough.
    try:
        statements = parse(sql)
    except SqlNotParsed as error:
        raise _not_one_select(error.message) from error
    if len(statements) != 1:
        what = "holds no statement" if not statements else "holds more than one statement"
        raise SqlRefused(Reason.KIND, f"The text {what}.", fix=_ONE_SELECT)
    walk = TreeWalk(TABLES)
    walk.run(statements[0])
    check_opinion(sql, frozenset(walk.tables))
    return Checked(sql, tuple(sorted(walk.tables)), tuple(sorted(walk.functions)))


def _not_one_select(problem: str) -> SqlRefused:
    if problem.startswith("Only SELECT"):
        return SqlRefused(
            Reason.KIND, "The statement was refused: it is not a single SELECT.", fix=_ONE_SELECT
        )
    return SqlRefused(
        Reason.SYNTAX,
        f"The statement cannot be read: {problem.rstrip('.')}.",
        fix="Correct it; the SQL is DuckDB's.",
    )


def forget() -> None:
    """Judge every statement anew; for measuring."""
    _check_statement.cache_clear()
