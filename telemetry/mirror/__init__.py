"""The DuckDB mirror of the telemetry tables; the only package that imports duckdb.

Whoever needs numbers reads through `reader()`; whoever changed something writes a PendingChange,
and `sync` does the rest. See docs/mirror.md.
"""

from telemetry.mirror.connection import (
    Pin,
    close,
    data_time,
    private_reader,
    published_path,
    reader,
    refuse_damaged,
)
from telemetry.mirror.errors import MirrorBusy, MirrorUnavailable
from telemetry.mirror.tables import BY_NAME, TABLES, MirrorTable, schema_version
from telemetry.mirror.updates import (
    CONSUMER,
    MirrorReport,
    pending_changes,
    published_mark,
    published_problem,
    rebuild,
    sync,
)
from telemetry.mirror.verification import MirrorStatus, Verification, status, verify

__all__ = [
    "BY_NAME",
    "CONSUMER",
    "TABLES",
    "MirrorBusy",
    "MirrorReport",
    "MirrorStatus",
    "MirrorTable",
    "MirrorUnavailable",
    "Pin",
    "Verification",
    "close",
    "data_time",
    "pending_changes",
    "private_reader",
    "published_mark",
    "published_path",
    "published_problem",
    "reader",
    "rebuild",
    "refuse_damaged",
    "schema_version",
    "status",
    "sync",
    "verify",
]
