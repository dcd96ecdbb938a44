"""Rows of derived tables, as many and as mixed as a test wants; written straight to the tables."""

import random
from datetime import UTC, date, datetime, timedelta

from django.db.models import Model

from accounts.models import User
from telemetry import rollups
from telemetry.models import (
    PendingChange,
    Session,
    UsageEvent,
    UsageResponse,
    UsageSessionDaily,
    UsageSessionDriftDaily,
    UsageSessionHookDaily,
    UsageSessionSummary,
    Watermark,
)

START = datetime(2026, 5, 1, 8, 30, tzinfo=UTC)
FACTS = (UsageSessionDaily, UsageSessionHookDaily, UsageSessionDriftDaily)
BY_DAY: tuple[type[Model], ...] = (*FACTS, *rollups.DAILY)
TOOLS = ["Bash", "Read", "Edit", "Skill"]


def make_user(name: str) -> User:
    return User.objects.create_user(f"{name}@example.org", username=name)


def make_session(user: User, name: str, *, at: datetime = START) -> Session:
    return Session.objects.create(
        user=user,
        session_id=name,
        session_file=f"{user.username}/{name}.jsonl",
        content_hash="0" * 64,
        created_at=at,
        uploaded_at=at,
    )


def make_event(session: Session, number: int, **changes: object) -> UsageEvent:
    """An event that was not stored yet."""
    at = START + timedelta(seconds=number)
    values: dict[str, object] = {
        "id": session.pk * 1_000_000 + number,
        "session_row": session,
        "session_id": session.session_id,
        "session_file": session.session_file,
        "user": session.user,
        "username": session.user.username,
        "event_uuid": f"line-{number}",
        "event_type": "tool_use",
        "tool_name": TOOLS[number % 4],
        "source": "builtin",
        "item_kind": "tool",
        "evidence": "builtin",
        "is_error": number % 5 == 0,
        "outcome": "failed" if number % 5 == 0 else "ok",
        "is_invocation": False,
        "project": "/work/agnes",
        "occurred_at": at,
        "processor_version": 1,
        "extracted_at": at,
    }
    return UsageEvent(**{**values, **changes})


def make_response(session: Session, number: int, **changes: object) -> UsageResponse:
    """A response that was not stored yet."""
    at = START + timedelta(seconds=number, microseconds=1000 * number)
    values: dict[str, object] = {
        "id": session.pk * 1_000_000 + number,
        "session_row": session,
        "session_id": session.session_id,
        "user": session.user,
        "username": session.user.username,
        "message_id": f"msg-{number}",
        "model": "claude-sonnet-4-5",
        "occurred_at": at,
        "input_tokens": 3_000_000_000 + number,
        "output_tokens": 7,
        "cache_creation_tokens": 3,
        "cache_creation_5m_tokens": 1,
        "cache_creation_1h_tokens": 2,
        "cache_read_tokens": 9,
        "usage_final": number % 2 == 0,
        "is_sidechain": False,
        "cost_usd": None if number % 3 == 0 else 0.1 * number,
        "processor_version": 1,
        "extracted_at": at,
    }
    return UsageResponse(**{**values, **changes})


def make_summary(session: Session, **changes: object) -> UsageSessionSummary:
    numbers = {
        field.name: 0
        for field in UsageSessionSummary._meta.concrete_fields
        if field.get_internal_type() in {"IntegerField", "BigIntegerField", "FloatField"}
        and not field.null
    }
    values: dict[str, object] = {
        **numbers,
        "session_row": session,
        "session_file": session.session_file,
        "session_id": session.session_id,
        "user": session.user,
        "username": session.user.username,
        "started_at": START,
        "ended_at": START + timedelta(hours=1),
        "processor_version": 1,
        "extracted_at": START,
        "uploaded_at": START,
    }
    return UsageSessionSummary.objects.create(**{**values, **changes})


def fill_session(session: Session, events: int = 20) -> None:
    """A session with events, responses, a summary and a day's facts, and its mark."""
    UsageEvent.objects.bulk_create([make_event(session, n) for n in range(events)])
    UsageResponse.objects.bulk_create([make_response(session, n) for n in range(events // 2)])
    make_summary(session)
    UsageSessionDaily.objects.create(
        session_row=session,
        user=session.user,
        day=START.date(),
        event_type="tool_use",
        tool_name="Bash",
        source="builtin",
        item_kind="tool",
        name="Bash",
        calls=events,
        invocations=0,
        errors=1,
        rejected=0,
        interrupted=0,
    )
    mark("mirror", "session", session.pk)
    mark("rollups", "day", START.date().isoformat())


def mark(consumer: str, kind: str, key: object = "") -> None:
    PendingChange.objects.create(consumer=consumer, kind=kind, key=str(key))


def recompute_all(now: datetime) -> None:
    """Every day of which there is any row, and the windows."""
    days: set[date] = set()
    for model in BY_DAY:
        days.update(model._default_manager.order_by().values_list("day", flat=True).distinct())
    for day in days:
        mark(rollups.CONSUMER, "day", day)
    Watermark.objects.filter(name=rollups.WINDOWS).delete()
    rollups.refresh(now=now, budget=None)


def random_contributions(seed: int, days: list[date], sessions: list[Session]) -> None:
    """Contributions of all three kinds, some twice under different keys, some empty."""
    chance = random.Random(seed)
    items = [
        ("curated", "shop/lint", "skill", "lint:check"),
        ("curated", "shop/lint", "agent", "lint:reviewer"),
        ("flea", "17", "command", "tidy-by-ada"),
        ("curated", "shop/deploy", "mcp", "plugin_deploy_k8s"),
        ("builtin", None, "tool", "Bash"),
        ("unattributed", None, "skill", "mine"),
    ]
    facts, hooks, drift = [], [], []
    for session in sessions:
        for day in days:
            where = {"session_row": session, "user": session.user, "day": day}
            for source, ref_id, item_kind, name in chance.sample(items, chance.randint(0, 6)):
                calls = chance.randint(1, 9)
                facts.append(
                    UsageSessionDaily(
                        **where,
                        event_type=chance.choice(["tool_use", "slash_command"]),
                        tool_name=chance.choice([None, "Skill", "Bash"]),
                        source=source,
                        ref_id=ref_id,
                        item_kind=item_kind,
                        name=name,
                        calls=calls,
                        invocations=chance.randint(0, calls),
                        errors=chance.randint(0, 2),
                        rejected=chance.randint(0, 1),
                        interrupted=chance.randint(0, 1),
                    )
                )
            if chance.random() < 0.5:
                hooks.append(
                    UsageSessionHookDaily(
                        **where,
                        hook_event=chance.choice(["Stop", "PreToolUse"]),
                        hook_name="check",
                        plugin=chance.choice(["", "lint"]),
                        result=chance.choice(["success", "blocking_error"]),
                        runs=chance.randint(1, 5),
                    )
                )
                drift.append(
                    UsageSessionDriftDaily(
                        **where, kind="key", name=chance.choice(["new", "newer"]), lines=3
                    )
                )
    UsageSessionDaily.objects.bulk_create(facts)
    UsageSessionHookDaily.objects.bulk_create(hooks)
    UsageSessionDriftDaily.objects.bulk_create(drift)
