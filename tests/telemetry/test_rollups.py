from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Model

from telemetry import leases, rollups
from telemetry.models import (
    PendingChange,
    Session,
    UsageFormatDrift,
    UsageHookDaily,
    UsageMarketplaceItemDaily,
    UsageMarketplaceItemWindow,
    UsagePluginDaily,
    UsageSessionDaily,
    UsageSessionDriftDaily,
    UsageSessionHookDaily,
    UsageToolDaily,
    UsageUserDaily,
    Watermark,
)
from tests.reference import rollups_twin as twin
from tests.telemetry import usage_rows
from tests.telemetry.usage_rows import (
    make_session,
    make_user,
    mark,
    random_contributions,
    recompute_all,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 0, 30, tzinfo=UTC)
TODAY = NOW.date()
# On both edges of both windows, and the day of lines without a time.
DAYS = [TODAY - timedelta(days=back) for back in (0, 1, 7, 8, 30, 31, 90)] + [rollups.UNDATED]


def rows_of(model: type[Model]) -> list[dict[str, Any]]:
    return list(model._default_manager.values())


def figures(model: type[Model], key: str, values: str) -> twin.Figures:
    found: twin.Figures = {}
    for row in rows_of(model):
        name = tuple(row[column] for column in key.split())
        assert name not in found, "a key stands in the table twice"
        found[name] = tuple(row[column] for column in values.split())
    return found


def assert_equal_to_twin(today: date = TODAY) -> None:
    facts = rows_of(UsageSessionDaily)
    assert figures(
        UsageUserDaily,
        "day user_id event_type tool_name source ref_id item_kind name",
        "calls invocations errors rejected interrupted sessions",
    ) == twin.user_daily(facts)
    assert figures(
        UsageToolDaily,
        "day tool_name source",
        "invocations error_count rejected_count interrupted_count distinct_users distinct_sessions",
    ) == twin.tool_daily(facts)
    assert figures(
        UsagePluginDaily, "day source ref_id", "invocations distinct_users distinct_sessions"
    ) == twin.plugin_daily(facts)
    item = "source type ref_id name"
    counts = "invocations distinct_users error_count"
    assert figures(UsageMarketplaceItemDaily, f"day {item}", counts) == twin.item_daily(facts)
    assert figures(UsageMarketplaceItemWindow, f"period_label {item}", counts) == (
        twin.item_window(facts, today)
    )
    assert figures(
        UsageHookDaily, "day hook_event hook_name plugin result", "runs distinct_users"
    ) == twin.hook_daily(rows_of(UsageSessionHookDaily))
    assert figures(UsageFormatDrift, "day kind name", "lines sessions") == (
        twin.format_drift(rows_of(UsageSessionDriftDaily))
    )


@pytest.fixture
def sessions() -> list[Session]:
    people = [make_user(name) for name in ("ada", "ben", "cleo")]
    # Two sessions of each, so that people and sessions are different counts.
    return [make_session(person, f"s{n}") for person in people for n in range(2)]


def mark_days(days: list[date]) -> None:
    for day in days:
        mark("rollups", "day", day.isoformat())


@pytest.mark.parametrize("seed", range(8))
def test_every_rollup_says_what_its_slow_twin_says(seed: int, sessions: list[Session]) -> None:
    random_contributions(seed, DAYS, sessions)
    mark_days(DAYS)
    assert rollups.refresh(now=NOW) == len(DAYS)
    assert UsageMarketplaceItemWindow.objects.exists()
    assert_equal_to_twin()


@pytest.mark.parametrize("seed", range(3))
def test_a_session_taken_away_is_subtracted_everywhere(seed: int, sessions: list[Session]) -> None:
    random_contributions(seed, DAYS, sessions)
    mark_days(DAYS)
    rollups.refresh(now=NOW)
    for model in usage_rows.FACTS:
        model._default_manager.filter(session_row=sessions[0]).delete()
    mark_days(DAYS)
    rollups.refresh(now=NOW)
    assert_equal_to_twin()


def test_only_marked_days_are_recomputed_and_each_once(sessions: list[Session]) -> None:
    random_contributions(1, DAYS, sessions)
    mark_days([TODAY, TODAY])
    assert rollups.refresh(now=NOW) == 1
    assert set(UsageUserDaily.objects.values_list("day", flat=True)) == {TODAY}
    assert rollups.refresh(now=NOW) == 0


def test_each_recomputed_day_is_passed_on_to_the_mirror(sessions: list[Session]) -> None:
    random_contributions(1, DAYS, sessions)
    mark_days([TODAY])
    rollups.refresh(now=NOW)
    marks = PendingChange.objects.values_list("consumer", "kind", "key")
    assert set(marks) == {
        ("mirror", "day", TODAY.isoformat()),
        ("mirror", "table", "usage_marketplace_item_window"),
    }


def test_the_windows_move_on_with_the_utc_day(sessions: list[Session]) -> None:
    random_contributions(2, DAYS, sessions)
    mark_days(DAYS)
    rollups.refresh(now=NOW)
    for days in (1, 7, 23):
        later = NOW + timedelta(days=days)
        assert rollups.refresh(now=later) == 0
        assert_equal_to_twin(today=later.date())


def test_windows_stay_as_they_are_when_no_invocation_changed(sessions: list[Session]) -> None:
    random_contributions(3, DAYS, sessions)
    mark_days(DAYS)
    rollups.refresh(now=NOW)
    PendingChange.objects.all().delete()
    UsageSessionDaily.objects.create(
        session_row=sessions[0], user=sessions[0].user, day=TODAY, event_type="tool_use",
        tool_name="Grep", source="builtin", item_kind="tool", name="Grep",
        calls=1, invocations=0, errors=0, rejected=0, interrupted=0,
    )  # fmt: skip
    mark_days([TODAY])
    rollups.refresh(now=NOW + timedelta(minutes=1))
    assert not PendingChange.objects.filter(kind="table").exists()
    assert_equal_to_twin()


def test_another_person_using_an_item_alone_renews_the_windows(sessions: list[Session]) -> None:
    random_contributions(3, DAYS, sessions[:2])
    mark_days(DAYS)
    rollups.refresh(now=NOW)
    # The same sums, another person: only the count of people moves.
    UsageSessionDaily.objects.filter(session_row=sessions[0]).update(
        session_row=sessions[2], user=sessions[2].user
    )
    mark_days(DAYS)
    rollups.refresh(now=NOW)
    assert_equal_to_twin()


def test_a_day_whose_facts_were_pruned_keeps_its_figures(sessions: list[Session]) -> None:
    random_contributions(4, DAYS, sessions)
    mark_days(DAYS)
    rollups.refresh(now=NOW)
    closed = TODAY - timedelta(days=30)
    before = list(UsageUserDaily.objects.filter(day__lt=closed).order_by("pk").values())
    UsageSessionDaily.objects.filter(day__lt=closed).exclude(day=rollups.UNDATED).delete()
    Watermark.objects.create(name=rollups.PRUNED, day=closed, updated_at=NOW)
    mark_days(DAYS)
    rollups.refresh(now=NOW)
    recompute_all(NOW)
    after = UsageUserDaily.objects.filter(day__lt=closed).exclude(day=rollups.UNDATED)
    assert [row for row in before if row["day"] != rollups.UNDATED] == list(
        after.order_by("pk").values()
    )
    assert not PendingChange.objects.filter(consumer="rollups").exists()


def test_rebuilding_makes_everything_again(sessions: list[Session]) -> None:
    random_contributions(5, DAYS, sessions)
    # Rows that nothing proves, on a day without facts.
    UsageToolDaily.objects.create(
        day=TODAY - timedelta(days=3), tool_name="Bash", source="builtin", invocations=9,
        error_count=0, rejected_count=0, interrupted_count=0, distinct_users=1,
        distinct_sessions=1,
    )  # fmt: skip
    recompute_all(NOW)
    assert_equal_to_twin()


def test_what_does_not_fit_into_the_budget_stays_marked(sessions: list[Session]) -> None:
    random_contributions(6, DAYS, sessions)
    mark_days(DAYS)
    assert rollups.refresh(now=NOW, budget=timedelta(0)) == rollups.DAYS_AT_ONCE
    left = PendingChange.objects.filter(consumer="rollups").count()
    assert left == len(DAYS) - rollups.DAYS_AT_ONCE
    rollups.refresh(now=NOW)
    assert_equal_to_twin()


def test_nobody_recomputes_while_another_process_does(sessions: list[Session]) -> None:
    mark_days([TODAY])
    assert leases.take("rollups", ttl=timedelta(minutes=1))
    with pytest.raises(leases.LeaseTaken):
        rollups.refresh(now=NOW)
