"""What the sandbox itself does not run, without knowing of the guard.

The engine's switches stop files and the network; these are the reads that it has no switch for.
"""

import json
from collections.abc import Iterator
from typing import Any

import duckdb

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
# What tells about the server or its settings, or runs a text as SQL; the engine has no switch for
# them. Names that begin with one of the prefixes as well.
_STATE = (
    "current_setting getvariable getenv current_database current_schema current_schemas "
    "current_catalog current_user current_role session_user user version txid_current stats "
    "current_query current_query_id current_transaction_id current_connection_id in_search_path "
    "nextval currval setseed sleep_ms write_log query query_table error checkpoint "
    "force_checkpoint get_block_size obj_description col_description shobj_description "
    "format_type format_pg_type map_to_pg_oid vector_type create_sort_key parse_duckdb_log_message "
    "json_serialize_sql json_deserialize_sql json_serialize_plan "
    "json_execute_serialized_sql"
)
STATE_FUNCTIONS = frozenset(_STATE.split())
STATE_PREFIXES = (
    "pg_get",
    "pg_sleep",
    "pg_has",
    "pg_is",
    "pg_my",
    "pg_conf",
    "pg_post",
    "has_",
    "inet_",
    "duckdb_",
    "pragma_",
    "icu_calendar",
)


class Refused(Exception):
    """The statement wants what the sandbox does not give."""


def check(connection: Any, sql: str, tables: set[str], hidden: set[str]) -> None:
    """Raise Refused unless `sql` is one SELECT that reads these tables and no state.

    `hidden`: all other tables and views there are, the engine's own among them.

    Not the guard's rules, and shares none of its code: a few things are forbidden here. It looks
    at the tree anywhere, without knowing its shapes.
    """
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    tree = json.loads(row[0])
    if tree.get("error") is not False:
        if str(tree.get("error_message", "")).startswith("Only SELECT"):
            raise Refused("it is not a single SELECT")
        # Not readable; running it says what is wrong, in the engine's words.
        statements = connection.extract_statements(sql)
        raise Refused("it is not a single SELECT" if statements else "it holds no statement")
    if len(tree["statements"]) != 1:
        raise Refused("it is not a single SELECT")
    parts = list(every_part(tree["statements"][0]))
    for part in parts:
        check_part(part)
    check_names(parts, tables, hidden)
    check_bound_names(connection, sql, tables)


def every_part(tree: Any) -> Iterator[dict[str, Any]]:
    open_parts = [tree]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, list):
            open_parts.extend(part)
        elif isinstance(part, dict):
            open_parts.extend(part.values())
            yield part


def check_part(part: dict[str, Any]) -> None:
    kind = part.get("type")
    if kind == "SHOW_REF":
        raise Refused("it describes the database")
    if kind == "BASE_TABLE" and (part.get("schema_name") or part.get("catalog_name")):
        raise Refused("it reads a table of another schema")
    if kind == "TABLE_FUNCTION":
        name = str(part["function"].get("function_name")).lower()
        if name not in TABLE_FUNCTIONS:
            raise Refused(f"it calls {name}() as a table")
    names: list[Any] = [part.get("function_name")]
    if kind == "COLUMN_REF" and len(part.get("column_names", ())) == 1:
        # Without brackets some are still calls; a column of that name is none of the mirror's.
        names = part["column_names"] if not is_word_of_people(part["column_names"][0]) else []
    for name in names:
        lower = str(name).lower()
        if name and (lower in STATE_FUNCTIONS or lower.startswith(STATE_PREFIXES)):
            raise Refused(f"it calls {lower}()")


def is_word_of_people(name: str) -> bool:
    return not name.lower().startswith(("current_", "session_"))


def check_names(parts: list[dict[str, Any]], tables: set[str], hidden: set[str]) -> None:
    """Names in FROM: of these tables, or of a WITH, none of which hides a table or view."""
    own = {
        str(entry["key"]).lower()
        for part in parts
        if isinstance(part.get("map"), list)
        for entry in part["map"]
        if "key" in entry
    }
    for name in sorted(own & hidden):
        raise Refused(f"it calls a part of itself {name}")
    for part in parts:
        name = str(part.get("table_name")).lower()
        if part.get("type") == "BASE_TABLE" and name not in tables | own:
            raise Refused(f"it reads {name}")


def check_bound_names(connection: Any, sql: str, tables: set[str]) -> None:
    """The tables that the engine finds when it binds, which sees through any name."""
    try:
        names = connection.get_table_names(sql)
    except duckdb.Error:
        # It fails on some statements that run.
        return
    unknown = sorted(name for name in names if name.lower() not in tables)
    if unknown:
        raise Refused(f"it reads {unknown[0]}")
