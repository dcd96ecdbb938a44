"""DuckDB's own COPY as a stream of bytes, in memory that does not grow with the rows."""

import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import duckdb

from telemetry.mirror.connection import CATALOG, folder

READ_BYTES = 256 * 1024
# Rows to one sorted COPY: as fast as one big one, and memory for it alone.
SLICE_ROWS = 20000
# The first slice is small, so that the first rows are on their way at once.
FIRST_ROWS = 1_000
# Slices made at the same time; each takes a core.
WORKERS = 2


def copy_stream(
    database: duckdb.DuckDBPyConnection,
    queries: Sequence[str],
    options: str,
    *,
    done: Callable[[int], None],
) -> Iterator[bytes]:
    """What COPY makes of each query in turn, as one stream; `done(n)` when query n was handed out.

    A few queries run ahead, into files that live until they are read. Raises DuckDB's error after
    the bytes before it. Closing the iterator stops the queries that run.
    """
    copying = _Copying(database, options)
    waiting: deque[tuple[int, Future[Path]]] = deque()
    upcoming = enumerate(queries)
    try:
        while True:
            while len(waiting) <= WORKERS and (query := next(upcoming, None)):
                waiting.append((query[0], copying.start(*query)))
            if not waiting:
                return
            number, future = waiting.popleft()
            path = future.result()
            with path.open("rb") as file:
                path.unlink()
                while chunk := file.read(READ_BYTES):
                    yield chunk
            done(number)
    finally:
        copying.stop()


class _Copying:
    """Threads with a cursor each, and the folder they write to."""

    def __init__(self, database: duckdb.DuckDBPyConnection, options: str) -> None:
        self._database, self._options = database, options
        # Named like DuckDB's spill folders: what a killed process left is removed with them.
        self._folder = tempfile.TemporaryDirectory(dir=folder(), prefix="spill-copy-")
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="mirror-copy")
        self._own = threading.local()
        self._cursors: list[duckdb.DuckDBPyConnection] = []

    def start(self, number: int, query: str) -> Future[Path]:
        return self._pool.submit(self._copy, number, query)

    def _copy(self, number: int, query: str) -> Path:
        path = Path(self._folder.name) / str(number)
        literal = str(path).replace("'", "''")
        self._cursor().execute(f"COPY ({query}) TO '{literal}' ({self._options})")
        return path

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        if not hasattr(self._own, "cursor"):
            self._own.cursor = self._database.cursor()
            self._own.cursor.execute(f"USE {CATALOG}")
            self._own.cursor.execute("SET enable_progress_bar = false")
            self._cursors.append(self._own.cursor)
        cursor: duckdb.DuckDBPyConnection = self._own.cursor
        return cursor

    def stop(self) -> None:
        for cursor in self._cursors:
            cursor.interrupt()
        self._pool.shutdown(cancel_futures=True)
        for cursor in self._cursors:
            cursor.close()
        self._folder.cleanup()


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
