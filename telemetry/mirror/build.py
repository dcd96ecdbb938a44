"""The private build file: changed in transactions by the one writer, never read by anybody else."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa
from django.db.models import Max
from django.utils.timezone import make_naive

from telemetry.mirror import rows
from telemetry.mirror.connection import Meta, config, read_meta
from telemetry.mirror.tables import META, TABLES, MirrorTable, Scope, schema_version, scoped
from telemetry.models import Session

# With Django, Arrow's batches and DuckDB's own needs the writer stays below 300 MB.
WRITER = {"threads": 2, "memory_limit": "128MB"}
# Sessions to one transaction of a rebuild; a session has some hundred rows.
REBUILD_SESSIONS = 500
PROGRESS = "mirror_progress"


class BuildBroken(Exception):
    """The build file cannot be used: broken, from other tables, or from another DuckDB."""


class BuildFile:
    """`with BuildFile(path) as build:`; the file is whole and without a log when it is closed."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes one with empty tables. Raises BuildBroken."""
        self.path = path
        fresh = not path.exists()
        if fresh:
            _log_of(path).unlink(missing_ok=True)
        try:
            self.database = duckdb.connect(str(path), config=config(**WRITER))
        except duckdb.Error as error:
            raise BuildBroken(str(error)) from error
        try:
            if fresh:
                self._create()
            self.meta = self._known_meta()
        except duckdb.Error as error:
            self.database.close()
            raise BuildBroken(str(error)) from error
        except BaseException:
            self.database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.database.close()

    def _create(self) -> None:
        with self.transaction():
            for table in TABLES:
                self.database.execute(table.create_sql)
            self.database.execute(
                f"CREATE TABLE {META} (schema_version VARCHAR, duckdb_version VARCHAR, "
                "publication BIGINT, applied_id BIGINT, data_time TIMESTAMP)"
            )
            self.database.execute(
                f"INSERT INTO {META} VALUES (?, ?, 0, 0, TIMESTAMP '1970-01-01')",  # noqa: S608
                [schema_version(), duckdb.__version__],
            )
            self.database.execute(f"CREATE TABLE {PROGRESS} (what VARCHAR, position BIGINT)")

    def _known_meta(self) -> Meta:
        meta = read_meta(self.database)
        if (meta.schema_version, meta.duckdb_version) != (schema_version(), duckdb.__version__):
            raise BuildBroken("written for other tables, or by another version of DuckDB")
        return meta

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.database.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    # --- What changed --------------------------------------------------------------------------

    def replace_sessions(self, keys: Sequence[int]) -> None:
        """The rows of these sessions (primary keys) as they are now; none where it is gone."""
        marks = ", ".join(["%s"] * len(keys))
        with self.transaction(), rows.snapshot():
            for table in scoped(Scope.SESSION):
                self.database.execute(
                    f'DELETE FROM "{table.name}" WHERE session_pk IN (SELECT unnest(?))',  # noqa: S608
                    [list(keys)],
                )
                where = f"session_pk IN ({marks})"
                self._insert(table, rows.batches(table, where, keys, "session_pk"))

    def replace_days(self, days: Sequence[date]) -> None:
        """The rolled-up rows of these days as they are now."""
        marks, texts = ", ".join(["%s"] * len(days)), [day.isoformat() for day in days]
        with self.transaction(), rows.snapshot():
            for table in scoped(Scope.DAY):
                self.database.execute(
                    f'DELETE FROM "{table.name}" WHERE day IN (SELECT unnest(?))',  # noqa: S608
                    [list(days)],
                )
                self._insert(table, rows.batches(table, f"day IN ({marks})", texts, "day"))

    def replace_tables(self, tables: Iterable[MirrorTable]) -> None:
        with self.transaction(), rows.snapshot():
            for table in tables:
                self.database.execute(f'DELETE FROM "{table.name}"')  # noqa: S608
                self._insert(table, rows.batches(table))

    def _insert(self, table: MirrorTable, batches: Iterable[pa.Table]) -> None:
        for batch in batches:
            self.database.register("batch", batch)
            self.database.execute(f'INSERT INTO "{table.name}" SELECT {casts(table)} FROM batch')  # noqa: S608
            self.database.unregister("batch")

    def stamp(self, *, now: datetime, applied_id: int) -> None:
        """One more publication, which holds everything up to `now`."""
        self.database.execute(
            f"UPDATE {META} SET publication = publication + 1, data_time = ?, "  # noqa: S608
            "applied_id = greatest(applied_id, ?)",
            [make_naive(now), applied_id],
        )
        self.database.execute("CHECKPOINT")

    # --- From nothing --------------------------------------------------------------------------

    def begin_rebuild(self, marks: set[int]) -> None:
        """Remembers which `rebuild` marks this rebuild answers."""
        self.database.executemany(
            f"INSERT INTO {PROGRESS} VALUES ('mark', ?)",  # noqa: S608
            [[mark] for mark in sorted(marks)] or [[0]],
        )

    def answered_marks(self) -> set[int] | None:
        """The marks of `begin_rebuild`; None when no rebuild was begun in this file."""
        return {position for _, position in self._progress("mark")} or None

    def end_rebuild(self) -> None:
        self.database.execute(f"DELETE FROM {PROGRESS}")  # noqa: S608

    def fill(self) -> Iterator[str]:
        """Fills empty tables step by step, each a transaction; yields what each step did.

        Goes on where an earlier call in the same file was stopped. Sessions that change meanwhile
        are marked as pending, so whoever fills applies the marks afterwards.
        """
        yield from self._fill_sessions()
        done = {what for what, _ in self._progress()}
        for table in [*scoped(Scope.DAY), *scoped(Scope.TABLE)]:
            if table.name in done:
                continue
            with self.transaction(), rows.snapshot():
                order = "day" if table.scope == Scope.DAY else ""
                self._insert(table, rows.batches(table, order=order))
                self._advance(table.name, 0)
            yield table.name

    def _fill_sessions(self) -> Iterator[str]:
        """In order of sessions: one session's rows, and roughly one time's, lie together."""
        last = (Session.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
        done = max((position for _, position in self._progress("sessions")), default=0)
        while done < last:
            pks = Session.objects.filter(pk__gt=done).order_by("pk").values_list("pk", flat=True)
            through = next(iter(pks[REBUILD_SESSIONS - 1 : REBUILD_SESSIONS]), last)
            with self.transaction(), rows.snapshot():
                for table in scoped(Scope.SESSION):
                    where = "session_pk > %s AND session_pk <= %s"
                    batches = rows.batches(table, where, [done, through], "session_pk")
                    self._insert(table, batches)
                self._advance("sessions", through)
            done = through
            yield f"sessions up to {through}"

    def _progress(self, what: str | None = None) -> list[tuple[str, int]]:
        return self.database.execute(
            f"SELECT what, position FROM {PROGRESS} WHERE coalesce(what = ?, true)",  # noqa: S608
            [what],
        ).fetchall()

    def _advance(self, what: str, position: int) -> None:
        self.database.execute(f"INSERT INTO {PROGRESS} VALUES (?, ?)", [what, position])  # noqa: S608


def casts(table: MirrorTable) -> str:
    """SQL that gives an Arrow batch of telemetry.mirror.rows the mirrored types."""
    return ", ".join(f'CAST("{c.name}" AS {c.type}) AS "{c.name}"' for c in table.columns)


def remove(path: Path) -> None:
    """The file and its log."""
    path.unlink(missing_ok=True)
    _log_of(path).unlink(missing_ok=True)


def take_over(source: Path, target: Path) -> None:
    """`source` becomes `target`. Killed half-way there is no `target`, never one with a log that
    belongs to another file."""
    remove(target)
    source.rename(target)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")
