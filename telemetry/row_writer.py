"""Rows of one session as the tables take them: attributed, priced, cut to length, counted."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from telemetry.bulk import insert_rows, time_converter, time_value
from telemetry.event_names import Attribution, mcp_server_of
from telemetry.events import NO_DAY, USAGE_PROCESSOR_VERSION, EventRow, ResponseRow, SessionRows
from telemetry.models import Session, Watermark
from telemetry.prices import cost_usd
from telemetry.resolver import Resolver
from telemetry.taxonomy import ItemKind, Outcome, Source

CONTRIBUTIONS = (
    "usage_session_daily",
    "usage_session_hook_daily",
    "usage_session_drift_daily",
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000


def _columns(names: str) -> tuple[str, ...]:
    return tuple(names.split())


_NAME = 300
"""Longest name kept; identities are hashed before they are cut."""

_EVENT_COLUMNS = _columns(
    "id session_pk session_id session_file user_id username event_uuid parent_uuid event_type "
    "tool_name skill_name subagent_type command_name is_error outcome activation_id is_invocation "
    "source ref_id marketplace plugin item_kind evidence item_version context_skill context_plugin "
    "candidates path_evidence field_plugin response_id tool_use_id agent_id model project "
    "git_branch cwd occurred_at processor_version extracted_at"
)
_RESPONSE_COLUMNS = _columns(
    "id session_pk session_id user_id username message_id model occurred_at input_tokens "
    "output_tokens cache_creation_tokens cache_creation_5m_tokens cache_creation_1h_tokens "
    "cache_read_tokens usage_final is_sidechain agent_id context_skill context_plugin source "
    "ref_id marketplace plugin cost_usd processor_version extracted_at"
)
_DAILY_COLUMNS = _columns(
    "session_pk user_id day event_type tool_name source ref_id item_kind name calls invocations "
    "errors rejected interrupted"
)
_HOOK_COLUMNS = _columns("session_pk user_id day hook_event hook_name plugin result runs")
_DRIFT_COLUMNS = _columns("session_pk user_id day kind name lines")

Daily = tuple[str, str, str | None, str, str | None, str, str]
"""day, event_type, tool_name, source, ref_id, item_kind, name"""


def _cut(text: str | None, length: int = _NAME) -> str | None:
    return text if text is None or len(text) <= length else text[:length]


class RowWriter:
    """Writes one session's rows; holds what they all repeat."""

    def __init__(self, session: Session, resolver: Resolver, now: datetime) -> None:
        self.session = session
        self.resolver = resolver
        self.now = time_value(now)
        self.time = time_converter()
        self.username = session.user.username
        self.closed = Watermark.pruned_days()

    def write_events(self, events: list[EventRow]) -> dict[Daily, list[int]]:
        """Insert the events; the counts they contribute to their days."""
        daily: dict[Daily, list[int]] = {}
        stored = []
        closed = self._closed_ms(Watermark.EVENTS)
        for event in events:
            found = self._resolve(event)
            invocation = event.stands_for_activation and found.source is not Source.BUILTIN
            self._count(daily, event, found, invocation)
            if event.at is None or event.at >= closed:
                stored.append(self._event(event, found, invocation))
        insert_rows("usage_events", _EVENT_COLUMNS, stored)
        return daily

    def write_responses(self, responses: list[ResponseRow]) -> float | None:
        """Insert the responses; what they cost, None when a price is unknown."""
        closed = self._closed_ms(Watermark.RESPONSES)
        costs = [cost_usd(row.model, row.at, row.tokens) for row in responses]
        insert_rows(
            "usage_responses",
            _RESPONSE_COLUMNS,
            [
                self._response(row, cost)
                for row, cost in zip(responses, costs, strict=True)
                if row.at is None or row.at >= closed
            ],
        )
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    def write_contributions(self, rows: SessionRows, daily: dict[Daily, list[int]]) -> None:
        pk, user_id = self.session.pk, self.session.user_id
        insert_rows(
            CONTRIBUTIONS[0],
            _DAILY_COLUMNS,
            (
                (pk, user_id, *key, *counts)
                for key, counts in daily.items()
                if self._kept_day(key[0])
            ),
        )
        runs: Counter[tuple[str, ...]] = Counter()
        for (day, event, name, plugin, result), number in rows.hook_runs.items():
            if self._kept_day(day):
                runs[(day, event[:100], name[:_NAME], plugin[:200], result)] += number
        insert_rows(CONTRIBUTIONS[1], _HOOK_COLUMNS, _tallied(pk, user_id, runs))
        drift: Counter[tuple[str, ...]] = Counter()
        for key, lines in rows.drift.items():
            if self._kept_day(key[0]):
                drift[key] += lines
        insert_rows(CONTRIBUTIONS[2], _DRIFT_COLUMNS, _tallied(pk, user_id, drift))

    def write_summary(self, rows: SessionRows, cost: float | None, held_elsewhere: int) -> None:
        facts, session = rows.facts, self.session
        versions = rows.lineage.versions
        values: dict[str, Any] = {name: getattr(facts, name) for name in facts.__struct_fields__}
        values |= {
            "session_pk": session.pk,
            "session_file": session.session_file,
            "session_id": session.session_id,
            "user_id": session.user_id,
            "username": self.username,
            "project": rows.lineage.project[:1000],
            "title": rows.lineage.title[:500],
            "git_branch": _cut(rows.lineage.git_branch) or None,
            "version": _cut(versions[-1], 60) if versions else None,
            "started_at": self.time(facts.started_at),
            "ended_at": self.time(facts.ended_at),
            "primary_model": _cut(facts.primary_model, 200),
            "cost_usd": cost if facts.responses else 0.0,
            "held_elsewhere": held_elsewhere,
            "processor_version": USAGE_PROCESSOR_VERSION,
            "extracted_at": self.now,
            "uploaded_at": time_value(session.uploaded_at),
        }
        insert_rows("usage_session_summary", list(values), [list(values.values())])

    def _resolve(self, event: EventRow) -> Attribution:
        return self.resolver.resolve(
            event.item_kind,
            event.name[:_NAME],
            path=_cut(event.path_evidence, 600),
            field_plugin=_cut(event.field_plugin),
            at=_moment(event.at),
        )

    def _count(
        self,
        daily: dict[Daily, list[int]],
        event: EventRow,
        found: Attribution,
        invocation: bool,
    ) -> None:
        if event.at is None:
            return
        name = mcp_server_of(event.name) if found.item_kind is ItemKind.MCP else event.name
        key = (
            _iso_day(event.at),
            event.event_type.value,
            _cut(event.tool_name),
            found.source.value,
            found.ref_id,
            found.item_kind.value,
            name[:_NAME],
        )
        counts = daily.setdefault(key, [0, 0, 0, 0, 0])
        counts[0] += 1
        counts[1] += invocation
        counts[2] += event.outcome == Outcome.FAILED
        counts[3] += event.outcome == Outcome.REJECTED
        counts[4] += event.outcome == Outcome.INTERRUPTED

    def _event(self, event: EventRow, found: Attribution, invocation: bool) -> tuple[Any, ...]:
        session = self.session
        return (
            event.id,
            session.pk,
            session.session_id,
            session.session_file,
            session.user_id,
            self.username,
            event.event_uuid[:200],
            _cut(event.parent_uuid, 200),
            event.event_type.value,
            _cut(event.tool_name),
            _cut(event.skill_name),
            _cut(event.subagent_type),
            _cut(event.command_name),
            event.outcome == Outcome.FAILED,
            event.outcome,
            event.activation_id,
            invocation,
            found.source.value,
            found.ref_id,
            found.marketplace,
            found.plugin,
            found.item_kind.value,
            found.evidence.value,
            found.item_version,
            _cut(event.context_skill),
            _cut(event.context_plugin),
            json.dumps(found.candidates) if found.candidates else None,
            _cut(event.path_evidence, 600),
            _cut(event.field_plugin),
            event.response_id,
            _cut(event.tool_use_id, 200),
            _cut(event.agent_id, 200),
            _cut(event.model, 200),
            session.project,
            _cut(event.git_branch),
            _cut(event.cwd, 1000),
            self.time(event.at),
            USAGE_PROCESSOR_VERSION,
            self.now,
        )

    def _response(self, row: ResponseRow, cost: float | None) -> tuple[Any, ...]:
        session = self.session
        given, output, written, written_5m, written_1h, read = row.tokens
        return (
            row.id,
            session.pk,
            session.session_id,
            session.user_id,
            self.username,
            row.message_id[:200],
            _cut(row.model, 200),
            self.time(row.at),
            given,
            output,
            written,
            written_5m,
            written_1h,
            read,
            row.final,
            row.is_sidechain,
            _cut(row.agent_id, 200),
            _cut(row.context_skill),
            _cut(row.context_plugin),
            *self._around(row),
            cost,
            USAGE_PROCESSOR_VERSION,
            self.now,
        )

    def _around(self, row: ResponseRow) -> tuple[str | None, ...]:
        """source, ref_id, marketplace and plugin of the skill active around a response."""
        if not row.context_skill:
            return (None, None, None, None)
        found = self.resolver.resolve(
            ItemKind.SKILL,
            row.context_skill[:_NAME],
            field_plugin=_cut(row.context_plugin),
            at=_moment(row.at),
        )
        return (found.source.value, found.ref_id, found.marketplace, found.plugin)

    def _closed_ms(self, watermark: str) -> int:
        """The time in ms before which rows are not kept any more."""
        day = self.closed.get(watermark)
        return -(1 << 62) if day is None else _day_number(day) * DAY_MS

    def _kept_day(self, day: str) -> bool:
        closed: date | None = self.closed.get(Watermark.FACTS)
        return closed is None or day >= closed.isoformat() or day == NO_DAY


def _tallied(
    pk: int, user_id: int, counts: Counter[tuple[str, ...]]
) -> Iterator[tuple[int | str, ...]]:
    return ((pk, user_id, *key, number) for key, number in counts.items())


def _moment(at: int | None) -> datetime | None:
    return None if at is None else EPOCH + timedelta(milliseconds=at)


def _day_number(day: date) -> int:
    return (day - EPOCH.date()).days


def _iso_day(at: int) -> str:
    return _iso_day_of(at // DAY_MS)


@lru_cache(maxsize=4096)
def _iso_day_of(number: int) -> str:
    return (EPOCH + timedelta(days=number)).date().isoformat()
