"""What was deleted, really gone from the files of the database."""

import time

from django.db import DatabaseError, connection

PATIENCE = 20.0
"""Seconds to wait for readers that hold old pages of the log."""


def scrub_database() -> str:
    """Rewrite the database without its deleted rows; why it could not be done, empty when it was.

    On SQLite VACUUM writes the file anew and the log is cut to nothing; both need free space of
    the database's size for a while. On PostgreSQL nothing is done here: dead rows go with
    autovacuum, and their bytes with VACUUM FULL.
    """
    if connection.vendor != "sqlite":
        return ""
    if connection.in_atomic_block:
        raise RuntimeError("the database cannot be scrubbed inside a transaction")
    try:
        with connection.cursor() as cursor:
            # In memory, where temporary tables are kept otherwise, the copy may not fit.
            cursor.execute("PRAGMA temp_store=FILE")
            try:
                cursor.execute("VACUUM")
            finally:
                cursor.execute("PRAGMA temp_store=MEMORY")
        return _cut_log()
    except DatabaseError as error:
        return f"the database could not be rewritten: {error}"


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
