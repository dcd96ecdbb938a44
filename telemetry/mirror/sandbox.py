"""The second wall: a statement runs in a process that could do no harm if the guard were wrong.

Each statement gets a process of its own, started beforehand, which ends with it; see
sandbox_worker/ for what it can no longer do. This side never opens the statement's result as
anything but JSON of a bounded size, and kills the process when its time is over.
"""

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from telemetry.mirror import damage
from telemetry.mirror.connection import Pin, damaged, published_path
from telemetry.mirror.errors import MirrorUnavailable
from telemetry.mirror.query_errors import (
    QueryFailed,
    QueryRefused,
    QueryTimedOut,
    QueryTooLarge,
    SandboxBroken,
)
from telemetry.mirror.query_slots import query_slot
from telemetry.mirror.tables import BY_NAME, schema_version
from telemetry.mirror.worker_pool import WorkerGone, pool

MAX_ROWS = 1_000
MAX_BYTES = 2_000_000
# Seconds from the start of a statement: until it is told to stop, and until it is killed.
INTERRUPT_AFTER = 5.0
KILL_AFTER = 8.0


@dataclass(frozen=True)
class ResultColumn:
    """`name` is unique within the result; `type` is DuckDB's."""

    name: str
    type: str


@dataclass(frozen=True)
class Timings:
    """Milliseconds: waiting for a turn, getting a process ready, running, and reading the rows."""

    queue: float
    start: float
    run: float
    fetch: float

    @property
    def total(self) -> float:
        return self.queue + self.start + self.run + self.fetch


@dataclass(frozen=True)
class QueryResult:
    """`rows` are lists of JSON values in the order of `columns`; `truncated` if there were more.

    `data_time`: the mirror holds all changes up to then.
    """

    columns: tuple[ResultColumn, ...]
    rows: list[list[Any]]
    truncated: bool
    timings: Timings
    data_time: datetime

    def records(self) -> list[dict[str, Any]]:
        """The rows as objects."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


def run(
    sql: str,
    *,
    tables: Iterable[str] = tuple(BY_NAME),
    max_rows: int = MAX_ROWS,
    max_bytes: int = MAX_BYTES,
) -> QueryResult:
    """The rows of one SELECT over `tables` of the published mirror, at most so many.

    Raises QueryRefused, QueryFailed, QueryTimedOut, QueryTooLarge, TooManyQueries,
    MirrorUnavailable or SandboxBroken, at the latest after KILL_AFTER seconds and the short wait
    for a turn.
    """
    asked = time.monotonic()
    with query_slot():
        began = time.monotonic()
        job = {
            "sql": sql,
            "tables": sorted(tables),
            "schema_version": schema_version(),
            "max_rows": max_rows,
            "max_bytes": max_bytes,
            "interrupt_after": INTERRUPT_AFTER,
            "kill_after": KILL_AFTER + 1,
        }
        pin = Pin(published_path())
        try:
            answer = _ask(job, pin.fd, began + KILL_AFTER, 4 * max_bytes + 1_000_000)
        finally:
            pin.close()
        elapsed = (time.monotonic() - began) * 1000
    if "error" in answer:
        raise _error(answer, sql)
    return _result(answer, queue=(began - asked) * 1000, elapsed=elapsed)


def _ask(job: dict[str, Any], mirror: int, deadline: float, most: int) -> dict[str, Any]:
    try:
        message = pool.ask(json.dumps(job).encode(), mirror, deadline, most)
    except TimeoutError:
        raise QueryTimedOut(KILL_AFTER) from None
    except WorkerGone as gone:
        if gone.was_ready:
            # The limits leave no other end to a statement that wants more than it may have.
            raise QueryTooLarge("it wants more memory than a question may have") from None
        raise SandboxBroken(f"it ended with status {gone.status} before it began") from None
    answer: dict[str, Any] = json.loads(message)
    return answer


def _result(answer: dict[str, Any], *, queue: float, elapsed: float) -> QueryResult:
    head = answer["head"]
    run_ms, fetch_ms = float(head["run_ms"]), float(head["fetch_ms"])
    start = max(0.0, elapsed - run_ms - fetch_ms)
    return QueryResult(
        columns=_unique(head["columns"]),
        rows=answer["rows"],
        truncated=bool(head["truncated"]),
        timings=Timings(queue, start, run_ms, fetch_ms),
        data_time=datetime.fromisoformat(head["meta"]["data_time"]).replace(tzinfo=UTC),
    )


def _unique(columns: list[list[str]]) -> tuple[ResultColumn, ...]:
    seen: set[str] = set()
    numbers: dict[str, int] = {}
    unique = []
    for name, kind in columns:
        free, number = name, numbers.get(name, 2)
        while free in seen:
            free, number = f"{name}_{number}", number + 1
        seen.add(free)
        numbers[name] = number
        unique.append(ResultColumn(free, kind))
    return tuple(unique)


def _error(answer: dict[str, Any], sql: str) -> Exception:
    kind, sentence = answer["error"], str(answer["message"])
    if kind == "refused":
        return QueryRefused(sentence)
    if kind == "time":
        return QueryTimedOut(INTERRUPT_AFTER)
    if kind == "large":
        return QueryTooLarge("it wants more memory than a question may have")
    if kind == "wide":
        return QueryTooLarge(sentence)
    if kind == "mirror":
        return MirrorUnavailable(f"The mirror cannot be read ({sentence}).")
    name = str(answer["class"])
    if name in damage.ENGINE_CLASSES and damage.is_damage(sentence):
        return damaged(sentence)
    return QueryFailed(name, sentence, _identifiers(name, str(answer["whole"]), sql))


# Errors about names; others quote values.
_ABOUT_NAMES = frozenset({"BinderException", "CatalogException", "ParserException"})


def _identifiers(engine_class: str, whole: str, sql: str) -> tuple[str, ...]:
    """Names in an engine's error that are of the schema or stand in the statement as such."""
    if engine_class not in _ABOUT_NAMES:
        return ()
    known = {name for table in BY_NAME.values() for name in (table.name, *table.column_names)}
    # Below that DuckDB repeats the statement.
    words = _words(whole.split("\n\nLINE ")[0].partition(":")[2])
    written = _words(_without_texts(sql))
    return tuple(word for word in dict.fromkeys(words) if word in known or word in written)[:20]


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text)


def _without_texts(sql: str) -> str:
    return re.sub(r"'(?:[^']|'')*'", "''", sql)
