"""Asking in tests: a small telling instance, and a model that answers as it is told."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from accounts import audit
from accounts.models import User
from telemetry import mirror
from telemetry.ask.run import Asker
from telemetry.models import UsageToolDaily
from tests.telemetry.ask.messages_server import Step, answers

BASH_YESTERDAY = (
    "SELECT sum(invocations) AS calls FROM usage_tool_daily "
    "WHERE tool_name = 'Bash' AND day = current_date - 1"
)


def asker(user: User | None = None, door: audit.Door = audit.Door.COMMAND) -> Asker:
    return Asker(user, door, datetime.now(UTC))


def tool_day(day: date, tool: str, calls: int, source: str = "builtin") -> UsageToolDaily:
    return UsageToolDaily.objects.create(
        day=day,
        tool_name=tool,
        source=source,
        invocations=calls,
        error_count=calls // 10,
        rejected_count=0,
        interrupted_count=0,
        distinct_users=1,
        distinct_sessions=1,
    )


def fill() -> None:
    """Bash 42 times yesterday; other tools and days that must not count; and publish."""
    today = datetime.now(UTC).date()
    tool_day(today - timedelta(days=1), "Bash", 42)
    tool_day(today - timedelta(days=1), "Read", 7)
    tool_day(today - timedelta(days=2), "Bash", 100)
    tool_day(today, "Bash", 3)
    mirror.rebuild(now=datetime.now(UTC))


def says(
    kind: str = "sql",
    sql: str | None = None,
    message: str | None = None,
    rationale: str | None = None,
) -> Step:
    """The model's answer."""
    answer: dict[str, Any] = {"kind": kind, "sql": sql, "message": message, "rationale": rationale}
    return answers(answer)
