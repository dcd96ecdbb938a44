"""One session that arrives is on every page after one processing tick."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils.module_loading import import_string

from accounts import audit
from accounts.models import Scope, User
from accounts.tokens import issue_token
from agnes_project.schedules import JOBS
from telemetry import mirror
from telemetry.demo import catalogue
from telemetry.demo.people import PEOPLE, account_of
from telemetry.demo.scribe import Scribe
from telemetry.demo.stories import Story
from telemetry.models import (
    PendingChange,
    ProcessorState,
    UsageEvent,
    UsageMarketplaceItemWindow,
    UsageResponse,
    UsageSessionSummary,
    UsageToolDaily,
    UsageUserDaily,
)

pytestmark = pytest.mark.django_db


def test_a_session_fills_every_table_within_one_tick(client: Client) -> None:
    now = datetime.now(UTC)
    catalogue.register(now=now)
    user = account_of(PEOPLE[0])
    story = Story(random.Random(5), PEOPLE[0], now - timedelta(hours=5))
    story.working_session(catalogue.TIDE_TABLES)

    upload(client, user, story.files(), now)
    assert not UsageEvent.objects.exists()
    tick()

    calls = calls_in(story.files())
    events = UsageEvent.objects.filter(user=user)
    assert set(events.exclude(tool_use_id=None).values_list("tool_use_id", flat=True)) == calls
    assert UsageResponse.objects.filter(user=user, output_tokens__gt=0).exists()
    summary = UsageSessionSummary.objects.get()
    assert summary.session_id == story.main.session_id
    assert summary.tool_calls == len(calls)
    assert summary.title
    assert summary.cost_usd

    total = sum(UsageUserDaily.objects.values_list("calls", flat=True))
    assert total == events.count()
    assert UsageToolDaily.objects.filter(tool_name="Skill", source="curated").exists()
    item = UsageMarketplaceItemWindow.objects.get(
        period_label="last_7d", type="skill", ref_id="harbour-tools/tide-tables"
    )
    assert item.distinct_users == 1

    for table in ("usage_events", "usage_responses", "usage_session_summary", "usage_user_daily"):
        assert mirrored(table) > 0
    assert mirrored("usage_events") == events.count()
    assert set(ProcessorState.objects.values_list("status", flat=True)) == {"done"}
    assert not PendingChange.objects.exclude(consumer="attribution").exists()


def upload(client: Client, user: User, files: list[Scribe], now: datetime) -> None:
    _, text = issue_token(
        by=user, user=user, name="laptop", scopes=[Scope.PUSH], now=now, door=audit.Door.COMMAND
    )
    for file in files:
        answer = client.post(
            f"/api/sessions?name=-home-edda/{file.file_name}",
            data=file.lines_until(now),
            content_type="application/x-ndjson",
            headers={"Authorization": f"Bearer {text}"},
        )
        assert answer.status_code in (200, 201), answer.content


def tick() -> None:
    """What the schedule runs, by the name under which the queue knows it."""
    [job] = [job for job in JOBS if job.name == "usage_process"]
    done = import_string(job.function)()
    assert not done["left"]


def calls_in(files: list[Scribe]) -> set[str]:
    """The tool calls as the transcripts' lines tell them."""
    return {
        block["id"]
        for file in files
        for _, line in file.written
        if not isinstance(line, bytes) and line["type"] == "assistant"
        for block in line["message"]["content"]
        if block["type"] == "tool_use"
    }


def mirrored(table: str) -> int:
    with mirror.reader() as cursor:
        [(count,)] = cursor.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608
    return int(count)
