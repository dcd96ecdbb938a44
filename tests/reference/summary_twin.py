"""Figures of a window counted slowly, in plain Python, from the rows of the relational database."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

from telemetry.models import UsageSessionDaily, UsageSessionSummary
from telemetry.stats.filters import Filters

EVENTS = ("source", "marketplace", "plugin", "tool", "item")


@dataclass
class SlowSummary:
    """Everything from `first` to `last`, both included, that the filters leave."""

    first: date
    last: date
    filters: Filters

    def __post_init__(self) -> None:
        every = list(UsageSessionSummary.objects.all())
        summaries = {summary.session_row_id: summary for summary in every}
        contributions = list(UsageSessionDaily.objects.select_related("user"))
        chosen = {name for name in EVENTS if getattr(self.filters, name)}
        with_event = {row.session_row_id for row in contributions if self._names(row)}
        self.facts = [
            row
            for row in contributions
            if self.first <= row.day <= self.last
            and self._names(row)
            and self._is_theirs(row.user.username)
            and self._is_of(summaries.get(row.session_row_id))
        ]
        self.sessions = [
            summary
            for summary in every
            if summary.started_at is not None
            and self.first <= summary.started_at.astimezone(UTC).date() <= self.last
            and self._is_theirs(summary.username)
            and self._is_of(summary)
            and (not chosen or summary.session_row_id in with_event)
        ]

    def _is_theirs(self, username: str) -> bool:
        return self.filters.person in ("", username)

    def _is_of(self, summary: UsageSessionSummary | None) -> bool:
        if not (self.filters.model or self.filters.project):
            return True
        return (
            summary is not None
            and self.filters.model in ("", summary.primary_model)
            and self.filters.project in ("", summary.project)
        )

    def _names(self, row: UsageSessionDaily) -> bool:
        wanted = self.filters
        shop = (row.ref_id or "").split("/")[0] if row.source == "curated" else ""
        return (
            wanted.source in ("", row.source)
            and wanted.marketplace in ("", shop)
            and wanted.plugin in ("", row.ref_id)
            and wanted.tool in ("", row.tool_name)
            and (not wanted.item or (row.name == wanted.item and row.item_kind != "tool"))
        )

    def totals(self) -> dict[str, Any]:
        tools = [row for row in self.facts if row.event_type != "slash_command"]
        priced = [s.cost_usd for s in self.sessions if s.cost_usd is not None]
        return {
            "people": len({row.user_id for row in self.facts} | {s.user_id for s in self.sessions}),
            "sessions": len(self.sessions),
            "prompts": sum(s.prompts for s in self.sessions),
            "calls": sum(row.calls for row in self.facts),
            "tool_calls": sum(row.calls for row in tools),
            "errors": sum(row.errors for row in tools),
            "invocations": sum(row.invocations for row in self.facts),
            "active_seconds": sum(s.active_seconds for s in self.sessions),
            "responses": sum(s.responses for s in self.sessions),
            "final_responses": sum(
                round(s.responses * (s.usage_final_share or 0)) for s in self.sessions
            ),
            "input_tokens": sum(s.input_tokens for s in self.sessions),
            "output_tokens": sum(s.output_tokens for s in self.sessions),
            "cache_creation_tokens": sum(s.cache_creation_tokens for s in self.sessions),
            "cache_read_tokens": sum(s.cache_read_tokens for s in self.sessions),
            "cost_usd": sum(priced),
            "unknown_cost_sessions": sum(
                s.cost_usd is None and s.responses > 0 for s in self.sessions
            ),
        }

    def daily(self, column: str) -> dict[tuple[date, str], int]:
        """By day and source, without zeros."""
        counted: Counter[tuple[date, str]] = Counter()
        for row in self.facts:
            counted[row.day, row.source] += getattr(row, column)
        return {key: count for key, count in counted.items() if count}

    def names(self, kind: str) -> dict[tuple[Any, ...], tuple[int, int, int]]:
        """(name, source, ref_id) of a kind -> (uses, people, errors), without what has no use."""
        uses: Counter[tuple[Any, ...]] = Counter()
        errors: Counter[tuple[Any, ...]] = Counter()
        people: dict[tuple[Any, ...], set[int]] = defaultdict(set)
        for row in self.facts:
            for key, count in self._keys(kind, row):
                uses[key] += count
                errors[key] += row.errors
                people[key].add(row.user_id)
        return {key: (n, len(people[key]), errors[key]) for key, n in uses.items() if n}

    def _keys(self, kind: str, row: UsageSessionDaily) -> list[tuple[tuple[Any, ...], int]]:
        if kind == "tool":
            is_tool = row.tool_name is not None and row.event_type != "slash_command"
            return [((row.tool_name, row.source, None), row.calls)] if is_tool else []
        if kind == "plugin":
            is_of_plugin = row.ref_id is not None
            return [((row.ref_id, row.source, row.ref_id), row.invocations)] if is_of_plugin else []
        if kind == "unattributed":
            known = row.source != "unattributed"
            return [] if known else [((row.name, row.item_kind, None), row.calls)]
        if row.item_kind != kind:
            return []
        count = row.calls if row.source == "builtin" else row.invocations
        return [((row.name, row.source, row.ref_id), count)]

    def people(self) -> dict[str, tuple[int, int, int]]:
        """username -> (sessions, prompts, tool calls)."""
        found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for summary in self.sessions:
            found[summary.username][0] += 1
            found[summary.username][1] += summary.prompts
        for row in self.facts:
            calls = 0 if row.event_type == "slash_command" else row.calls
            found[row.user.username][2] += calls
        return {name: (counts[0], counts[1], counts[2]) for name, counts in found.items()}

    def hours(self) -> Counter[tuple[int, int]]:
        """(weekday from Monday 0, hour) -> sessions."""
        starts = [s.started_at.astimezone(UTC) for s in self.sessions if s.started_at]
        return Counter((start.weekday(), start.hour) for start in starts)
