"""DuckDB's own COPY as a stream of bytes, in memory that does not grow with the rows."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from telemetry.mirror.connection import folder

READ_BYTES = 256 * 1024
# Rows to one sorted COPY: as fast as one big one, and memory for it alone.
SLICE_ROWS = 20_000
# The first slice is small, so that the first rows are on their way at once.
FIRST_ROWS = 1_000


def copy_stream(
    database: duckdb.DuckDBPyConnection,
    queries: Sequence[str],
    options: str,
    *,
    done: Callable[[int], None],
) -> Iterator[bytes]:
    """What COPY makes of each query in turn, as one stream.

    `done(n)` is called, in another thread, when query n was written. An error of DuckDB is raised
    after the bytes before it. Closing the iterator stops the query that runs.
    """
    receiver, sender = os.pipe()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for number, query in enumerate(queries):
                database.execute(
                    f"COPY ({query}) TO '/dev/fd/{sender}' ({options}, USE_TMP_FILE false)"
                )
                done(number)
        except BaseException as error:
            failures.append(error)
        finally:
            os.close(sender)

    writer = threading.Thread(target=write, name="mirror-copy", daemon=True)
    writer.start()
    try:
        while chunk := os.read(receiver, READ_BYTES):
            yield chunk
    finally:
        # A writer that waits for room in the pipe fails now; one that computes is interrupted.
        os.close(receiver)
        while writer.is_alive():
            database.interrupt()
            writer.join(timeout=0.05)
    if failures:
        raise failures[0]


@contextmanager
def copy_file(
    database: duckdb.DuckDBPyConnection, query: str, options: str
) -> Iterator[tuple[Path, int]]:
    """A temporary file that COPY made of the query, and its number of rows."""
    # Named like DuckDB's spill folders, so that what a killed process left is removed with them.
    with tempfile.TemporaryDirectory(dir=folder(), prefix="spill-copy-") as place:
        path = Path(place) / "rows"
        literal = str(path).replace("'", "''")
        found = database.execute(f"COPY ({query}) TO '{literal}' ({options})").fetchone()
        yield path, int(found[0]) if found else 0


def time_slices(
    database: duckdb.DuckDBPyConnection, table: str, column: str, kind: str, where: str
) -> list[tuple[str, int]]:
    """Conditions that cut the rows into runs in order of time, each with its number of rows.

    `kind` is TIMESTAMP or DATE. A run has about SLICE_ROWS rows, more only where ten minutes (or
    one day) hold more. Rows without a time come last.
    """
    bucket = column if kind == "DATE" else f"time_bucket(INTERVAL 10 MINUTE, {column})"
    counted = database.execute(
        f"SELECT {bucket}::VARCHAR AS bucket, count(*) FROM {table} WHERE {where} "  # noqa: S608
        f"GROUP BY {bucket} ORDER BY {bucket} NULLS LAST"
    ).fetchall()
    dated = [(bucket, rows) for bucket, rows in counted if bucket is not None]
    undated = sum(rows for bucket, rows in counted if bucket is None)
    slices: list[tuple[str, int]] = []
    start, total = 0, 0
    for place, (_, rows) in enumerate(dated):
        if total and total + rows > (SLICE_ROWS if slices else FIRST_ROWS):
            slices.append((_between(column, kind, dated[start][0], dated[place][0]), total))
            start, total = place, 0
        total += rows
    if total:
        slices.append((f"{column} >= {kind} '{dated[start][0]}'", total))
    if undated:
        slices.append((f"{column} IS NULL", undated))
    return slices


def _between(column: str, kind: str, first: str, end: str) -> str:
    return f"{column} >= {kind} '{first}' AND {column} < {kind} '{end}'"
