"""What it costs to bring one changed session, or everything, into the mirror."""

import statistics
from datetime import UTC, datetime, timedelta

from benchmarks import instance
from benchmarks.measures import Measure, timed

EVENTS = {"smoke": 100_000, "full": 10_000_000}
# Rows that the relational database really holds, for the rebuild.
STORED = {"smoke": 20_000, "full": 1_000_000}
SESSION_EVENTS = 400
ROUNDS = 8
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def run(size: str) -> list[Measure]:
    """One session applied and published beside many events; a rebuild from the database."""
    instance.start()
    return [*_changes(EVENTS[size]), *_rebuild(STORED[size])]


def _changes(events: int) -> list[Measure]:
    from benchmarks.mirror_rows import build_mirror
    from telemetry import mirror
    from telemetry.models import PendingChange

    build_mirror(events)
    _store(SESSION_EVENTS)
    seconds, written = [], 0
    for _ in range(ROUNDS):
        PendingChange.objects.create(consumer="mirror", kind="session", key="1")
        with timed() as clock:
            report = mirror.sync(now=NOW)
        seconds.append(clock.seconds)
        written = report.publication.written if report.publication else 0
    mirror.sync(now=NOW)  # looks at the published file, once
    with timed() as idle:
        mirror.sync(now=NOW)
    name = f"mirror: a session of {SESSION_EVENTS} beside {events:,} events"
    # The first rounds copy the whole file: there is no spare yet.
    return [
        Measure(name, statistics.median(seconds), "s", "less", 0.5),
        Measure("mirror: its first publication, whole file", seconds[0], "s"),
        Measure("mirror: bytes written for it", written / 1e6, "MB"),
        Measure("mirror: nothing to do", idle.seconds * 1000, "ms", "less", 50),
    ]


def _rebuild(events: int) -> list[Measure]:
    from telemetry import mirror

    _store(events)
    with timed() as clock:
        mirror.rebuild(now=NOW)
    return [Measure("mirror: rebuild", events / clock.seconds, "rows/s", "more")]


def _store(events: int) -> None:
    """Sessions with so many events altogether, in place of what was there."""
    from accounts.models import User
    from telemetry.models import Session, UsageEvent

    UsageEvent.objects.all().delete()
    Session.objects.all().delete()
    user, _ = User.objects.get_or_create(email="bench@example.org", username="bench")
    for number in range(1, events // SESSION_EVENTS + 1):
        name = f"00000000-0000-4000-8000-{number:012d}"
        at = NOW + timedelta(minutes=number)
        session = Session.objects.create(
            pk=number, user=user, session_id=name, session_file=f"{name}.jsonl",
            content_hash="0", created_at=at, uploaded_at=at,
        )  # fmt: skip
        UsageEvent.objects.bulk_create(
            UsageEvent(
                id=number * 1_000_003 + place, session_row=session, session_id=name,
                session_file=session.session_file, user=user, username="bench",
                event_uuid=f"{number:08x}-0000-4000-8000-{place:012d}", event_type="tool_use",
                tool_name="Bash", source="builtin", item_kind="tool", evidence="builtin",
                is_error=False, outcome="ok", is_invocation=False, project="/work/agnes",
                cwd="/work/agnes", occurred_at=at + timedelta(seconds=place),
                processor_version=1, extracted_at=at,
            )
            for place in range(SESSION_EVENTS)
        )  # fmt: skip
