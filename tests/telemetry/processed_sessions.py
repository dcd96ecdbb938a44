"""Small sessions stored and processed through the production functions, and their figures."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models

from accounts.models import User
from benchmarks.transcript_lines import Line, Thread, answer, encode, prompt, result, tool_use
from telemetry import mirror
from telemetry.models import (
    Session,
    UsageFormatDrift,
    UsageHookDaily,
    UsageMarketplaceItemDaily,
    UsagePluginDaily,
    UsageSessionDaily,
    UsageSessionSummary,
    UsageToolDaily,
    UsageUserDaily,
)
from telemetry.processing import Processed, process_due
from telemetry.transcript_blobs import transcripts
from telemetry.transcript_store import accept
from tests.telemetry.transcript_lines import session_of

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
FIGURES: tuple[type[models.Model], ...] = (
    UsageSessionSummary,
    UsageSessionDaily,
    UsageUserDaily,
    UsageToolDaily,
    UsagePluginDaily,
    UsageMarketplaceItemDaily,
    UsageHookDaily,
    UsageFormatDrift,
)
PASSING = {"id", "extracted_at", "uploaded_at", "processor_version"}
"""Columns that say when a row was made, not what it counts."""


def turns(session_id: str, days: Sequence[datetime], *, marker: str = "") -> list[Line]:
    """For each day a prompt, a Bash call that works and a Read call that fails: two events and
    two responses."""
    thread = Thread(session_id)
    lines: list[Line] = []
    for number, day in enumerate(days):
        calls = [f"toolu_{session_id}_{number}_{name}" for name in ("Bash", "Read")]
        lines += [
            prompt(thread, f"Do it {marker}", at=day),
            answer(thread, tool_use(calls[0], "Bash", {"command": marker}), at=day + seconds(1)),
            result(thread, calls[0], f"done {marker}", at=day + seconds(2)),
            answer(thread, tool_use(calls[1], "Read"), at=day + seconds(3)),
            result(thread, calls[1], "no such file", at=day + seconds(4), is_error=True),
        ]
    return lines


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


def days_ago(*numbers: int) -> list[datetime]:
    return [NOW - timedelta(days=number, hours=3) for number in numbers]


def store(user: User, name: str, lines: Sequence[Line | bytes], *, file: str = "") -> Session:
    """Store a main file of the session that `name` stands for."""
    session_id = session_of(name)
    accept(user=user, name=file or f"{session_id}.jsonl", content=encode(lines), now=NOW)
    return Session.objects.get(user=user, session_id=session_id)


def store_session(user: User, name: str, *days: int, marker: str = "") -> Session:
    """A session with two events and two responses on each of the days, counted back from NOW."""
    return store(user, name, turns(session_of(name), days_ago(*days), marker=marker))


def process(now: datetime = NOW) -> Processed:
    return process_due(now=lambda: now)


def figures(**where: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Every counted row of the tables that pages show, without what says when it was made."""
    return {model._meta.db_table: rows_of(model, **where) for model in FIGURES}


def rows_of(model: type[models.Model], **where: Any) -> list[tuple[Any, ...]]:
    columns = [field.name for field in model._meta.concrete_fields if field.name not in PASSING]
    rows = model._default_manager.filter(**where).values_list(*columns)
    return sorted(rows, key=repr)


def mirrored(sql: str) -> list[tuple[Any, ...]]:
    with mirror.reader() as cursor:
        return cursor.execute(sql).fetchall()


def empty_storage() -> None:
    """The storage is not rolled back with a test's rows."""
    root = settings.AGNES_TRANSCRIPTS_DIR
    for path in list(root.rglob("*")) if root.is_dir() else []:
        if path.is_file():
            transcripts().delete(str(path.relative_to(root)))
