"""Whether an error means that a disk has no room left, as each part that writes tells it."""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)
SIGNS = ("disk is full", "no space left on device", "disk quota exceeded", "out of disk space")
"""SQLite's sentence, the operating system's as PostgreSQL and DuckDB pass it on, and DuckDB's."""

ENGINES = ("django.db", "sqlite3", "psycopg", "duckdb", "_duckdb")


def is_disk_full(error: BaseException | None) -> bool:
    """Of the error, or of one that it was raised from."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        if type(error).__module__.startswith(ENGINES) and any(
            sign in str(error).lower() for sign in SIGNS
        ):
            return True
        error = error.__cause__
    return False
