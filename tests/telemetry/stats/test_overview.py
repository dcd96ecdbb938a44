"""The overview's reads against the same figures counted slowly, for windows and filters alike."""

from datetime import date
from typing import Any

import pytest

from telemetry import mirror
from telemetry.stats import series
from telemetry.stats.filters import Filters
from telemetry.stats.overview import choices, overview
from telemetry.stats.tables import KINDS
from telemetry.stats.windows import Window
from tests.reference.summary_twin import SlowSummary
from tests.telemetry.stats.conftest import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("usage")]

WINDOWS = {
    "7 days": {"days": "7"},
    "30 days": {"days": "30"},
    "by hand": {"since": "2026-05-20", "until": "2026-06-02"},
    "to the end": {"since": "2026-06-01"},
}
FILTERS: dict[str, dict[str, str]] = {
    "everything": {},
    "person": {"person": "bob"},
    "source": {"source": "curated"},
    "marketplace": {"marketplace": "shop"},
    "plugin": {"plugin": "shop/lint"},
    "flea upload": {"plugin": "17"},
    "tool": {"tool": "Bash"},
    "item": {"item": "lint:check"},
    "model": {"model": "claude-opus-4-6"},
    "project": {"project": "/work/agnes"},
    "model and tool": {"model": "unheard-of", "tool": "Skill"},
    "person, project, plugin": {"person": "ada", "project": "/work/agnes", "plugin": "shop/lint"},
    "nobody": {"person": "nobody"},
}


def window_of(words: dict[str, str]) -> Window:
    return Window.parse(**words, now=NOW)


def same(fast: dict[str, Any], slow: dict[str, Any]) -> bool:
    return {name: pytest.approx(value) for name, value in slow.items()} == {
        name: fast[name] for name in slow
    }


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("words", FILTERS.values(), ids=FILTERS)
def test_every_figure_is_the_slow_count(words: dict[str, str], window: dict[str, str]) -> None:
    chosen, filters = window_of(window), Filters(**words)
    found = overview(chosen, filters, top=1000)
    slow = SlowSummary(chosen.first, chosen.last, filters)

    assert same(found.totals["window"].as_json(), slow.totals())
    for column, rows in (
        ("calls", found.daily.calls),
        ("invocations", found.daily.invocations),
    ):
        assert [day for day, _ in rows] == chosen.days
        shown = {
            (day, source): count
            for day, counts in rows
            for source, count in zip(series.SOURCES, counts, strict=True)
            if count
        }
        assert shown == slow.daily(column)
    for kind in KINDS:
        ranked = found.names[kind]
        assert ranked.total == len(ranked.rows)
        assert {
            (row.name, row.source, row.ref_id): (row.uses, row.people, row.errors)
            for row in ranked.rows
        } == slow.names(kind)
    assert {
        row.username: (row.sessions, row.prompts, row.tool_calls) for row in found.people.rows
    } == slow.people()
    hours = {(d, h): n for d, row in enumerate(found.hours) for h, n in enumerate(row) if n}
    assert hours == dict(slow.hours())
    assert sum(row.sessions for row in found.models.rows) == len(slow.sessions)
    assert sum(row.tokens for row in found.projects.rows) == found.totals["window"].tokens


@pytest.mark.parametrize("words", FILTERS.values(), ids=FILTERS)
def test_compared_are_complete_days_with_as_many_before(words: dict[str, str]) -> None:
    window, filters = window_of({"days": "7"}), Filters(**words)
    found = overview(window, filters)
    assert (window.first, window.complete_last) == (date(2026, 6, 8), date(2026, 6, 14))
    complete = SlowSummary(date(2026, 6, 8), date(2026, 6, 14), filters)
    before = SlowSummary(date(2026, 6, 1), date(2026, 6, 7), filters)
    assert same(found.totals["complete"].as_json(), complete.totals())
    assert same(found.totals["before"].as_json(), before.totals())


def test_each_filter_changes_every_total() -> None:
    window = window_of({"days": "30"})
    whole = overview(window, Filters()).totals["window"]
    for name, words in FILTERS.items():
        part = overview(window, Filters(**words)).totals["window"]
        assert (part != whole) == bool(words), name
        assert part.calls <= whole.calls
        assert part.sessions <= whole.sessions


def test_figures_are_those_of_plain_sql_on_the_mirror() -> None:
    window = window_of({"days": "30"})
    whole = overview(window, Filters()).totals["window"]
    with mirror.reader() as cursor:
        plain = cursor.execute(
            "SELECT (SELECT sum(calls) FROM usage_user_daily WHERE day >= DATE '2026-05-16'), "
            "(SELECT sum(prompts) FROM usage_session_summary WHERE started_at >= '2026-05-16')"
        ).fetchone()
    assert plain == (whole.calls, whole.prompts)


def test_people_by_plugin_and_week_are_counted_once_a_week() -> None:
    window = window_of({"days": "30"})
    found = overview(window, Filters()).adoption
    slow = SlowSummary(window.first, window.last, Filters())
    people: dict[tuple[str, str, date], set[int]] = {}
    for row in slow.facts:
        if row.ref_id and row.invocations:
            monday = date.fromordinal(row.day.toordinal() - row.day.weekday())
            people.setdefault((row.source, row.ref_id, monday), set()).add(row.user_id)
    shown = {
        (*plugin, week): count
        for plugin, counts in zip(found.plugins, found.people, strict=True)
        for week, count in zip(found.weeks, counts, strict=True)
        if count
    }
    assert shown == {key: len(ids) for key, ids in people.items()}


def test_what_is_on_offer_and_was_not_invoked_is_never_used() -> None:
    window = window_of({"days": "30"})
    assert [row.name for row in overview(window, Filters()).unused.rows] == ["lint:never-called"]
    elsewhere = Filters(plugin="shop/deploy")
    assert overview(window, elsewhere).unused.rows == []


def test_costs_that_are_unknown_are_counted_and_named_and_never_nothing() -> None:
    found = overview(window_of({"days": "30"}), Filters(model="unheard-of"))
    whole = found.totals["window"]
    assert whole.unknown_cost_sessions == whole.sessions > 0
    assert whole.known_cost is None
    assert found.unknown_models == ["unheard-of"]
    assert {row.cost_usd for row in found.models.rows} == {None}


def test_an_empty_selection_tells_where_the_data_is() -> None:
    found = overview(window_of({"since": "2020-01-01", "until": "2020-02-01"}), Filters())
    assert found.is_empty
    assert found.data_days is not None
    assert found.data_days[1] <= NOW.date()


def test_choices_are_what_the_window_holds() -> None:
    offered = choices(window_of({"days": "30"}))
    assert set(offered["person"]) == {"ada", "bob", "cleo"}
    assert "Bash" in offered["tool"]
    assert set(offered["marketplace"]) == {"shop"}
    assert "<" in "".join(offered["project"])
