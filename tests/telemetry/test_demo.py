import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import Max, Min, Sum
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from accounts.models import User
from telemetry import mirror
from telemetry.models import (
    ProcessorState,
    Session,
    SessionOverlap,
    TranscriptFile,
    UsageEvent,
    UsageFormatDrift,
    UsageHookDaily,
    UsageMarketplaceItemWindow,
    UsageResponse,
    UsageSessionSummary,
    UsageToolDaily,
)
from telemetry.taxonomy import EventKind, Evidence, ItemKind, Outcome, Source

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)  # a Monday, so yesterday hardly anybody works
TODAY = NOW.date()
DAYS = 35


@pytest.fixture(scope="module", autouse=True)
def mirror_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with override_settings(AGNES_MIRROR_DIR=tmp_path_factory.mktemp("mirror")):
        mirror.close()
        yield
        mirror.close()


@pytest.fixture(scope="module")
def seeded(
    mirror_folder: None, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[dict[str, Any]]:
    """The demo as the command makes it, for all tests that only look at it."""
    with django_db_blocker.unblock(), transaction.atomic():
        out = StringIO()
        call_command("seed_demo", now=NOW, days=DAYS, json=True, stdout=out)
        yield json.loads(out.getvalue())
        transaction.set_rollback(True)


@pytest.mark.parametrize("back", [0, 1])
def test_bash_was_called_today_and_yesterday(seeded: dict[str, Any], back: int) -> None:
    row = UsageToolDaily.objects.get(day=TODAY - timedelta(days=back), tool_name="Bash")
    assert row.invocations > 0


def test_nothing_lies_in_the_future_and_the_first_day_has_sessions(seeded: dict[str, Any]) -> None:
    times = UsageEvent.objects.aggregate(first=Min("occurred_at"), last=Max("occurred_at"))
    assert times["last"] <= NOW
    assert times["first"].date() == TODAY - timedelta(days=DAYS)
    assert UsageResponse.objects.aggregate(last=Max("occurred_at"))["last"] <= NOW
    assert UsageSessionSummary.objects.aggregate(last=Max("ended_at"))["last"] <= NOW
    assert Session.objects.aggregate(last=Max("uploaded_at"))["last"] <= NOW
    assert not UsageMarketplaceItemWindow.objects.exclude(refreshed_at=NOW).exists()


@pytest.mark.parametrize("source", [Source.CURATED, Source.FLEA])
@pytest.mark.parametrize("window", ["last_7d", "last_30d"])
def test_an_item_of_each_market_is_used_by_three_people(
    seeded: dict[str, Any], source: Source, window: str
) -> None:
    popular = UsageMarketplaceItemWindow.objects.filter(
        period_label=window, source=source, type=ItemKind.SKILL, distinct_users__gte=3
    )
    assert popular.exists()


def test_every_kind_of_event_and_outcome_is_there(seeded: dict[str, Any]) -> None:
    assert set(UsageEvent.objects.values_list("event_type", flat=True)) == set(EventKind)
    assert set(UsageEvent.objects.values_list("outcome", flat=True)) == set(Outcome)
    assert set(UsageEvent.objects.values_list("source", flat=True)) == set(Source)


@pytest.mark.parametrize("kind", [ItemKind.SKILL, ItemKind.AGENT, ItemKind.COMMAND, ItemKind.MCP])
def test_every_kind_of_item_is_invoked(seeded: dict[str, Any], kind: ItemKind) -> None:
    assert UsageEvent.objects.filter(
        is_invocation=True, item_kind=kind, source=Source.CURATED
    ).exists()


def test_a_name_of_two_marketplaces_is_ambiguous_without_better_evidence(
    seeded: dict[str, Any],
) -> None:
    ambiguous = UsageEvent.objects.filter(evidence=Evidence.AMBIGUOUS)
    assert {tuple(event.candidates or ()) for event in ambiguous} == {
        ("harbour-tools/docs-writer", "open-quay/docs-writer")
    }
    known = UsageEvent.objects.filter(skill_name="docs-writer:draft", evidence=Evidence.PATH)
    assert set(known.values_list("marketplace", flat=True)) == {"harbour-tools", "open-quay"}


def test_personal_things_are_unattributed(seeded: dict[str, Any]) -> None:
    unknown = UsageEvent.objects.filter(source=Source.UNATTRIBUTED)
    assert unknown.filter(skill_name="my-checklist").exists()
    assert unknown.filter(event_type=EventKind.MCP_CALL).exists()


def test_sessions_have_forks_subagents_titles_projects_and_damage(seeded: dict[str, Any]) -> None:
    assert Session.objects.exclude(forked_from="").exists()
    assert SessionOverlap.objects.exists()
    assert TranscriptFile.objects.filter(kind=TranscriptFile.Kind.SUBAGENT).exists()
    assert Session.objects.exclude(title="").values("project").distinct().count() > 3
    assert UsageSessionSummary.objects.filter(bad_lines__gt=0).exists()
    assert UsageFormatDrift.objects.filter(kind="record").exists()
    assert UsageHookDaily.objects.exclude(plugin="").exists()


def test_one_of_the_models_has_no_price_and_some_totals_are_lower_bounds(
    seeded: dict[str, Any],
) -> None:
    costs = dict(UsageResponse.objects.values_list("model").annotate(cost=Sum("cost_usd")))
    assert costs.pop("saltmarsh-relay-1") is None
    assert len(costs) == 3
    assert all(cost > 0 for cost in costs.values())
    assert UsageSessionSummary.objects.filter(usage_final_share__lt=0.5).exists()


def test_everything_derived_is_up_to_date(seeded: dict[str, Any]) -> None:
    assert seeded["caught_up"]
    assert mirror.pending_changes() == 0
    with mirror.reader() as cursor:
        assert cursor.execute("SELECT count(*) FROM usage_events").fetchone() == (
            UsageEvent.objects.count(),
        )
    assert set(ProcessorState.objects.values_list("status", flat=True)) == {"done"}


def test_people_of_the_demo_cannot_sign_in(seeded: dict[str, Any]) -> None:
    people = list(User.objects.all())
    assert len(people) == 8
    assert all(person.email.endswith(".example") for person in people)
    assert not any(person.has_usable_password() or person.is_staff for person in people)
