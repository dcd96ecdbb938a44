"""SQL text -> the parse tree of the engine that would run it, without running or binding anything.

The connection is empty, in memory and locked; the text reaches it only as a literal, the argument
of `json_serialize_sql`, which parses. `execute` or `extract_statements` on the text itself would
evaluate the arguments of a PRAGMA.
"""

import threading
from typing import Any, ClassVar

import duckdb
import msgspec

from accounts.errors import AgnesError

_CONFIG: dict[str, Any] = {
    "threads": 1,
    "memory_limit": "128MB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
_SETUP = """
PRAGMA disable_optimizer;
PREPARE parse AS SELECT json_serialize_sql($1::VARCHAR);
SET enable_external_access = false;
SET lock_configuration = true;
"""
# Some short texts make long trees: CUBE names every one of its sets. An honest one has 50 kB.
MAX_TREE = 1_000_000
_local = threading.local()
_decode = msgspec.json.Decoder().decode


class SqlNotParsed(AgnesError):
    """The text is not one or more SELECTs in DuckDB's SQL. `message` quotes the text, no data."""

    code: ClassVar[str] = "sql_not_parsed"

    def __init__(self, message: str) -> None:
        super().__init__(message, fix="Write one SELECT in DuckDB's SQL.")


def parse(sql: str) -> list[dict[str, Any]]:
    """The statements in `sql` as json_serialize_sql writes them: {"node": …, "named_param_map"}.

    Raises SqlNotParsed also for a statement that is no SELECT, and for one nested too deeply.
    """
    connection = _connection()
    try:
        row = connection.execute(_call(sql)).fetchone()
    except duckdb.Error as error:
        # A fatal error leaves a connection that answers nothing any more.
        _local.connection = None
        raise SqlNotParsed(_first_line(str(error))) from error
    tree = _decoded(row[0]) if row else {}
    if tree.get("error") is not False:
        raise SqlNotParsed(_first_line(str(tree.get("error_message", ""))))
    statements: list[dict[str, Any]] = tree["statements"]
    return statements


def _decoded(text: str) -> dict[str, Any]:
    if len(text) > MAX_TREE:
        raise SqlNotParsed("The statement has too many parts.")
    try:
        tree: dict[str, Any] = _decode(text)
    except RecursionError:
        raise SqlNotParsed("The statement is nested too deeply.") from None
    except msgspec.DecodeError as error:
        # A number beyond every type is written as no JSON has it.
        raise SqlNotParsed("A number of the statement is too large.") from error
    return tree


def _call(sql: str) -> str:
    # A literal: a parameter would be planned anew each time, which costs twice the parsing. In
    # DuckDB's texts the quote alone has a meaning; at a NUL the text would end.
    if "\0" in sql or (not sql.isascii() and _has_surrogates(sql)):
        raise SqlNotParsed("The statement holds a character that is none.")
    return "EXECUTE parse('" + sql.replace("'", "''") + "')"


def _has_surrogates(sql: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in sql)


def _connection() -> duckdb.DuckDBPyConnection:
    # One per thread: a connection runs one call at a time.
    connection: duckdb.DuckDBPyConnection | None = getattr(_local, "connection", None)
    if connection is None:
        connection = duckdb.connect(":memory:", config=_CONFIG)
        connection.execute(_SETUP)
        _local.connection = connection
    return connection


def _first_line(text: str) -> str:
    return text.split("\n")[0].strip()[:300] or "The statement cannot be parsed."
