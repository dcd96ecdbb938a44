"""Filtered rows of a mirrored table as csv, json, ndjson or parquet, streamed.

All formats hold the same rows. Nothing is changed in them: a spreadsheet that takes a cell that
begins with = for a formula has to import it as text.
"""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, time
from enum import StrEnum
from typing import Any, ClassVar, Self, TypeVar

from django.http import HttpRequest

from accounts import audit
from accounts.errors import AgnesError
from accounts.models import User
from telemetry import mirror
from telemetry.mirror.copy import copy_file, copy_stream, time_slices
from telemetry.mirror.tables import MirrorTable
from telemetry.taxonomy import Source

# One thread and little memory: an export is to leave the machine to those who wait for a page.
LIMITS = {"threads": 1, "memory_limit": "112MB"}
FILE_BYTES = 256 * 1024
TIMES = "TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'"
INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?"
)


Choice = TypeVar("Choice", bound=StrEnum)


class ExportFormat(StrEnum):
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"


CONTENT_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.JSON: "application/json",
    ExportFormat.NDJSON: "application/x-ndjson",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}


class ExportRefused(AgnesError):
    """Such an export cannot be made; the message names the value."""

    code: ClassVar[str] = "export_refused"


@dataclass(frozen=True)
class Export:
    """What to export. `since` is included, `until` is not; both aware and UTC."""

    table: MirrorTable
    format: ExportFormat
    since: datetime | None = None
    until: datetime | None = None
    user: User | None = None
    source: Source | None = None

    @classmethod
    def parse(
        cls,
        *,
        format: str,
        table: str,
        since: str | None = None,
        until: str | None = None,
        user: str | None = None,
        source: str | None = None,
    ) -> Self:
        """From words as people write them; empty ones filter nothing. Raises ExportRefused.

        `since` and `until` are days (2026-05-01) or instants (2026-05-01T12:00:00Z; UTC where
        they name no zone). `user` is an id, a username or an e-mail address.
        """
        chosen = _table(table)
        columns = chosen.column_names
        start, end = _instant("since", since), _instant("until", until)
        _refuse_bad_range(chosen, start, end)
        if user and "user_id" not in columns:
            raise ExportRefused(f"{table} has no person.", fix="Leave the user out.")
        if source and "source" not in columns:
            raise ExportRefused(f"{table} has no source.", fix="Leave the source out.")
        return cls(
            table=chosen,
            format=_choice("format", format, ExportFormat),
            since=start,
            until=end,
            user=_user(user) if user else None,
            source=_choice("source", source, Source) if source else None,
        )

    @property
    def filters(self) -> dict[str, str | int]:
        """Those that are set, as JSON values."""
        filters: dict[str, str | int] = {}
        if self.since:
            filters["since"] = _text(self.since)
        if self.until:
            filters["until"] = _text(self.until)
        if self.user:
            filters["user_id"] = self.user.pk
        if self.source:
            filters["source"] = self.source.value
        return filters

    @property
    def file_name(self) -> str:
        days = [f"{moment:%Y-%m-%d}" for moment in (self.since, self.until) if moment]
        return ".".join(["_".join([self.table.name, *days]), self.format.value])

    @property
    def where(self) -> str:
        """The filters as SQL; values that were parsed, so there is nothing to escape."""
        parts = ["true"]
        column = self.table.time
        if self.since:
            parts.append(f"{column} >= TIMESTAMP '{self.since:%Y-%m-%d %H:%M:%S.%f}'")
        if self.until:
            parts.append(f"{column} < TIMESTAMP '{self.until:%Y-%m-%d %H:%M:%S.%f}'")
        if self.user:
            parts.append(f"user_id = {self.user.pk:d}")
        if self.source:
            parts.append(f"source = '{self.source.value}'")
        return " AND ".join(parts)


def _table(name: str) -> MirrorTable:
    if name not in mirror.BY_NAME:
        raise ExportRefused(
            f"There is no table {name!r} to export.", fix=f"Use one of {', '.join(mirror.BY_NAME)}."
        )
    return mirror.BY_NAME[name]


def _choice(what: str, word: str, choices: type[Choice]) -> Choice:
    try:
        return choices(word.lower())
    except ValueError:
        known = ", ".join(choice.value for choice in choices)
        raise ExportRefused(f"{what}={word!r} is not known.", fix=f"Use one of {known}.") from None


def _instant(what: str, text: str | None) -> datetime | None:
    """Midnight UTC for a day."""
    if not text:
        return None
    try:
        if not INSTANT.fullmatch(text):
            raise ValueError
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ExportRefused(
            f"{what}={text!r} is not a day or an instant.",
            fix="Write 2026-05-01 or 2026-05-01T12:00:00Z; in an address, a + is written %2B.",
        ) from None


def _refuse_bad_range(table: MirrorTable, since: datetime | None, until: datetime | None) -> None:
    given = [moment for moment in (since, until) if moment]
    if given and table.time is None:
        raise ExportRefused(
            f"The rows of {table.name} have no time.", fix="Leave since and until out."
        )
    if table.time == "day" and any(moment.time() != time.min for moment in given):
        raise ExportRefused(
            f"The rows of {table.name} are whole UTC days.", fix="Write days such as 2026-05-01."
        )
    # An empty range is one: a script that goes on where it stopped may find nothing new.
    if since and until and since > until:
        raise ExportRefused(
            f"since={_text(since)} is after until={_text(until)}.",
            fix="Give an earlier since; until itself is not included.",
        )


def _user(word: str) -> User:
    name = {"pk": int(word)} if re.fullmatch(r"\d{1,18}", word) else {"username": word}
    if "@" in word:
        name = {"email": word.strip().lower()}
    user = User.objects.filter(**name).first()
    if user is None:
        raise ExportRefused(
            f"There is no user {word!r}.", fix="Give a user's id, username or e-mail address."
        )
    return user


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


class ExportStream:
    """The bytes of one export, once; audited when it ends, however it ends.

    `row_count` rows were written so far; `completed` tells whether all were handed out. Close it.
    """

    def __init__(
        self,
        export: Export,
        *,
        door: audit.Door,
        by: User | None = None,
        request: HttpRequest | None = None,
    ) -> None:
        """Raises MirrorUnavailable before anything is sent, also where damage is known by then."""
        mirror.refuse_damaged()
        self.export = export
        self.row_count = 0
        self.completed = False
        self._audit: Callable[[], Any] | None = lambda: audit.record(
            action="usage.export",
            door=door,
            actor=by,
            resource_type="table",
            resource_id=export.table.name,
            subject=export.user,
            result=audit.Result.OK if self.completed else audit.Result.FAILED,
            details={
                "format": export.format.value,
                "table": export.table.name,
                "filters": export.filters,
                "row_count": self.row_count,
                "completed": self.completed,
            },
            request=request,
        )
        self._stack = ExitStack()
        self._database = self._stack.enter_context(mirror.private_reader(**LIMITS))
        self._chunks: Generator[bytes, None, None] = (
            self._parquet() if export.format == ExportFormat.PARQUET else self._lines()
        )
        self._first: list[bytes] = []

    def begin(self) -> Self:
        """Makes what comes first, so that an error of a Parquet file, which is made whole before
        it is sent, is raised here. Raises MirrorUnavailable."""
        self._first = [chunk for chunk in (next(self, None),) if chunk is not None]
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._first:
            return self._first.pop()
        try:
            return next(self._chunks)
        except StopIteration:
            self.completed = True
            self.close()
            raise
        except BaseException as error:
            self.close(error)
            raise

    def close(self, error: BaseException | None = None) -> None:
        """Stops what runs and writes the audit row, the first time.

        Raises MirrorUnavailable for an `error` that says that the mirror cannot be read.
        """
        record, self._audit = self._audit, None
        if record is None:
            return
        try:
            self._chunks.close()
            self._stack.__exit__(type(error), error, None) if error else self._stack.close()
        finally:
            record()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lines(self) -> Generator[bytes, None, None]:
        names = self.export.table.column_names
        if self.export.format == ExportFormat.CSV:
            # At once: the rows have to be looked for first.
            yield ",".join(names).encode() + b"\n"
            yield from self._copied(f"FORMAT csv, HEADER false, {TIMES}")
            return
        lines = self._copied(f"FORMAT json, {TIMES}")
        yield from lines if self.export.format == ExportFormat.NDJSON else _as_array(lines)

    def _copied(self, options: str) -> Iterator[bytes]:
        """In order of time and key: slice after slice of time, each sorted by itself."""
        table, where = self.export.table, self.export.where
        name, order = f'"{table.name}"', ", ".join(f'"{column}"' for column in table.order)
        if table.time:
            kind = next(c.type for c in table.columns if c.name == table.time)
            slices = time_slices(self._database, name, table.time, kind, where)
        else:
            found = self._database.execute(f"SELECT count(*) FROM {name} WHERE {where}")  # noqa: S608
            slices = [("true", row[0]) for row in found.fetchall()]

        def done(number: int) -> None:
            self.row_count += slices[number][1]

        queries = [
            f"SELECT * FROM {name} WHERE {where} AND {part} ORDER BY {order}"  # noqa: S608
            for part, _ in slices
        ]
        yield from copy_stream(self._database, queries, options, done=done)

    def _parquet(self) -> Generator[bytes, None, None]:
        """A file first, since a Parquet file's end describes its beginning; in stored order."""
        table = self.export.table
        zoned = [
            f'"{c.name}" AT TIME ZONE \'UTC\' AS "{c.name}"'
            for c in table.columns
            if c.type == "TIMESTAMP"
        ]
        columns = f"* REPLACE ({', '.join(zoned)})" if zoned else "*"
        query = f'SELECT {columns} FROM "{table.name}" WHERE {self.export.where}'  # noqa: S608
        options = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480"
        with copy_file(self._database, query, options) as (path, rows), path.open("rb") as file:
            self.row_count = rows
            while chunk := file.read(FILE_BYTES):
                yield chunk


def _as_array(lines: Iterator[bytes]) -> Iterator[bytes]:
    """One JSON array of newline-delimited objects; a newline never stands inside one."""
    yield b"["
    before = b"\n"
    for chunk in lines:
        body = chunk.removesuffix(b"\n")
        yield before + body.replace(b"\n", b",\n")
        before = b",\n" if len(body) < len(chunk) else b""
    yield b"\n]\n"
