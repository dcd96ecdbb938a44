"""What the telemetry tables hold, told so that two databases can be compared."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from accounts.models import User
from telemetry.models import Session
from telemetry.processors.runner import run_until_idle
from telemetry.refusals import TranscriptRefused
from telemetry.transcript_store import accept

DERIVED = (
    "usage_events",
    "usage_responses",
    "usage_session_summary",
    "usage_session_daily",
    "usage_session_hook_daily",
    "usage_session_drift_daily",
)
ROLLUPS = (
    "usage_user_daily",
    "usage_tool_daily",
    "usage_plugin_daily",
    "usage_marketplace_item_daily",
    "usage_hook_daily",
    "usage_format_drift",
)
ARRIVAL = {"extracted_at", "uploaded_at", "refreshed_at", "session_pk", "user_id"}
"""What says when and as which row something arrived."""

Rows = list[tuple[Any, ...]]
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def upload(user: User, name: str, content: bytes, now: datetime = NOW) -> bool:
    """Store one file as this person's; False when it is refused."""
    try:
        accept(user=user, name=name, content=content, now=now)
    except TranscriptRefused:
        return False
    return True


def process(now: datetime = NOW) -> None:
    """All that is due, in this process; nothing may fail."""
    report = run_until_idle(processes=1, now=lambda: now)
    assert (report.failed, report.quarantined) == (0, 0)


def figures(*users: User) -> dict[str, Rows]:
    """All that was derived, without when it arrived; of these people, or of everybody."""
    owners = {user.pk for user in users}
    rows = {table: _rows(table, ARRIVAL, owners) for table in DERIVED}
    return rows | {"sessions": _lineages(owners)}


def rollups() -> dict[str, Rows]:
    return {table: _rows(table, {"id", "refreshed_at", "user_id"}, set()) for table in ROLLUPS}


def exact_rows(user: User) -> dict[str, Rows]:
    """Every derived row of a person, to the byte."""
    return {table: _rows(table, set(), {user.pk}) for table in DERIVED}


@contextlib.contextmanager
def nothing_kept() -> Iterator[None]:
    """Whatever is written inside is gone afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _rows(table: str, without: set[str], owners: set[int]) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a table of ours
        names = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    left_out = without | {"id"} if without and table.endswith("_daily") else without
    return sorted(
        (
            tuple(_plain(row[name]) for name in names if name not in left_out)
            for row in rows
            if not owners or row.get("user_id") in owners
        ),
        key=repr,
    )


def _lineages(owners: set[int]) -> Rows:
    sessions = Session.objects.filter(user__in=owners) if owners else Session.objects.all()
    columns = "session_id project title versions git_branch forked_from resumed_from agent_ids"
    return sorted(sessions.values_list(*columns.split()), key=repr)


def _plain(value: Any) -> Any:
    """Floats are compared to the twelfth digit: sums may be taken in any order."""
    return f"{value:.12g}" if isinstance(value, float) else value
