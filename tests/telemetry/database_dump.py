"""What the telemetry tables hold, told so that two databases can be compared."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

from django.db import transaction

from accounts.models import User
from benchmarks.table_dump import DERIVED, Rows, table
from telemetry.models import Session
from telemetry.processors.runner import run_until_idle
from telemetry.refusals import TranscriptRefused
from telemetry.transcript_store import accept

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
    rows = {name: table(name, owners=owners) for name in DERIVED}
    return rows | {"sessions": _lineages(owners)}


def exact_rows(user: User) -> dict[str, Rows]:
    """Every derived row of a person, to the byte."""
    return {name: table(name, without=(), owners={user.pk}) for name in DERIVED}


@contextlib.contextmanager
def nothing_kept() -> Iterator[None]:
    """Whatever is written inside is gone afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _lineages(owners: set[int]) -> Rows:
    sessions = Session.objects.filter(user__in=owners) if owners else Session.objects.all()
    columns = "session_id project title versions git_branch forked_from resumed_from agent_ids"
    return sorted(sessions.values_list(*columns.split()), key=repr)
