"""What is removed when it is old enough, by settings in days; 0 keeps for ever.

A day goes whole: with N days, everything of a UTC day more than N days before today. Watermarks
move first, so that nothing comes back meanwhile or later, and never move back. Summaries, figures
of all by day, and what was counted in a person's sessions stay.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest
from django_q.models import Task

from accounts import audit
from accounts.models import AuditEvent, User
from telemetry import leases, rollups, transcript_blobs
from telemetry.bulk import in_parts
from telemetry.events import NO_DAY
from telemetry.models import AskedQuestion, Lease, PendingChange, UsageUserDaily, Watermark
from telemetry.old_transcripts import drop_old_transcripts, old_transcripts
from telemetry.row_writer import CONTRIBUTIONS

LEASE = timedelta(minutes=5)
BATCH = 5000
"""Rows in one transaction: some 0.1 s, for which other writers of SQLite wait."""

WINDOW_DAYS = 31
"""The windows count people over the last 30 complete days and today, so these facts stay."""

CLEAN_UP = timedelta(seconds=15)
"""For doomed blobs, and again for orphans, where the run has an end."""

OLD_JOBS = timedelta(days=30)
"""The queue limits how many successes it keeps, but not failures."""

EVENTS, RESPONSES, FACTS = Watermark.EVENTS, Watermark.RESPONSES, Watermark.FACTS
TRANSCRIPTS = "transcripts"
QUESTIONS = "questions"


@dataclass(frozen=True)
class Retention:
    """Days to keep; 0 is for ever."""

    events: int = 0
    responses: int = 0
    facts: int = 0
    transcripts: int = 0
    questions: int = 0

    @classmethod
    def from_settings(cls) -> "Retention":
        return cls(
            events=settings.USAGE_EVENTS_RETENTION_DAYS,
            responses=settings.USAGE_RESPONSES_RETENTION_DAYS,
            facts=settings.USAGE_DAILY_RETENTION_DAYS,
            transcripts=settings.USAGE_TRANSCRIPTS_RETENTION_DAYS,
            questions=settings.USAGE_QUESTIONS_RETENTION_DAYS,
        )

    def first_days(self, now: datetime) -> dict[str, date]:
        """The first day that is kept, by watermark, TRANSCRIPTS and QUESTIONS; only what is
        limited."""
        today = now.astimezone(UTC).date()
        facts = max(self.facts, WINDOW_DAYS) if self.facts else 0
        kept = {
            EVENTS: self.events,
            RESPONSES: self.responses,
            FACTS: facts,
            TRANSCRIPTS: self.transcripts,
            QUESTIONS: self.questions,
        }
        return {name: today - timedelta(days=days) for name, days in kept.items() if days}


@dataclass
class PruneReport:
    """What a run removed, or would remove. `facts` are rows of sessions' and persons' days."""

    events: int = 0
    responses: int = 0
    facts: int = 0
    transcripts: int = 0
    """Sessions whose transcript goes."""
    questions: int = 0
    """Asked ones; what is saved under a name stays."""
    blobs: int = 0
    """Stored objects deleted that nothing names any more."""
    left: bool = False
    """Whether time was up before all was done."""
    first_days: dict[str, date] | None = None

    def numbers(self) -> dict[str, Any]:
        """As JSON values."""
        days = {name: day.isoformat() for name, day in (self.first_days or {}).items()}
        return {**asdict(self), "first_days": days}


def plan_prune(retention: Retention, *, now: datetime) -> PruneReport:
    """What `prune` would remove now; changes nothing."""
    days = _with_watermarks(retention.first_days(now))
    report = PruneReport(first_days=days)
    if EVENTS in days:
        report.events = _count("usage_events", "occurred_at", _midnight(days[EVENTS]))
    if RESPONSES in days:
        report.responses = _count("usage_responses", "occurred_at", _midnight(days[RESPONSES]))
    if FACTS in days:
        for table in (*CONTRIBUTIONS, UsageUserDaily._meta.db_table):
            report.facts += _count(table, "day", days[FACTS].isoformat(), _DATED)
    if TRANSCRIPTS in days:
        report.transcripts = len(old_transcripts(before=days[TRANSCRIPTS]))
    if QUESTIONS in days:
        table = AskedQuestion._meta.db_table
        report.questions = _count(table, "asked_at", _midnight(days[QUESTIONS]))
    return report


def prune(
    retention: Retention,
    *,
    by: User | None,
    door: AuditEvent.Door,
    now: datetime,
    seconds: float | None = None,
    request: HttpRequest | None = None,
) -> PruneReport:
    """Remove what is older than the retention, in batches; audited. Safe to repeat.

    After `seconds` no further batch is begun. Raises LeaseTaken while another process prunes.
    """
    with leases.lease("prune", ttl=LEASE) as held:
        report = _Pruning(held, retention.first_days(now), now, seconds).run()
        with transaction.atomic():
            held.check()
            audit.record(
                action="usage.prune",
                door=door,
                actor=by,
                details=report.numbers(),
                request=request,
            )
    return report


_DATED = f" AND day > '{NO_DAY}'"
"""Lines without a time are counted under the first of 1970, whatever their age."""


class _Pruning:
    """One run, under its lease."""

    def __init__(
        self, held: leases.Held, days: dict[str, date], now: datetime, seconds: float | None
    ) -> None:
        self.held = held
        self.now = now
        self.ends = None if seconds is None else monotonic() + seconds
        self.report = PruneReport(first_days=days)
        self.days = days

    def run(self) -> PruneReport:
        report = self.report
        self._move_watermarks()
        if EVENTS in self.days:
            report.events = self._rows("usage_events", self.days[EVENTS])
        if RESPONSES in self.days:
            report.responses = self._rows("usage_responses", self.days[RESPONSES])
        if FACTS in self.days:
            report.facts = self._facts(self.days[FACTS])
        if TRANSCRIPTS in self.days:
            report.transcripts = self._transcripts(self.days[TRANSCRIPTS])
        if QUESTIONS in self.days:
            report.questions = self._repeat(partial(_delete_questions, self.days[QUESTIONS]))
        if not self._late():
            self._clean_up()
        return report

    def _move_watermarks(self) -> None:
        if FACTS in self.days and _is_ahead(FACTS, self.days[FACTS]):
            # What is marked is rolled up while its facts are there, and no day while they go.
            rollups.refresh(now=self.now, budget=None)
            with leases.lease("rollups", ttl=LEASE):
                self._move(FACTS)
        self._move(EVENTS)
        self._move(RESPONSES)
        self.days = self.report.first_days = _with_watermarks(self.days)

    def _move(self, name: str) -> None:
        if name in self.days and _is_ahead(name, self.days[name]):
            with transaction.atomic():
                self.held.check()
                Watermark.wait_for_readers()
                Watermark.objects.update_or_create(
                    name=name, defaults={"day": self.days[name], "updated_at": self.now}
                )

    def _rows(self, table: str, first_day: date) -> int:
        """Delete the rows of earlier days; rows without a time stay."""
        return self._repeat(
            partial(_delete_batch, table, "session_pk", "occurred_at < %s", _midnight(first_day))
        )

    def _facts(self, first_day: date) -> int:
        """Delete what sessions contributed to earlier days, and persons' days."""
        where, day = f"day < %s{_DATED}", first_day.isoformat()
        removed = 0
        for table in CONTRIBUTIONS:
            removed += self._repeat(partial(_delete_batch, table, "session_pk", where, day))
        people = UsageUserDaily._meta.db_table
        return removed + self._repeat(partial(_delete_batch, people, "day", where, day, kind="day"))

    def _transcripts(self, first_day: date) -> int:
        dropped = 0
        for pks in in_parts(old_transcripts(before=first_day), 500):
            if self._late():
                break
            self.held.renew()
            dropped += drop_old_transcripts(pks, before=first_day, now=self.now)
        return dropped

    def _clean_up(self) -> None:
        self.held.renew()
        budget = None if self.ends is None else CLEAN_UP
        self.report.blobs = transcript_blobs.delete_doomed(budget=budget)
        self.report.blobs += transcript_blobs.sweep_orphans(
            older_than=transcript_blobs.ORPHAN_AGE, now=self.now, budget=budget
        )
        Task.objects.filter(success=False, stopped__lt=self.now - OLD_JOBS).delete()
        Lease.objects.filter(expires_at__lt=self.now - OLD_JOBS).delete()

    def _repeat(self, batch: Callable[[], int]) -> int:
        total = 0
        while not self._late():
            self.held.renew()
            with transaction.atomic():
                self.held.check()
                count = batch()
            total += count
            if count < BATCH:
                break
        return total

    def _late(self) -> bool:
        if self.ends is not None and monotonic() > self.ends:
            self.report.left = True
        return self.report.left


def _delete_batch(table: str, mark: str, where: str, value: str, *, kind: str = "session") -> int:
    """Delete up to BATCH rows, and mark what they belonged to for the mirror."""
    chosen = f"SELECT id FROM {table} WHERE {where} LIMIT {BATCH}"  # noqa: S608 - our names
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE id IN ({chosen}) RETURNING {mark}",  # noqa: S608
            [value],
        )
        rows = cursor.fetchall()
    PendingChange.objects.bulk_create(
        PendingChange(consumer="mirror", kind=kind, key=str(found))
        for found in sorted({str(row[0]) for row in rows})
    )
    return len(rows)


def _delete_questions(first_day: date) -> int:
    """Delete up to BATCH questions asked before that day."""
    old = AskedQuestion.objects.filter(asked_at__lt=datetime.combine(first_day, time.min, UTC))
    pks = list(old.order_by().values_list("pk", flat=True)[:BATCH])
    AskedQuestion.objects.filter(pk__in=pks).delete()
    return len(pks)


def _count(table: str, column: str, value: str, more: str = "") -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE {column} < %s{more}", [value])  # noqa: S608
        return int(cursor.fetchone()[0])


def _midnight(day: date) -> str:
    """The day's begin as both databases compare it with a stored time."""
    return f"{day.isoformat()} 00:00:00" + ("+00" if connection.vendor == "postgresql" else "")


def _is_ahead(name: str, day: date) -> bool:
    return not Watermark.objects.filter(name=name, day__gte=day).exists()


def _with_watermarks(days: dict[str, date]) -> dict[str, date]:
    """The days, not before where a watermark stands already, also for what is unlimited now."""
    merged = dict(days)
    for name, day in Watermark.pruned_days().items():
        if name in days:
            merged[name] = max(day, days[name])
    return merged
