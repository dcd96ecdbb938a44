"""Numbers and times as pages show them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils.html import strip_tags

from agnes_project.templatetags import figures, moments

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


def plain(text: str) -> str:
    """Without markup, thin spaces as _."""
    return strip_tags(text).replace(figures.THIN, "_")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (999, "999"), (1234567, "1_234_567"), (-1500, "−1_500"), (None, "unknown")],
)
def test_whole_numbers_have_thin_separators(value: int | None, shown: str) -> None:
    assert plain(figures.number(value)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (9999, "9_999"),
        (12_345, "12.3_k"),
        (999_499, "999_k"),
        (999_600, "1.00_M"),
        (1_234_567, "1.23_M"),
        (3_200_000_000, "3.20_G"),
        (None, "unknown"),
    ],
)
def test_large_numbers_are_shortened_to_three_digits(value: int | None, shown: str) -> None:
    assert plain(figures.compact(value)) == shown


def test_a_shortened_number_tells_the_whole_one() -> None:
    assert f'title="1{figures.THIN}234{figures.THIN}567"' in figures.compact(1_234_567)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0_%"),
        (0.0001, "<_0.1_%"),
        (0.1234, "12.3_%"),
        (0.5, "50_%"),
        (0.9999, "99.9_%"),
        (1, "100_%"),
        (None, "unknown"),
    ],
)
def test_a_share_never_reads_as_all_or_none_when_it_is_not(value: Any, shown: str) -> None:
    assert plain(figures.share(value)) == shown


def test_a_share_of_nothing_is_a_dash() -> None:
    assert figures.share_of(0, 0) == "–"
    assert plain(figures.share_of(1, 4)) == "25_%"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "$0.00"),
        (0.004, "<_$0.01"),
        (12.345, "$12.35"),
        (12345.6, "$12_346"),
        (None, "unknown"),
    ],
)
def test_costs_are_dollars_and_never_nothing_when_unknown(value: Any, shown: str) -> None:
    assert plain(figures.usd(value)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (12.4, "12_s"),
        (59.6, "1_min"),
        (240, "4_min"),
        (3599, "1_h"),
        (12000, "3_h 20_min"),
        (1_000_000, "278_h"),
        (None, "unknown"),
    ],
)
def test_durations_have_two_units_at_most(seconds: Any, shown: str) -> None:
    assert plain(figures.duration(seconds)) == shown


def test_sizes_are_binary() -> None:
    assert [plain(figures.size(n)) for n in (0, 1023, 1024, 5 * 1024**2)] == [
        "0_B",
        "1_023_B",
        "1.00_KiB",
        "5.00_MiB",
    ]


def test_a_change_says_direction_and_whether_that_is_good() -> None:
    more = figures.change(120, 100, better="up")
    assert 'class="better"' in more
    assert plain(more) == "↑up by  20_%"
    assert 'class="worse"' in figures.change(120, 100, better="down")
    assert 'class=""' in figures.change(99, 100)
    assert plain(figures.change(99, 100)) == "↓down by  1.0_%"
    assert plain(figures.change(100, 100)) == "no change"


@pytest.mark.parametrize(("now", "before"), [(5, 0), (5, None), (None, 5)])
def test_there_is_no_change_from_nothing(now: Any, before: Any) -> None:
    assert figures.change(now, before) == ""


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(seconds=90), "1 minute ago"),
        (timedelta(hours=47), "1 day ago"),
        (timedelta(days=400), "1 year ago"),
        (timedelta(hours=-3), "in 3 hours"),
        (timedelta(seconds=-5), "in a moment"),
    ],
)
def test_times_are_relative(ago: timedelta, words: str) -> None:
    assert moments.relative(NOW - ago, now=NOW) == words


def test_a_time_tells_the_exact_one_in_utc() -> None:
    with time_machine.travel(NOW, tick=False):
        shown = moments.moment(datetime.fromisoformat("2026-06-15T12:30:00+02:00"))
    assert 'datetime="2026-06-15T10:30:00+00:00"' in shown
    assert 'title="2026-06-15 10:30:00 UTC"' in shown
    assert strip_tags(shown) == "1 hour ago"


def test_days_are_utc_days() -> None:
    late = datetime.fromisoformat("2026-06-15T01:30:00+02:00")
    assert strip_tags(moments.day(late)) == "14 Jun 2026"
    assert strip_tags(moments.day(date(2026, 6, 3))) == "3 Jun 2026"
    assert moments.day(None) == moments.moment(None) == moments.instant(None) == "never"
