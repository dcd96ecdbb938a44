"""SQL text -> the parse tree of the engine that would run it, without running or binding anything.

The connection is empty, in memory and locked; the text reaches it only as the argument of
`json_serialize_sql`, which parses. `execute` or `extract_statements` on the text itself would
evaluate the arguments of a PRAGMA.
"""

import threading
from typing import Any, ClassVar

import duckdb
import msgspec

from accounts.errors import AgnesError

# Deeper than any query a person would read; what lies below it never costs the process its stack.
MAX_DEPTH = 200
_CONFIG: dict[str, Any] = {
    "threads": 1,
    "memory_limit": "128MB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "max_expression_depth": MAX_DEPTH,
}
_LOCK = "SET enable_external_access = false; SET lock_configuration = true"
_SERIALIZE = "SELECT json_serialize_sql(?)"
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
        row = connection.execute(_SERIALIZE, [sql]).fetchone()
        tree = _decode(row[0]) if row else {}
    except RecursionError:
        raise SqlNotParsed("The statement is nested too deeply.") from None
    except duckdb.Error as error:
        # A fatal error leaves a connection that answers nothing any more.
        _local.connection = None
        raise SqlNotParsed(_first_line(str(error))) from error
    if tree.get("error") is not False:
        raise SqlNotParsed(_first_line(str(tree.get("error_message", ""))))
    statements: list[dict[str, Any]] = tree["statements"]
    return statements


def _connection() -> duckdb.DuckDBPyConnection:
    # One per thread: a connection runs one call at a time.
    connection: duckdb.DuckDBPyConnection | None = getattr(_local, "connection", None)
    if connection is None:
        connection = duckdb.connect(":memory:", config=_CONFIG)
        connection.execute(_LOCK)
        _local.connection = connection
    return connection


def _first_line(text: str) -> str:
    return text.split("\n")[0].strip()[:300] or "The statement cannot be parsed."
