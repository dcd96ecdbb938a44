"""What was deleted, really gone from the files of the database."""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connection

from accounts.models import AuditEvent

PATIENCE = 20.0
"""Seconds to wait for readers: of SQLite's log, of a table of PostgreSQL."""

LOCK_WAIT = "5s"
"""Who waits for a table of PostgreSQL to write it anew keeps all others waiting behind."""

_NUMBER = re.compile(r"\d+")


def scrub_database() -> str:
    """Rewrite the database without its deleted rows; why it could not be done, empty when it was.

    On SQLite VACUUM writes the file anew and the log is cut to nothing; both need free space of
    the database's size for a while. On PostgreSQL VACUUM FULL writes each table anew, which needs
    free space of the largest one and keeps everybody from a table while that is written; what is
    said when it fails ends with the statement to run. Not to be called inside a transaction.
    """
    if connection.in_atomic_block:
        raise RuntimeError("the database cannot be scrubbed inside a transaction")
    try:
        return _scrub_sqlite() if connection.vendor == "sqlite" else _scrub_postgres()
    except DatabaseError as error:
        return f"the database could not be rewritten: {error}"


def scrubbed_tables() -> list[str]:
    """Every table that may hold something of a person's sessions or questions, in order."""
    telemetry = [model._meta.db_table for model in apps.get_app_config("telemetry").get_models()]
    return sorted([AuditEvent._meta.db_table, *telemetry])


def _scrub_sqlite() -> str:
    with connection.cursor() as cursor:
        # In memory, where temporary tables are kept otherwise, the copy may not fit.
        cursor.execute("PRAGMA temp_store=FILE")
        try:
            cursor.execute("VACUUM")
        finally:
            cursor.execute("PRAGMA temp_store=MEMORY")
    return _cut_log()


def _cut_log() -> str:
    ends = time.monotonic() + PATIENCE
    while True:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy = cursor.fetchone()[0]
        if not busy:
            return ""
        if time.monotonic() > ends:
            return "the database's log could not be cut, since somebody reads an old state"
        time.sleep(0.2)


def _scrub_postgres() -> str:
    left = _rewrite_tables(scrubbed_tables())
    ends = time.monotonic() + PATIENCE
    while left and time.monotonic() < ends:
        time.sleep(0.5)
        left = _rewrite_tables(left)
    if not left:
        return ""
    tables = ", ".join(f'"{table}"' for table in left)
    return (
        f"deleted rows are still in the files of {len(left)} tables "
        f"({'; '.join(sorted(set(left.values())))}): run VACUUM (FULL, ANALYZE) {tables};"
    )


def _rewrite_tables(tables: Iterable[str]) -> dict[str, str]:
    """Those in whose files deleted rows may still be, and why."""
    return {table: why for table in tables if (why := _rewrite_table(table))}


def _rewrite_table(table: str) -> str:
    """Why deleted rows may still be in the table's file; empty when they are not."""
    try:
        with _details() as details, connection.cursor() as cursor:
            cursor.execute("SELECT pg_relation_filenode(%s)", [table])
            before = cursor.fetchone()
            cursor.execute(f"SET lock_timeout = '{LOCK_WAIT}'; SET statement_timeout = 0")
            try:
                cursor.execute(f'VACUUM (FULL, VERBOSE, ANALYZE) "{table}"')
            finally:
                cursor.execute("RESET lock_timeout; RESET statement_timeout")
            cursor.execute("SELECT pg_relation_filenode(%s)", [table])
            # A table of another owner is passed over with a warning only.
            if cursor.fetchone() == before:
                return "the database's user may not rewrite them"
    except DatabaseError as error:
        return str(error).strip().split("\n")[0]
    if any(_kept_rows(detail) for detail in details):
        return "a transaction that began earlier still sees them"
    return ""


@contextmanager
def _details() -> Iterator[list[str]]:
    """The details of what PostgreSQL says beside its answers."""
    connection.ensure_connection()
    details: list[str] = []

    def note(notice: Any) -> None:
        # Read at once, since a notice is empty when its callback has returned.
        details.append(notice.message_detail or "")

    connection.connection.add_notice_handler(note)
    try:
        yield details
    finally:
        connection.connection.remove_notice_handler(note)


def _kept_rows(detail: str) -> int:
    """How many deleted rows VACUUM copied: the first number of its detail, in any language."""
    number = _NUMBER.search(detail)
    return int(number.group()) if number else 0
