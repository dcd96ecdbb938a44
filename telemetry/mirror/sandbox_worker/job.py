"""One job: attach the mirror, shut the doors, run the statement, answer."""

import contextlib
import json
import os
import select
import signal
import socket
import threading
import time
from typing import Any

import duckdb

from .barrier import Refused, check
from .limits import set_first_limits, set_last_limits
from .values import plain

MEMORY = "256MB"
THREADS = 2
# An unused worker ends; the parent starts another when it needs one.
IDLE_SECONDS = 900
INTERRUPT_EVERY = 0.1
ROWS_AT_ONCE = 64
# What a page can still show: with many columns the rows end sooner.
MAX_COLUMNS = 200
MAX_CELLS = 50_000
# Sent before the statement is looked at: an end without an answer is the statement's doing then.
READY = b"R"
NAMES = """
SELECT lower(table_name) FROM duckdb_tables() UNION SELECT lower(view_name) FROM duckdb_views()
"""
CONFIG: dict[str, Any] = {
    "threads": THREADS,
    "memory_limit": MEMORY,
    "temp_directory": "",
    "max_temp_directory_size": "0KB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_unsigned_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
    "catalog_error_max_schemas": 0,
    "pivot_limit": 500,
    "max_expression_depth": 250,
}


class OtherVersion(Exception):
    """The mirror has the tables of another version of Agnes."""


class TooLarge(Exception):
    """One row alone is over the cap."""


class TooWide(Exception):
    """The result has more columns than the cap."""


def connect() -> Any:
    connection = duckdb.connect(":memory:", config=CONFIG)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    # Loads what the first fetch of each type would load later, when no file can be opened.
    connection.execute(
        "SELECT now(), 1.5::DECIMAL, uuid(), DATE '2026-01-01', INTERVAL 1 DAY, TIME '10:00', "
        "'a'::BLOB, [1], {'a': 1}, MAP {1: 2}, '10:00:00+01'::TIMETZ"
    ).fetchall()
    return connection


def attach(connection: Any, mirror: int) -> tuple[dict[str, Any], set[str]]:
    """The mirror's file, read-only and by the number it was handed over under.

    Returns what the file says of itself, and the names of all tables and views there are.
    """
    connection.execute(f"ATTACH '/dev/fd/{mirror}' AS agnes (READ_ONLY)")
    row = connection.execute("SELECT schema_version, data_time FROM agnes.mirror_meta").fetchone()
    names = connection.execute(NAMES).fetchall()
    connection.execute("USE agnes")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    meta = {"schema_version": row[0], "data_time": row[1].isoformat()}
    return meta, {str(name) for (name,) in names}


class Watch(threading.Thread):
    """Interrupts the statement when its time is over, again and again: single ones get lost."""

    def __init__(self, connection: Any, parent: socket.socket, seconds: float) -> None:
        super().__init__(daemon=True)
        self.connection, self.parent = connection, parent
        self.ends = time.monotonic() + seconds
        self.fired = False

    def run(self) -> None:
        while (left := self.ends - time.monotonic()) > 0:
            if select.select([self.parent], [], [], left)[0]:
                # The parent says nothing more: it is gone.
                os._exit(1)
        while True:
            self.fired = True
            self.connection.interrupt()
            time.sleep(INTERRUPT_EVERY)


def fetch(cursor: Any, max_rows: int, max_bytes: int) -> tuple[list[str], bool]:
    """Rows as JSON texts, as many as fit, and whether there were more."""
    rows: list[str] = []
    room = max_bytes
    while chunk := cursor.fetchmany(ROWS_AT_ONCE):
        for row in chunk:
            text = json.dumps([plain(value) for value in row], allow_nan=False)
            room -= len(text)
            if room < 0 and not rows:
                raise TooLarge
            if room < 0 or len(rows) == max_rows:
                return rows, True
            rows.append(text)
    return rows, False


def answer(connection: Any, job: dict[str, Any], meta: dict[str, Any], names: set[str]) -> bytes:
    """The answer to a job whose mirror is attached, as JSON. Raises what went wrong."""
    began = time.monotonic()
    tables = set(job["tables"])
    check(connection, job["sql"], tables, names - tables)
    cursor = connection.execute(job["sql"])
    ran = time.monotonic()
    if len(cursor.description) > MAX_COLUMNS:
        raise TooWide(f"it has more than {MAX_COLUMNS} columns")
    columns = [[name, str(kind)] for name, kind, *_ in cursor.description]
    max_rows = min(job["max_rows"], MAX_CELLS // len(columns))
    rows, truncated = fetch(cursor, max_rows, job["max_bytes"])
    ended = time.monotonic()
    head = {
        "columns": columns,
        "truncated": truncated,
        "meta": meta,
        "run_ms": (ran - began) * 1000,
        "fetch_ms": (ended - ran) * 1000,
    }
    return b'{"head":%b,"rows":[%b]}' % (json.dumps(head).encode(), ",".join(rows).encode())


def failure(error: BaseException, watch: Watch | None) -> bytes:
    """What is told of an error: its kind, DuckDB's class, and its first line."""
    name = type(error).__name__
    if isinstance(error, Refused):
        kind = "refused"
    elif isinstance(error, TooLarge | MemoryError) or name == "OutOfMemoryException":
        kind = "large"
    elif isinstance(error, TooWide):
        kind = "wide"
    elif watch is not None and watch.fired:
        kind = "time"
    elif watch is None:
        kind = "mirror"
    else:
        kind = "failed"
    text = str(error).split("\n")[0][:500]
    quoted = str(error)[:5000]
    return json.dumps({"error": kind, "class": name, "message": text, "whole": quoted}).encode()


def serve(parent: socket.socket, connection: Any) -> None:
    parent.settimeout(IDLE_SECONDS)
    head, files, _, _ = socket.recv_fds(parent, 4, 1)
    if len(head) < 4 or not files:
        return
    job = json.loads(receive(parent, int.from_bytes(head, "big")))
    parent.settimeout(None)
    # Ends the process whatever holds it, and whatever became of the parent.
    signal.setitimer(signal.ITIMER_REAL, job["kill_after"])
    watch = None
    try:
        meta, names = attach(connection, files[0])
        if meta["schema_version"] != job["schema_version"]:
            raise OtherVersion("it was written by another version of Agnes")
        starting = Watch(connection, parent, job["interrupt_after"])
        starting.start()
        set_last_limits()
        parent.sendall(READY)
        watch = starting
        message = answer(connection, job, meta, names)
    except BaseException as error:
        if watch is None:
            parent.sendall(READY)
        message = failure(error, watch)
    parent.sendall(len(message).to_bytes(4, "big") + message)


def receive(parent: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = parent.recv(size - len(parts))
        if not part:
            os._exit(1)
        parts += part
    return bytes(parts)


def main(number: int) -> None:
    """Serve the socket that was inherited under this number."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    set_first_limits()
    parent = socket.socket(fileno=number)
    connection = connect()
    with contextlib.suppress(TimeoutError, ConnectionError):
        serve(parent, connection)
    # Without DuckDB's own end: a thread of it may be busy still.
    os._exit(0)
