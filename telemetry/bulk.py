"""Rows into tables by the thousand, the fast way of each database."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = Sequence[Any]


def in_parts(keys: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """One after another, `size` keys each but for the last."""
    for at in range(0, len(keys), size):
        yield keys[at : at + size]


def insert_rows(table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert rows as they are; times must come from `time_value`. Raises IntegrityError."""
    names = ", ".join(f'"{column}"' for column in columns)
    rows = list(rows)
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join(["%s"] * len(columns))
            sql = f'INSERT INTO "{table}" ({names}) VALUES ({places})'  # noqa: S608 - our names
            cursor.executemany(sql, rows)


def execute(sql: str, params: Sequence[Any]) -> int:
    """Run one statement; how many rows it changed. Spares what the ORM takes to write it."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def delete_rows(table: str, column: str, value: int) -> None:
    """Delete the rows whose column has this value."""
    execute(f'DELETE FROM "{table}" WHERE "{column}" = %s', [value])  # noqa: S608


def time_converter() -> Callable[[int | None], Any]:
    """A function from milliseconds since 1970 to what `insert_rows` takes for a time, None kept."""
    if connection.vendor == "postgresql":
        return lambda at: None if at is None else _EPOCH + timedelta(milliseconds=at)
    return lambda at: None if at is None else _sqlite_text_of(at)


def time_value(moment: datetime) -> Any:
    """An aware datetime as `insert_rows` takes it."""
    return moment if connection.vendor == "postgresql" else _sqlite_text(moment.astimezone(UTC))


def _sqlite_text_of(at: int) -> str:
    second, ms = divmod(at, 1000)
    return f"{_second_text(second)}.{ms:03}000" if ms else _second_text(second)


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    return _sqlite_text(_EPOCH + timedelta(seconds=second))


def _sqlite_text(moment: datetime) -> str:
    return str(moment.replace(tzinfo=None))
