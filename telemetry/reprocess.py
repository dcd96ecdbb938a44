"""Derive sessions again from their stored transcripts, as if they had just arrived.

Only the `usage` processor's state, events and responses go. Summaries, contributions and rollups
stay until each session's replacement, so that pages keep their figures, and identity keys stay, so
that nobody else can take them meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from accounts import audit
from accounts.models import AuditEvent, User
from telemetry.bulk import in_parts
from telemetry.due_sessions import forget_processed
from telemetry.models import (
    PendingChange,
    Session,
    TranscriptRevision,
    UsageEvent,
    UsageResponse,
    UsageSessionSummary,
)
from telemetry.revisions import lock_person

BATCH = 100
"""Sessions in one transaction: some 10,000 events, so writers wait well under a second."""


@dataclass(frozen=True)
class Choice:
    """Which sessions; all of them by default. `since` (inclusive) and `until` (exclusive) are by
    session start, which only processed sessions have."""

    user: User | None = None
    session: str = ""
    """A session id, or a session_file."""
    since: datetime | None = None
    until: datetime | None = None

    def details(self) -> dict[str, str]:
        """The choice as an audit row holds it."""
        parts = {
            "user": self.user.username if self.user else "",
            "session": self.session,
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
        }
        return {name: value for name, value in parts.items() if value}


@dataclass
class Plan:
    """What a reprocess does: sessions to derive again, and those that keep their rows because
    their transcript is not, or not whole, stored any more."""

    sessions: list[int] = field(default_factory=list)
    """Primary keys."""
    skipped: list[str] = field(default_factory=list)
    """Values of session_file."""
    events: int = 0
    responses: int = 0


def plan_reprocess(choice: Choice) -> Plan:
    """What `reprocess` would do; changes nothing."""
    plan = Plan()
    chosen = _chosen(choice)
    whole = set(_whole(chosen).values_list("pk", flat=True))
    for pk, name in chosen.values_list("pk", "session_file"):
        if pk in whole:
            plan.sessions.append(pk)
        else:
            plan.skipped.append(name)
    for part in in_parts(plan.sessions, BATCH):
        plan.events += UsageEvent.objects.filter(session_row__in=part).count()
        plan.responses += UsageResponse.objects.filter(session_row__in=part).count()
    return plan


def reprocess(
    choice: Choice,
    *,
    by: User | None,
    door: AuditEvent.Door,
    now: datetime,
    request: HttpRequest | None = None,
) -> Plan:
    """Clear what was derived from the chosen sessions and make them due; audited.

    In one transaction for each batch, so when it breaks off, running it again does the rest.
    Returns what was done. The caller queues the processing.
    """
    plan = plan_reprocess(choice)
    audit.record(
        action="usage.reprocess",
        door=door,
        actor=by,
        subject=choice.user,
        details={
            **choice.details(),
            "sessions": len(plan.sessions),
            "skipped": len(plan.skipped),
            "events": plan.events,
            "responses": plan.responses,
        },
        request=request,
    )
    plan.events = plan.responses = 0
    for part in in_parts(plan.sessions, BATCH):
        owners = Session.objects.filter(pk__in=part).order_by("user_id", "pk")
        for user_id, rows in groupby(owners.values_list("user_id", "pk"), key=itemgetter(0)):
            events, responses = _clear(user_id, [pk for _, pk in rows], now=now)
            plan.events += events
            plan.responses += responses
    return plan


def _chosen(choice: Choice) -> QuerySet[Session]:
    sessions = Session.objects.order_by("user_id", "pk")
    if choice.user:
        sessions = sessions.filter(user=choice.user)
    if choice.session:
        by_id = sessions.filter(session_id=choice.session)
        sessions = by_id if by_id.exists() else sessions.filter(session_file=choice.session)
    started = UsageSessionSummary.objects.filter(session_row=OuterRef("pk"))
    if choice.since:
        sessions = sessions.filter(Exists(started.filter(started_at__gte=choice.since)))
    if choice.until:
        sessions = sessions.filter(Exists(started.filter(started_at__lt=choice.until)))
    return sessions


def _whole(sessions: QuerySet[Session]) -> QuerySet[Session]:
    """Those whose transcript is stored: every revision of every file."""
    revisions = TranscriptRevision.objects.filter(file__sessions=OuterRef("pk"))
    return sessions.filter(Exists(revisions), ~Exists(revisions.filter(dropped_at__isnull=False)))


def _clear(user_id: int, pks: Sequence[int], *, now: datetime) -> tuple[int, int]:
    with transaction.atomic():
        lock_person(user_id)
        # Some may have been erased, or their transcripts dropped, since the plan.
        stored = _whole(Session.objects.filter(pk__in=pks))
        pks = list(stored.values_list("pk", flat=True))
        if not pks:
            return 0, 0
        forget_processed("usage", pks, now=now)
        events = _delete("usage_events", pks)
        responses = _delete("usage_responses", pks)
        PendingChange.objects.bulk_create(
            PendingChange(consumer="mirror", kind="session", key=str(pk)) for pk in pks
        )
    return events, responses


def _delete(table: str, pks: Sequence[int]) -> int:
    places = ", ".join(["%s"] * len(pks))
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE session_pk IN ({places})", pks)  # noqa: S608
        return int(cursor.rowcount)
