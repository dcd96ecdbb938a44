"""Figures over time: by day and source, by week and plugin, by weekday and hour."""

from dataclasses import dataclass
from datetime import date, timedelta

from telemetry.stats.selection import Selection
from telemetry.taxonomy import Source

SOURCES = tuple(source.value for source in Source)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MOST_PLUGINS = 10


@dataclass(frozen=True)
class DailySeries:
    """Both are (day, a number for each of SOURCES), for every day of the window."""

    calls: list[tuple[date, tuple[int, ...]]]
    invocations: list[tuple[date, tuple[int, ...]]]


@dataclass(frozen=True)
class Adoption:
    """People by week (its Monday) for each plugin, the most adopted first."""

    weeks: list[date]
    plugins: list[tuple[str, str]]
    people: list[list[int]]


def daily_series(selection: Selection) -> DailySeries:
    found = selection.rows(
        "SELECT day, source, sum(calls)::BIGINT, sum(invocations)::BIGINT FROM chosen_facts "
        "WHERE day >= ? GROUP BY day, source",
        [selection.window.first],
    )
    numbers = {(day, source): (calls, invocations) for day, source, calls, invocations in found}

    def rows(index: int) -> list[tuple[date, tuple[int, ...]]]:
        return [
            (day, tuple(numbers.get((day, source), (0, 0))[index] for source in SOURCES))
            for day in selection.window.days
        ]

    return DailySeries(calls=rows(0), invocations=rows(1))


def adoption(selection: Selection) -> Adoption:
    window = selection.window
    found = selection.rows(
        "SELECT source, ref_id, date_trunc('week', day)::DATE, count(DISTINCT user_id) "
        "FROM chosen_facts WHERE day >= ? AND ref_id IS NOT NULL AND invocations > 0 "
        "AND (source, ref_id) IN (SELECT (source, ref_id) FROM chosen_facts "
        "WHERE day >= ? AND ref_id IS NOT NULL AND invocations > 0 GROUP BY source, ref_id "
        "ORDER BY count(DISTINCT user_id) DESC, source, ref_id LIMIT ?) "
        "GROUP BY ALL",
        [window.first, window.first, MOST_PLUGINS],
    )
    start = window.first - timedelta(days=window.first.weekday())
    weeks = [start + timedelta(days=7 * i) for i in range((window.last - start).days // 7 + 1)]
    people = {(source, ref_id, week): count for source, ref_id, week, count in found}
    plugins = sorted(
        {(source, ref_id) for source, ref_id, _ in people},
        key=lambda key: (-max(people.get((*key, week), 0) for week in weeks), key),
    )
    grid = [[people.get((*plugin, week), 0) for week in weeks] for plugin in plugins]
    return Adoption(weeks, plugins, grid)


def hours(selection: Selection) -> list[list[int]]:
    """Sessions started, by weekday (Monday first) and hour of the day, UTC."""
    found = selection.rows(
        "SELECT isodow(started_at), hour(started_at), count(*) FROM chosen_sessions "
        "WHERE day >= ? GROUP BY ALL",
        [selection.window.first],
    )
    grid = [[0] * 24 for _ in WEEKDAYS]
    for weekday, hour, count in found:
        grid[weekday - 1][hour] = count
    return grid
