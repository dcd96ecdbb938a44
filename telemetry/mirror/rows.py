"""Rows of the relational database as Arrow batches: read in a stream, column types as mirrored.

The SQLite file is read through Django's own connection only. Two SQLite libraries in one process
share no locks, so DuckDB attaching that file would end the process with SIGBUS.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from django.db import connection

from telemetry.mirror.tables import Column, MirrorTable

# 5,000 events are about 15 MB as Python values.
BATCH_ROWS = 5_000
ARROW = {
    "BOOLEAN": pa.bool_(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    # Times travel as text, which DuckDB reads far faster than Python makes datetimes.
    "TIMESTAMP": pa.string(),
    "DATE": pa.string(),
}


def batches(
    table: MirrorTable, condition: str = "", params: Sequence[Any] = (), order: str = ""
) -> Iterator[pa.Table]:
    """The rows that meet `condition` (SQL of the relational database, %s placeholders)."""
    wanted = " AND ".join(f"({part})" for part in (table.where, condition) if part)
    sql = f'SELECT {_expressions(table)} FROM "{table.source_name}"'  # noqa: S608 - model names
    sql += f" WHERE {wanted}" if wanted else ""
    sql += f" ORDER BY {order}" if order else ""
    schema = pa.schema([(column.name, ARROW[column.type]) for column in table.columns])
    # On PostgreSQL a server-side cursor: the client would otherwise hold the whole result.
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, params)
        while rows := cursor.fetchmany(BATCH_ROWS):
            arrays = [
                pa.array(values, type=field.type)
                for values, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            yield pa.Table.from_arrays(arrays, schema=schema)


def _expressions(table: MirrorTable) -> str:
    pairs = zip(table.source_columns, table.columns, strict=True)
    return ", ".join(_expression(name, column) for name, column in pairs)


def _expression(name: str, column: Column) -> str:
    quoted = f'"{name}"'
    if column.type not in {"TIMESTAMP", "DATE"}:
        return quoted
    if connection.vendor == "sqlite":
        # An expression has no declared type, so that sqlite3 hands out the stored text.
        return f"{quoted} || ''"
    if column.type == "DATE":
        return f"to_char({quoted}, 'YYYY-MM-DD')"
    return f"to_char({quoted} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"


@contextmanager
def snapshot() -> Iterator[None]:
    """Several reads of one moment, without taking SQLite's write lock.

    Inside somebody's transaction it adds nothing: that has its own view already.
    """
    if connection.in_atomic_block:
        yield
        return
    begin = "BEGIN"
    if connection.vendor == "postgresql":
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    with connection.cursor() as cursor:
        cursor.execute(begin)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")
