"""Attribute stored events anew when the catalogue changed, without reading a transcript again.

Batch by batch of sessions: the distinct combinations of what attribution depends on are resolved
in memory, one UPDATE writes those that changed, and the daily contributions of the touched days
are summed again from the stored events. Days before the pruning watermark stay as they are.
"""

import json
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
from telemetry.models import Heartbeat, PendingChange, Watermark
from telemetry.reattribution_sql import CONTRIBUTIONS, WRITTEN, Statements, statements
from telemetry.resolver import Resolver, Timeline

HEARTBEAT = "attribution"
LEASE_TTL = timedelta(minutes=5)
BATCH = 500
"""Sessions in one transaction: some 50,000 events, so writers wait for about a second at most."""


class Reattributed(NamedTuple):
    """What was changed, in numbers."""

    events: int
    sessions: int
    days: int


class Change(NamedTuple):
    """New values for the events of one combination; `dated` 0: all, 1: with a time in
    [since, until) (None: open), 2: without a time."""

    combination: str
    dated: int
    since: datetime | None
    until: datetime | None
    attribution: Attribution


Touched = set[tuple[int, date | None]]
"""Sessions' primary keys and days (None: only events without a time)."""


def reattribute_due(*, now: datetime, batch: int = BATCH) -> Reattributed | None:
    """Work off queued re-attribution under a lease; None when none is due.

    Due is what the catalogue queued, and a builtin list newer than the one last worked with.
    Raises LeaseTaken while another process does it.
    """
    marks = list(PendingChange.objects.filter(consumer=CONSUMER).values_list("pk", flat=True))
    if not marks and _last_builtin_version() == BUILTIN_VERSION:
        return None
    with lease("attribution", ttl=LEASE_TTL) as held:
        report = reattribute(now=now, batch=batch, held=held)
        # Exactly those seen: another transaction may yet commit one with a lower key.
        PendingChange.objects.filter(pk__in=marks).delete()
    return report


def reattribute(*, now: datetime, batch: int = BATCH, held: Held | None = None) -> Reattributed:
    """Attribute every stored event anew, `batch` sessions in a transaction. Safe to repeat.

    Events of pruned days and the contributions of such days are left alone. Changed sessions are
    queued for the mirror, changed days for the rollups.
    """
    resolver = Resolver.load()
    sql = statements(connection.vendor)
    floor = _pruned_before()
    events = sessions = 0
    days: set[date] = set()
    for first, last in _session_ranges(batch):
        if held is not None:
            held.renew()
        changes = list(_changes(sql, resolver, (first, last, floor)))
        if not changes:
            continue
        with transaction.atomic():
            if held is not None:
                held.check()
            count, touched = _apply(sql, changes, (first, last, floor))
        events += count
        sessions += len({session for session, _ in touched})
        days.update(day for _, day in touched if day is not None)
    details = {"catalogue": resolver.version, "builtin": BUILTIN_VERSION, "events": events}
    Heartbeat.objects.update_or_create(
        name=HEARTBEAT, defaults={"beat_at": now, "details": details}
    )
    return Reattributed(events, sessions, len(days))


def _last_builtin_version() -> int | None:
    details = Heartbeat.objects.filter(name=HEARTBEAT).values_list("details", flat=True).first()
    return details.get("builtin") if details else None


def _pruned_before() -> Any:
    """The first day whose events are all there, as a parameter that compares with a time."""
    mark = Watermark.objects.filter(name="events_pruned_before").first()
    return f"{mark.day.isoformat() if mark else '0001-01-01'} 00:00:00"


def _session_ranges(batch: int) -> Iterator[tuple[int, int]]:
    """First and last primary key of each batch of sessions that have events."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT session_pk FROM usage_events ORDER BY session_pk")
        keys = [key for (key,) in cursor.fetchall()]
    for start in range(0, len(keys), batch):
        chunk = keys[start : start + batch]
        yield chunk[0], chunk[-1]


def _changes(sql: Statements, resolver: Resolver, scope: Sequence[Any]) -> Iterator[Change]:
    """What is to be written for the combinations that occur within the scope."""
    with connection.cursor() as cursor:
        cursor.execute(sql.combinations, scope)
        rows = cursor.fetchall()
    for combination, kind, tool, skill, agent, command, path, field_plugin, *written in rows:
        values = dict(zip(WRITTEN, written, strict=True))
        stored = Attribution(**{**values, "candidates": candidates_of(values["candidates"])})
        subject = subject_of(kind, tool, skill, agent, command)
        for dated, since, until, attribution in _spans(
            resolver.timeline(*subject, path, field_plugin)
        ):
            if attribution != stored:
                yield Change(combination, dated, since, until, attribution)


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


def _apply(sql: Statements, changes: list[Change], scope: Sequence[Any]) -> tuple[int, Touched]:
    """Write the changes within the scope and what follows from them; to be called in a transaction.

    Returns how many events changed, and where.
    """
    with connection.cursor() as cursor:
        for statement in sql.tables:
            cursor.execute(statement)
        cursor.executemany(sql.add_change, [_parameters(change) for change in changes])
        cursor.execute(sql.find_events, scope)
        cursor.execute("SELECT count(*) FROM attribution_event")
        count = cursor.fetchone()[0]
        if not count:
            return 0, set()
        cursor.execute(sql.update_events)
        cursor.execute(sql.touched)
        touched = _rows_touched(cursor)
        cursor.execute(sql.update_invocations)
        _sum_again(sql, cursor, touched, scope)
    _announce(touched)
    return count, touched


def _parameters(change: Change) -> tuple[Any, ...]:
    as_stored = connection.ops.adapt_datetimefield_value
    new = change.attribution
    return (
        change.combination,
        change.dated,
        as_stored(change.since),
        as_stored(change.until),
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
    sql: Statements, cursor: CursorWrapper, touched: Touched, scope: Sequence[Any]
) -> None:
    """Replace the contributions of the touched sessions' days by sums of the stored events."""
    days = [(session, day.isoformat()) for session, day in touched if day is not None]
    cursor.executemany(sql.add_day, days)
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


def _announce(touched: Touched) -> None:
    """Queue the touched sessions for the mirror and the touched days for the rollups."""
    sessions = sorted({session for session, _ in touched})
    days = sorted({day for _, day in touched if day is not None})
    PendingChange.objects.bulk_create(
        [PendingChange(consumer="mirror", kind="session", key=str(key)) for key in sessions]
        + [PendingChange(consumer="rollups", kind="day", key=day.isoformat()) for day in days]
    )
