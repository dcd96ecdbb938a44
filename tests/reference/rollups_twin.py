"""The rollups once more: slow, row by row, in plain Python, from what they are said to mean."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]
Figures = dict[tuple[Hashable, ...], tuple[int, ...]]


def _grouped(
    rows: Iterable[Row], key: Callable[[Row], tuple[Hashable, ...]]
) -> dict[tuple[Hashable, ...], list[Row]]:
    groups: dict[tuple[Hashable, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _total(rows: list[Row], column: str) -> int:
    return sum(row[column] for row in rows)


def _distinct(rows: list[Row], column: str) -> int:
    return len({row[column] for row in rows})


def _invoked(facts: list[Row]) -> list[Row]:
    return [row for row in facts if row["ref_id"] is not None and row["invocations"] > 0]


def user_daily(facts: list[Row]) -> Figures:
    """(day, user, event type, tool, source, ref_id, item kind, name) ->
    calls, invocations, errors, rejected, interrupted, sessions."""
    names = ["day", "user_id", "event_type", "tool_name", "source", "ref_id", "item_kind", "name"]
    sums = ("calls", "invocations", "errors", "rejected", "interrupted")
    return {
        key: (*(_total(rows, column) for column in sums), _distinct(rows, "session_row_id"))
        for key, rows in _grouped(facts, lambda row: tuple(row[name] for name in names)).items()
    }


def tool_daily(facts: list[Row]) -> Figures:
    """(day, tool, source) -> calls, errors, rejected, interrupted, people, sessions."""
    named = [row for row in facts if row["tool_name"] is not None]
    sums = ("calls", "errors", "rejected", "interrupted")
    return {
        key: (
            *(_total(rows, column) for column in sums),
            _distinct(rows, "user_id"),
            _distinct(rows, "session_row_id"),
        )
        for key, rows in _grouped(
            named, lambda row: (row["day"], row["tool_name"], row["source"])
        ).items()
    }


def plugin_daily(facts: list[Row]) -> Figures:
    """(day, source, ref_id) -> invocations, people, sessions."""
    groups = _grouped(_invoked(facts), lambda row: (row["day"], row["source"], row["ref_id"]))
    return {
        key: (
            _total(rows, "invocations"),
            _distinct(rows, "user_id"),
            _distinct(rows, "session_row_id"),
        )
        for key, rows in groups.items()
    }


def _items(facts: list[Row]) -> dict[tuple[Hashable, ...], list[Row]]:
    """Each invoked row under its item, and once more under its plugin."""
    groups: dict[tuple[Hashable, ...], list[Row]] = defaultdict(list)
    for row in _invoked(facts):
        groups[row["source"], row["item_kind"], row["ref_id"], row["name"]].append(row)
        groups[row["source"], "plugin", row["ref_id"], row["ref_id"]].append(row)
    return groups


def _item_figures(rows: list[Row]) -> tuple[int, ...]:
    return _total(rows, "invocations"), _distinct(rows, "user_id"), _total(rows, "errors")


def item_daily(facts: list[Row]) -> Figures:
    """(day, source, type, ref_id, name) -> invocations, people, errors."""
    return {
        (day, *item): _item_figures(rows)
        for (day,), of_day in _grouped(facts, lambda row: (row["day"],)).items()
        for item, rows in _items(of_day).items()
    }


def item_window(facts: list[Row], today: date) -> Figures:
    """(period, source, type, ref_id, name) -> invocations, people, errors."""
    return {
        (label, *item): _item_figures(rows)
        for label, length in (("last_7d", 7), ("last_30d", 30))
        for item, rows in _items(
            [row for row in facts if row["day"] >= today - timedelta(days=length)]
        ).items()
    }


def hook_daily(hooks: list[Row]) -> Figures:
    """(day, event, hook, plugin, result) -> runs, people."""
    names = ["day", "hook_event", "hook_name", "plugin", "result"]
    return {
        key: (_total(rows, "runs"), _distinct(rows, "user_id"))
        for key, rows in _grouped(hooks, lambda row: tuple(row[name] for name in names)).items()
    }


def format_drift(drift: list[Row]) -> Figures:
    """(day, kind, name) -> lines, sessions."""
    groups = _grouped(drift, lambda row: (row["day"], row["kind"], row["name"]))
    return {
        key: (_total(rows, "lines"), _distinct(rows, "session_row_id"))
        for key, rows in groups.items()
    }
