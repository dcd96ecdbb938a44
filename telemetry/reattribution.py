"""Attribute stored events and responses anew when the catalogue changed, without a transcript.

Batch by batch of sessions: the distinct combinations of what attribution depends on are resolved
in memory, one UPDATE writes those that changed, and the daily contributions of the touched days
are summed again from the stored events. Days before a pruning watermark stay as they are.
Responses follow the skill active around them; nothing is summed by it.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from telemetry.attribution import CONSUMER
from telemetry.builtin_names import BUILTIN_VERSION
from telemetry.event_names import Attribution, candidates_of, item_name, subject_of
from telemetry.leases import Held, lease
from telemetry.models import Heartbeat, PendingChange, Session, Watermark
from telemetry.reattribution_sql import CONTRIBUTIONS, WRITTEN, Rewriting, Statements, statements
from telemetry.resolver import Resolver, Timeline
from telemetry.taxonomy import ItemKind

HEARTBEAT = "attribution"
LEASE_TTL = timedelta(minutes=5)
_EVER = "0001-01-01 00:00:00"
BATCH = 500
"""Sessions in one transaction: some 50,000 events, so writers wait for about a second at most."""


class Reattributed(NamedTuple):
    """What was changed, in numbers."""

    events: int
    sessions: int
    days: int
    responses: int = 0
    left: bool = False
    """Whether time was up before all was done."""


class Change(NamedTuple):
    """New values for the rows of one combination, in the order of the columns written.

    `dated` 0: all, 1: with a time in [since, until) (None: open), 2: without a time.
    """

    combination: str
    dated: int
    since: datetime | None
    until: datetime | None
    values: tuple[str | None, ...]


Touched = set[tuple[int, date | None]]
"""Sessions' primary keys and days (None: only events without a time)."""


def reattribute_due(
    *, now: datetime, batch: int = 0, seconds: float | None = None
) -> Reattributed | None:
    """Work off queued re-attribution under a lease; None when none is due.

    Due is what the catalogue queued, and a builtin list newer than the one last worked with.
    After `seconds` no further batch (of BATCH sessions) is begun: what is left stays due, and the
    next call goes on with it unless the catalogue changed. Raises LeaseTaken while another process
    does it.
    """
    if not _marks() and _last_run().get("builtin") == BUILTIN_VERSION:
        return None
    with lease("attribution", ttl=LEASE_TTL) as held:
        # Before the catalogue is read, so that they are marks of nothing later than that.
        marks, last = _marks(), _last_run()
        resolver = Resolver.load()
        begun = last.get("begun") or {}
        walk = _Walk(resolver, batch or BATCH, held=held, seconds=seconds)
        if begun.get("catalogue") == resolver.version:
            # A mark made since may be for sessions that the walk is past.
            walk.after, marks = begun["after"], begun["marks"]
        walk.go()
        if walk.left:
            begun = {"catalogue": resolver.version, "after": walk.after, "marks": marks}
            _beat({**last, "begun": begun}, now=now)
        else:
            _beat(walk.details(), now=now)
            # Exactly those seen: another transaction may yet commit one with a lower key.
            PendingChange.objects.filter(pk__in=marks).delete()
    return walk.report()


def reattribute(*, now: datetime, batch: int = BATCH) -> Reattributed:
    """Attribute all stored events and responses anew, `batch` sessions in a transaction.

    Events of pruned days and the contributions of such days are left alone. Changed sessions are
    queued for the mirror, changed days for the rollups. Safe to repeat.
    """
    walk = _Walk(Resolver.load(), batch)
    walk.go()
    _beat(walk.details(), now=now)
    return walk.report()


class _Walk:
    """From one session to the last, or until time is up."""

    def __init__(
        self,
        resolver: Resolver,
        batch: int,
        *,
        held: Held | None = None,
        seconds: float | None = None,
    ) -> None:
        self.resolver = resolver
        self.batch = batch
        self.held = held
        self.ends = None if seconds is None else time.monotonic() + seconds
        self.sql = statements(connection.vendor)
        self.after = 0
        """Primary key of the last session that is done."""
        self.left = False
        self.events = self.sessions = self.responses = 0
        self.days: set[date] = set()

    def go(self) -> None:
        for number, (first, last) in enumerate(_session_ranges(self.batch, self.after)):
            # One batch at least, so that even a slow machine gets through.
            if number and self.ends is not None and time.monotonic() >= self.ends:
                self.left = True
                return
            if self.held is not None:
                self.held.renew()
            self.take(first, last)
            self.after = last

    def take(self, first: int, last: int) -> None:
        sql, ever = self.sql, (first, last, _EVER)
        scope = (first, last, _begin_of(Watermark.pruned_days().get(Watermark.EVENTS)))
        named = list(_event_changes(sql, self.resolver, scope))
        around = list(_response_changes(sql, self.resolver, ever))
        if not named and not around:
            return
        with transaction.atomic():
            if self.held is not None:
                self.held.check()
            pruned = Watermark.pruned_days()
            scope = (first, last, _begin_of(pruned.get(Watermark.EVENTS)))
            count, touched = _apply(sql, named, scope, kept_from=pruned.get(Watermark.FACTS))
            answers, elsewhere = _apply_to_responses(sql, around, ever)
            _announce(touched, elsewhere)
        self.events += count
        self.responses += answers
        self.sessions += len({session for session, _ in touched} | elsewhere)
        self.days.update(day for _, day in touched if day is not None)

    def details(self) -> dict[str, Any]:
        version = self.resolver.version
        return {"catalogue": version, "builtin": BUILTIN_VERSION, "events": self.events}

    def report(self) -> Reattributed:
        return Reattributed(
            self.events, self.sessions, len(self.days), self.responses, left=self.left
        )


def _marks() -> list[int]:
    return list(PendingChange.objects.filter(consumer=CONSUMER).values_list("pk", flat=True))


def _last_run() -> dict[str, Any]:
    """The details of the last walk to the end, with `begun` when another one ran out of time."""
    details = Heartbeat.objects.filter(name=HEARTBEAT).values_list("details", flat=True)
    return details.first() or {}


def _beat(details: dict[str, Any], *, now: datetime) -> None:
    Heartbeat.objects.update_or_create(
        name=HEARTBEAT, defaults={"beat_at": now, "details": details}
    )


def _begin_of(day: date | None) -> str:
    """As a parameter that compares with a time."""
    return f"{day.isoformat()} 00:00:00" if day else _EVER


def _session_ranges(batch: int, after: int) -> Iterator[tuple[int, int]]:
    """First and last primary key of each batch of the sessions after one."""
    keys = list(Session.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), batch):
        chunk = keys[start : start + batch]
        yield chunk[0], chunk[-1]


def _event_changes(sql: Statements, resolver: Resolver, scope: Sequence[Any]) -> Iterator[Change]:
    """What is to be written for the combinations of events within the scope."""
    for combination, kind, tool, skill, agent, command, path, field_plugin, *written in _fetch(
        sql.events.combinations, scope
    ):
        values = dict(zip(WRITTEN, written, strict=True))
        stored = Attribution(**{**values, "candidates": candidates_of(values["candidates"])})
        subject = subject_of(kind, tool, skill, agent, command)
        for dated, since, until, attribution in _spans(
            resolver.timeline(*subject, path, field_plugin)
        ):
            if attribution != stored:
                yield Change(combination, dated, since, until, _event_values(attribution))


def _response_changes(
    sql: Statements, resolver: Resolver, scope: Sequence[Any]
) -> Iterator[Change]:
    """What is to be written for the combinations of responses within the scope."""
    for combination, skill, plugin, *stored in _fetch(sql.responses.combinations, scope):
        for dated, since, until, new in _spans(
            resolver.timeline(ItemKind.SKILL, skill, None, plugin or None)
        ):
            values = (new.source.value, new.ref_id, new.marketplace, new.plugin)
            if values != tuple(stored):
                yield Change(combination, dated, since, until, values)


def _fetch(statement: str, scope: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, scope)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _spans(
    found: Attribution | Timeline,
) -> Iterator[tuple[int, datetime | None, datetime | None, Attribution]]:
    """An attribution over time as the spans of `Change`."""
    if isinstance(found, Attribution):
        yield 0, None, None, found
        return
    yield 2, None, None, found.undated
    edges = (None, *found.instants, None)
    for since, until, attribution in zip(edges, edges[1:], found.spans, strict=False):
        yield 1, since, until, attribution


def _apply(
    sql: Statements, changes: list[Change], scope: Sequence[Any], *, kept_from: date | None
) -> tuple[int, Touched]:
    """Write the changes of events within the scope and what is summed from them.

    Contributions to days before `kept_from` are pruned, and stay so. To be called in a
    transaction. Returns how many events changed, and where.
    """
    with connection.cursor() as cursor:
        count, touched = _rewrite(cursor, sql.events, changes, scope)
        if count:
            cursor.execute(sql.update_invocations)
            days = {(session, day) for session, day in touched if day is not None}
            kept = {one for one in days if kept_from is None or one[1] >= kept_from}
            if kept:
                _sum_again(sql, cursor, kept, scope)
    return count, touched


def _apply_to_responses(
    sql: Statements, changes: list[Change], scope: Sequence[Any]
) -> tuple[int, set[int]]:
    """Write the changes of responses within the scope: how many changed, in which sessions."""
    with connection.cursor() as cursor:
        count, touched = _rewrite(cursor, sql.responses, changes, scope)
    return count, {session for session, _ in touched}


def _rewrite(
    cursor: CursorWrapper, sql: Rewriting, changes: list[Change], scope: Sequence[Any]
) -> tuple[int, Touched]:
    """Write the changes within the scope: how many rows changed, and where."""
    if not changes:
        return 0, set()
    for statement in sql.tables:
        cursor.execute(statement)
    cursor.executemany(sql.add_change, [_parameters(change) for change in changes])
    cursor.execute(sql.find_rows, scope)
    cursor.execute("SELECT count(*) FROM attribution_row")
    count = cursor.fetchone()[0]
    if not count:
        return 0, set()
    cursor.execute(sql.update_rows)
    cursor.execute(sql.touched)
    return count, _rows_touched(cursor)


def _parameters(change: Change) -> tuple[Any, ...]:
    as_stored = connection.ops.adapt_datetimefield_value
    since, until = as_stored(change.since), as_stored(change.until)
    return (change.combination, change.dated, since, until, *change.values)


def _event_values(new: Attribution) -> tuple[str | None, ...]:
    """In the order of WRITTEN."""
    return (
        new.source.value,
        new.item_kind.value,
        new.ref_id,
        new.marketplace,
        new.plugin,
        new.evidence.value,
        new.item_version,
        json.dumps(new.candidates) if new.candidates else None,
    )


def _rows_touched(cursor: CursorWrapper) -> Touched:
    return {
        (session, date.fromisoformat(day) if isinstance(day, str) else day)
        for session, day in cursor.fetchall()
    }


def _sum_again(
    sql: Statements, cursor: CursorWrapper, days: set[tuple[int, date]], scope: Sequence[Any]
) -> None:
    """Replace the contributions of these sessions' days by sums of the stored events."""
    for statement in sql.days:
        cursor.execute(statement)
    cursor.executemany(sql.add_day, [(session, day.isoformat()) for session, day in days])
    cursor.execute(sql.delete_contributions)
    cursor.execute(sql.sums, scope)
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    for session, user, day, *named, source, ref_id, kind, calls, own, bad, no, cut in cursor:
        name = item_name(kind, subject_of(*named).name)
        key = (session, user, day, named[0], named[1], source, ref_id, kind, name)
        sums.setdefault(key, Counter()).update(
            calls=calls, invocations=own, errors=bad, rejected=no, interrupted=cut
        )
    cursor.executemany(
        sql.add_contribution,
        [(*key, *(count[each] for each in CONTRIBUTIONS)) for key, count in sums.items()],
    )


def _announce(touched: Touched, elsewhere: set[int]) -> None:
    """Queue the touched sessions for the mirror and the touched days for the rollups."""
    sessions = sorted({session for session, _ in touched} | elsewhere)
    days = sorted({day for _, day in touched if day is not None})
    PendingChange.objects.bulk_create(
        [PendingChange(consumer="mirror", kind="session", key=str(key)) for key in sessions]
        + [PendingChange(consumer="rollups", kind="day", key=day.isoformat()) for day in days]
    )
