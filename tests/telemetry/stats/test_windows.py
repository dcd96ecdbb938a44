"""Which days a window has."""

from datetime import UTC, date, datetime

import pytest

from telemetry.stats.filters import Filters
from telemetry.stats.windows import SummaryRefused, Window

NOW = datetime(2026, 6, 15, 23, 59, tzinfo=UTC)


def test_a_window_of_days_is_that_many_complete_ones_and_today_so_far() -> None:
    window = Window.of_days(7, now=NOW)
    assert (window.first, window.last) == (date(2026, 6, 8), date(2026, 6, 15))
    assert window.complete_days == 7
    assert (window.before_first, window.before_last) == (date(2026, 6, 1), date(2026, 6, 7))
    assert len(window.days) == 8


def test_today_is_the_utc_day() -> None:
    late = datetime.fromisoformat("2026-06-16T01:30:00+02:00")
    assert Window.of_days(1, now=late).today == date(2026, 6, 15)


def test_days_chosen_by_hand_end_before_until() -> None:
    window = Window.parse(since="2026-05-01", until="2026-05-11", now=NOW)
    assert (window.first, window.last, window.complete_days) == (
        date(2026, 5, 1),
        date(2026, 5, 10),
        10,
    )
    assert window.before_first == date(2026, 4, 21)


def test_one_end_alone_is_enough() -> None:
    assert Window.parse(since="2026-06-14", now=NOW).last == date(2026, 6, 15)
    assert Window.parse(until="2026-05-31", now=NOW).first == date(2026, 5, 1)
    assert Window.parse(now=NOW).length == 30


def test_a_window_of_today_alone_is_compared_with_nothing() -> None:
    window = Window.parse(since="2026-06-15", now=NOW)
    assert window.complete_days == 0
    assert window.before_first > window.before_last


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"days": "0"}, "days='0'"),
        ({"days": "many"}, "days='many'"),
        ({"since": "2026-13-01"}, "since='2026-13-01'"),
        ({"since": "20260501"}, "since='20260501'"),
        ({"since": "2026-05-02", "until": "2026-05-02"}, "is not before"),
        ({"since": "2020-01-01", "until": "2026-05-02"}, "more than a summary covers"),
    ],
)
def test_what_is_no_window_is_refused_with_the_fix(words: dict[str, str], said: str) -> None:
    with pytest.raises(SummaryRefused) as refused:
        Window.parse(**words, now=NOW)
    assert said in refused.value.message
    assert refused.value.fix


def test_filters_are_told_apart_by_what_they_choose() -> None:
    filters = Filters.parse({"person": " ada ", "tool": "Bash", "model": "m", "page": "2"})
    assert filters.chosen == {"person": "ada", "tool": "Bash", "model": "m"}
    assert filters.of_events == {"tool": "Bash"}
    assert filters.of_sessions == {"model": "m"}
    with pytest.raises(SummaryRefused, match="source='apt'"):
        Filters.parse({"source": "apt"})
    with pytest.raises(SummaryRefused):
        Filters.parse({"tool": "x\x00"})
