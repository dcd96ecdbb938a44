"""What the published mirror is, and whether it says the same as the relational database."""

from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from telemetry.mirror import rows
from telemetry.mirror.build import casts
from telemetry.mirror.connection import (
    CATALOG,
    private_reader,
    published_meta,
    published_path,
    refuse_damaged,
)
from telemetry.mirror.errors import MirrorUnavailable
from telemetry.mirror.tables import TABLES, MirrorTable, schema_version
from telemetry.mirror.updates import pending_changes


@dataclass
class MirrorStatus:
    """`problem` is empty when the mirror can be read; only then the fields below it are filled."""

    file: str
    pending: int
    problem: str = ""
    fix: str = ""
    bytes: int = 0
    schema_version: str = ""
    expected_schema_version: str = ""
    data_time: datetime | None = None
    publication: int = 0
    rows: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """Rows and their hashes' sum: equal for equal rows in any order."""

    rows: int
    digest: int


@dataclass(frozen=True)
class TableCheck:
    table: str
    database: Content
    mirror: Content

    @property
    def same(self) -> bool:
        return self.database == self.mirror


@dataclass(frozen=True)
class Verification:
    """`pending` changes explain differences that the next sync removes."""

    checks: list[TableCheck]
    pending: int

    @property
    def same(self) -> bool:
        return all(check.same for check in self.checks)


def status() -> MirrorStatus:
    """Never raises for a missing or broken mirror: it says so."""
    path = published_path()
    found = MirrorStatus(
        file=str(path), pending=pending_changes(), expected_schema_version=schema_version()
    )
    try:
        refuse_damaged()
        meta = published_meta()
        with private_reader(threads=1, memory_limit="64MB") as database:
            for table in TABLES:
                found.rows[table.name] = _scalar(database, f'SELECT count(*) FROM "{table.name}"')  # noqa: S608
        found.bytes = path.stat().st_size
    except MirrorUnavailable as error:
        found.problem, found.fix = error.message, error.fix
        return found
    found.schema_version = meta.schema_version
    found.data_time, found.publication = meta.data_time, meta.publication
    return found


def verify() -> Verification:
    """Every value of every mirrored row against the relational database, in bounded memory.

    Raises MirrorUnavailable.
    """
    with private_reader(threads=1, memory_limit="128MB") as database, rows.snapshot():
        checks = [
            TableCheck(table.name, _in_database(database, table), _in_mirror(database, table))
            for table in TABLES
        ]
        return Verification(checks, pending_changes())


def _content_sql(table: MirrorTable, rows_sql: str) -> str:
    columns = ", ".join(f'"{name}"' for name in table.column_names)
    return f"SELECT count(*), coalesce(sum(hash({columns})::HUGEINT), 0) FROM ({rows_sql})"  # noqa: S608


def _in_mirror(database: duckdb.DuckDBPyConnection, table: MirrorTable) -> Content:
    source = f'SELECT * FROM {CATALOG}."{table.name}"'  # noqa: S608
    found = database.execute(_content_sql(table, source)).fetchone()
    return Content(*(found or (0, 0)))


def _in_database(database: duckdb.DuckDBPyConnection, table: MirrorTable) -> Content:
    """DuckDB hashes both sides: the rows pass through it, and nothing is kept."""
    count = digest = 0
    for batch in rows.batches(table):
        database.register("batch", batch)
        source = f"SELECT {casts(table)} FROM batch"  # noqa: S608
        found = database.execute(_content_sql(table, source)).fetchone() or (0, 0)
        database.unregister("batch")
        count, digest = count + found[0], digest + found[1]
    return Content(count, digest)


def _scalar(database: duckdb.DuckDBPyConnection, sql: str) -> int:
    found = database.execute(sql).fetchone()
    return int(found[0]) if found else 0
