"""The one door to the published mirror: read-only cursors on the file that is published now.

A file never changes while it carries the published name. The writer may use the file of an older
publication again, so whoever reads one holds a shared flock on it for as long as it is open; the
writer leaves locked files alone.
"""

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from django.conf import settings

from telemetry.mirror import damage
from telemetry.mirror.damage import BROKEN, first_line
from telemetry.mirror.errors import MirrorUnavailable
from telemetry.mirror.tables import META, schema_version

CATALOG = "agnes"
# Losing the race against a publication this often in a row means something else is wrong.
ATTEMPTS = 50
READER = {"threads": 2, "memory_limit": "256MB"}


def folder() -> Path:
    return Path(settings.AGNES_MIRROR_DIR)


def published_path() -> Path:
    return folder() / "agnes.duckdb"


def config(**limits: Any) -> dict[str, Any]:
    """DuckDB settings of every connection: bounded memory, nothing from the network."""
    return {
        # Its own: DuckDB's spill files have fixed names, so two processes in one folder collide.
        "temp_directory": str(folder() / f"spill-{os.getpid()}-{secrets.token_hex(4)}"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        **limits,
    }


@dataclass(frozen=True)
class Meta:
    """What a mirror file tells about itself. `data_time`: it holds all changes up to then."""

    schema_version: str
    duckdb_version: str
    publication: int
    applied_id: int
    data_time: datetime


class Pin:
    """The file published at this moment, kept from being written again while the pin is held.

    `fd` may be handed to a child process that reads the file: the lock then lasts until the child
    closes it too. Close it in any case.
    """

    def __init__(self, path: Path) -> None:
        """Raises MirrorUnavailable when no file is published."""
        for _ in range(ATTEMPTS):
            try:
                self.fd = os.open(path, os.O_RDONLY)
            except OSError as error:
                raise MirrorUnavailable("There is no mirror to read.") from error
            try:
                fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                # Already the writer's: it was replaced between open and lock.
                os.close(self.fd)
                continue
            self.path = path
            self.inode = os.fstat(self.fd).st_ino
            if self.is_current():
                return
            os.close(self.fd)
        raise MirrorUnavailable("The mirror is replaced faster than it can be opened.")

    def is_current(self) -> bool:
        """Whether this file still carries the published name."""
        try:
            return self.path.stat().st_ino == self.inode
        except OSError:
            return False

    def close(self) -> None:
        with suppress(OSError):
            os.close(self.fd)


@dataclass
class Instance:
    """One DuckDB with one publication attached; closed when replaced and its last reader left."""

    pin: Pin
    database: duckdb.DuckDBPyConnection
    meta: Meta
    readers: int = 0
    retired: bool = False

    def unavailable(self, error: duckdb.Error) -> MirrorUnavailable:
        """What to raise for one of BROKEN; damage is noted for all who read this file."""
        mark = damage.mark_of(os.fstat(self.pin.fd))
        return damage.unavailable(first_line(error), folder=self.pin.path.parent, mark=mark)

    def close(self) -> None:
        self.database.close()
        self.pin.close()


def open_instance(path: Path, **limits: Any) -> Instance:
    """A new DuckDB with the published file attached as `agnes`, read-only.

    Raises MirrorUnavailable for a file that is missing, broken, or of other tables.
    """
    for _ in range(ATTEMPTS):
        pin = Pin(path)
        try:
            database = _attach(path, limits)
        except duckdb.Error as error:
            replaced = not pin.is_current()
            pin.close()
            if replaced:
                continue
            raise MirrorUnavailable(f"The mirror cannot be read ({first_line(error)}).") from error
        if not pin.is_current():
            # DuckDB opened by name, maybe the next publication, which this pin does not hold.
            database.close()
            pin.close()
            continue
        return _checked(pin, database)
    raise MirrorUnavailable("The mirror is replaced faster than it can be opened.")


def _attach(path: Path, limits: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    # An instance of its own in memory: DuckDB hands out one instance per path otherwise, which
    # would be the old file for as long as anybody reads it.
    database = duckdb.connect(":memory:", config=config(**limits))
    try:
        # Questions may cut instants into days; those are UTC days on a server anywhere.
        database.execute("SET GLOBAL TimeZone = 'UTC'")
        # In an interactive Python DuckDB would draw into standard output.
        database.execute("SET enable_progress_bar = false")
        literal = str(path).replace("'", "''")
        database.execute(f"ATTACH '{literal}' AS {CATALOG} (READ_ONLY)")
        database.execute(f"USE {CATALOG}")
    except BaseException:
        database.close()
        raise
    return database


def _checked(pin: Pin, database: duckdb.DuckDBPyConnection) -> Instance:
    try:
        meta = read_meta(database)
        if meta.schema_version != schema_version():
            raise MirrorUnavailable("The mirror was written by another version of Agnes.")
    except BaseException as error:
        database.close()
        pin.close()
        if isinstance(error, duckdb.Error):
            text = first_line(error)
            raise MirrorUnavailable(f"The mirror cannot be read ({text}).") from error
        raise
    return Instance(pin, database, meta)


def read_meta(database: duckdb.DuckDBPyConnection) -> Meta:
    """Raises duckdb.Error where the file has no meta row."""
    row = database.execute(
        f"SELECT schema_version, duckdb_version, publication, applied_id, data_time FROM {META}"  # noqa: S608
    ).fetchone()
    if row is None:
        raise duckdb.InvalidInputException("the file has no meta row")
    return Meta(row[0], row[1], row[2], row[3], row[4].replace(tzinfo=UTC))


@dataclass
class _Shared:
    """The process's reading instance. Not for a forked child: DuckDB's threads stay behind."""

    current: Instance | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    abandoned: list[Any] = field(default_factory=list)

    def enter(self) -> Instance:
        path = published_path()
        with self.lock:
            if (
                self.current is None
                or self.current.pin.path != path
                or not self.current.pin.is_current()
            ):
                self._retire()
                self.current = open_instance(path, **READER)
            self.current.readers += 1
            return self.current

    def leave(self, instance: Instance, *, broken: bool) -> None:
        with self.lock:
            instance.readers -= 1
            if broken and self.current is instance:
                self._retire()
            elif instance.retired and not instance.readers:
                instance.close()

    def close(self) -> None:
        with self.lock:
            self._retire()

    def _retire(self) -> None:
        old, self.current = self.current, None
        if old is not None:
            old.retired = True
            if not old.readers:
                old.close()

    def forget(self) -> None:
        """In a forked child: drop the lock on the file, and leave DuckDB's objects untouched."""
        if self.current is not None:
            self.current.pin.close()
            self.abandoned.append(self.current)
        self.current = None
        self.lock = threading.Lock()


_shared = _Shared()
os.register_at_fork(after_in_child=_shared.forget)


@contextmanager
def reader() -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor on the published mirror, for one thread and a short time.

    Raises MirrorUnavailable when there is none or it turns out to be broken; errors of the query
    itself pass as DuckDB's own.
    """
    instance = _shared.enter()
    broken = False
    try:
        cursor = instance.database.cursor()
        try:
            cursor.execute(f"USE {CATALOG}")
            yield cursor
        finally:
            cursor.close()
    except BROKEN as error:
        broken = True
        raise instance.unavailable(error) from error
    finally:
        _shared.leave(instance, broken=broken)


@contextmanager
def private_reader(**limits: Any) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of the caller's own on the published mirror, for long reads with own limits.

    Raises MirrorUnavailable as `reader` does."""
    instance = open_instance(published_path(), **limits)
    try:
        yield instance.database
    except BROKEN as error:
        raise instance.unavailable(error) from error
    finally:
        instance.close()


def noted_damage() -> str | None:
    """Damage that a reader met in the file that is published now; None when none did."""
    try:
        mark = damage.mark_of(published_path().stat())
    except OSError:
        return None
    return damage.noted(folder=folder(), mark=mark)


def damaged(sentence: str) -> MirrorUnavailable:
    """What to raise when another process met damage; noted for the file published now."""
    try:
        mark = damage.mark_of(published_path().stat())
    except OSError:
        return MirrorUnavailable("There is no mirror to read.")
    return damage.unavailable(sentence, folder=folder(), mark=mark)


def refuse_damaged() -> None:
    """Raises MirrorUnavailable where a read of everything is known to break off."""
    if problem := noted_damage():
        raise MirrorUnavailable(f"The mirror cannot be read ({problem}).")


def published_meta() -> Meta:
    """What the published file says of itself; raises MirrorUnavailable. Keeps nothing open."""
    instance = open_instance(published_path(), threads=1, memory_limit="64MB")
    try:
        return instance.meta
    finally:
        instance.close()


def data_time() -> datetime:
    """Up to when the published mirror holds everything. Raises MirrorUnavailable."""
    instance = _shared.enter()
    _shared.leave(instance, broken=False)
    return instance.meta.data_time


def close() -> None:
    """Close this process's instance; the next read opens it again."""
    _shared.close()
