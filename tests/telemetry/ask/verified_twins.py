"""The verified questions answered again, slowly and plainly, from the rows of the database.

Each twin takes the telling rows and `today`, and returns the rows its SQL has to give, in order.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from statistics import median
from typing import Any

from telemetry.models import (
    AttributionSkill,
    UsageEvent,
    UsageResponse,
    UsageSessionDriftDaily,
    UsageSessionHookDaily,
    UsageSessionSummary,
)

Row = tuple[Any, ...]
TOOL_KINDS = {"tool_use", "mcp_call", "subagent"}


@dataclass(frozen=True)
class Telling:
    """Everything that is stored, and the day that is today."""

    today: date
    events: list[UsageEvent]
    responses: list[UsageResponse]
    summaries: list[UsageSessionSummary]
    hooks: list[UsageSessionHookDaily]
    drift: list[UsageSessionDriftDaily]

    @classmethod
    def load(cls, today: date) -> "Telling":
        return cls(
            today,
            [e for e in UsageEvent.objects.all() if e.occurred_at],
            list(UsageResponse.objects.all()),
            list(UsageSessionSummary.objects.all()),
            list(UsageSessionHookDaily.objects.all()),
            list(UsageSessionDriftDaily.objects.all()),
        )

    @property
    def monday(self) -> date:
        return self.today - timedelta(days=self.today.weekday())

    @property
    def first_of_month(self) -> date:
        return self.today.replace(day=1)

    def events_since(self, first: date, before: date = date.max) -> list[UsageEvent]:
        return [e for e in self.events if first <= day_of(e.occurred_at) < before]

    def responses_since(self, first: date) -> list[UsageResponse]:
        return [r for r in self.responses if r.occurred_at and day_of(r.occurred_at) >= first]

    def sessions_since(self, first: date) -> list[UsageSessionSummary]:
        return [s for s in self.summaries if s.started_at and day_of(s.started_at) >= first]

    def ago(self, days: int) -> date:
        return self.today - timedelta(days=days)


def day_of(moment: datetime | None) -> date:
    assert moment is not None
    return moment.astimezone(UTC).date()


def item(event: UsageEvent) -> str:
    """What `name` is in the daily tables."""
    if event.event_type == "mcp_call":
        return str(event.tool_name).split("__")[1]
    return str(
        event.skill_name or event.subagent_type or event.command_name or event.tool_name or ""
    )


def groups(rows: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def people(rows: Iterable[Any]) -> int:
    return len({row.user_id for row in rows})


def count(rows: Iterable[Any], test: Callable[[Any], Any]) -> int:
    return sum(1 for row in rows if test(row))


def failed(event: UsageEvent) -> bool:
    return event.outcome == "failed"


def percent(part: float, whole: float, digits: int = 1) -> float:
    return round(100 * part / whole, digits)


def known_costs(rows: Iterable[Any]) -> list[float]:
    return [row.cost_usd for row in rows if row.cost_usd is not None]


def top(rows: Iterable[Row], *key: Any) -> list[Row]:
    """Sorted by these columns; a negative number counts from 1 and sorts downwards."""
    ordered = list(rows)
    for column in reversed(key):
        at = abs(column) - 1
        ordered.sort(key=lambda row: row[at], reverse=column < 0)
    return ordered


def bash_yesterday(t: Telling) -> list[Row]:
    return [(count(t.events_since(t.ago(1), t.today), lambda e: e.tool_name == "Bash"),)]


def top_skills(t: Telling) -> list[Row]:
    used = [e for e in t.events_since(t.ago(7)) if e.item_kind == "skill" and e.is_invocation]
    return top(((k, len(v), people(v)) for k, v in groups(used, item).items()), -2, 1)[:10]


def active_by_day(t: Telling) -> list[Row]:
    days = groups(t.events_since(t.ago(14)), lambda e: day_of(e.occurred_at))
    return top(((day, people(rows)) for day, rows in days.items()), 1)


def tool_errors(t: Telling) -> list[Row]:
    calls = [e for e in t.events_since(t.first_of_month) if e.tool_name]
    return top(
        (
            (k, len(v), count(v, failed), percent(count(v, failed), len(v)))
            for k, v in groups(calls, lambda e: e.tool_name).items()
        ),
        -4,
        1,
    )


def last_week(t: Telling) -> list[UsageEvent]:
    return t.events_since(t.monday - timedelta(days=7), t.monday)


def failed_skills(t: Telling) -> list[Row]:
    calls = groups([e for e in last_week(t) if e.item_kind == "skill"], item)
    rows = ((k, count(v, failed), len(v)) for k, v in calls.items())
    return top((row for row in rows if row[1]), -2, 1)


def active_hours(t: Telling) -> list[Row]:
    own = groups(t.sessions_since(t.first_of_month), lambda s: s.username)
    sums = [(k, sum(s.active_seconds for s in v), len(v)) for k, v in own.items()]
    return [(k, round(s / 3600, 1), n) for k, s, n in top(sums, -2, 1)[:20]]


def curated_plugins(t: Telling) -> list[Row]:
    used = [e for e in t.events_since(t.ago(30)) if e.is_invocation and e.source == "curated"]
    rows = ((k, people(v), len(v)) for k, v in groups(used, lambda e: e.ref_id).items())
    return top(rows, -2, -3, 1)


def unused_skills(t: Telling) -> list[Row]:
    used = {(e.source, e.ref_id, e.skill_name) for e in t.events if e.is_invocation}
    offered = AttributionSkill.objects.filter(valid_to=None)
    rows = ((a.source, a.ref_id, a.skill_name) for a in offered)
    return sorted(row for row in rows if row not in used)


def plugin_uses(t: Telling, first: date, before: date = date.max) -> Counter[Row]:
    used = [e for e in t.events_since(first, before) if e.is_invocation and e.ref_id]
    return Counter((e.source, e.ref_id) for e in used)


def plugin_weeks(t: Telling) -> list[Row]:
    last = plugin_uses(t, t.monday - timedelta(days=7), t.monday)
    this = plugin_uses(t, t.monday)
    return top(((*key, this[key], last[key]) for key in {*this, *last}), -3, -4, 2)


def plugin_trend(t: Telling) -> list[Row]:
    recent = plugin_uses(t, t.ago(7), t.today)
    earlier = plugin_uses(t, t.ago(14), t.ago(7))
    rows = []
    for key in {*recent, *earlier}:
        now, then = recent[key], earlier[key]
        rows.append((*key, now, then, percent(now - then, then) if then >= 3 else None))
    return top(rows, -3, -4, 2)


def mcp_servers(t: Telling) -> list[Row]:
    calls = [e for e in t.events_since(t.ago(30)) if e.event_type == "mcp_call"]
    rows = (
        (*key, len(v), count(v, failed), people(v))
        for key, v in groups(calls, lambda e: (item(e), e.source)).items()
    )
    return top(rows, -3, 1)


def commands_by_person(t: Telling, name: str | None) -> list[Row]:
    typed = [
        e
        for e in last_week(t)
        if e.event_type == "slash_command" and name in {None, e.command_name}
    ]
    return top(Counter(e.username for e in typed).items(), -2, 1)


def favourite_tools(t: Telling) -> list[Row]:
    rows = []
    for person, own in groups([e for e in t.events if e.tool_name], lambda e: e.username).items():
        [(tool, calls), *_] = top(Counter(e.tool_name for e in own).items(), -2, 1)
        rows.append((person, tool, calls))
    return top(rows, 1)


def invocations_by_day(t: Telling) -> list[Row]:
    used = [e for e in t.events_since(t.ago(30)) if e.is_invocation and e.ref_id]
    by_day = Counter(day_of(e.occurred_at) for e in used)
    return [(t.ago(back), by_day[t.ago(back)]) for back in range(30, -1, -1)]


def cost_by_model(t: Telling) -> list[Row]:
    rows = []
    for model, own in groups(t.responses_since(t.ago(30)), lambda r: r.model).items():
        costs = known_costs(own)
        cost = round(sum(costs), 2) if costs else None
        rows.append((model or "unknown", cost, len(own), len(own) - len(costs)))
    return sorted(rows, key=lambda row: (row[1] is None, -(row[1] or 0), row[0]))


def cost_by_person(t: Telling) -> list[Row]:
    rows = []
    for person, own in groups(t.responses_since(t.ago(30)), lambda r: r.username).items():
        costs = known_costs(own)
        cost = round(sum(costs), 2) if costs else None
        rows.append((person, cost, percent(len(costs), len(own))))
    return sorted(rows, key=lambda row: (row[1] is None, -(row[1] or 0), row[0]))


def tokens_by_day(t: Telling) -> list[Row]:
    fields = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
    days = groups(t.responses_since(t.ago(14)), lambda r: day_of(r.occurred_at))
    return top(
        ((day, *(sum(getattr(r, f) for r in v) for f in fields)) for day, v in days.items()), 1
    )


def cache_share(t: Telling) -> list[Row]:
    rows = []
    for model, own in groups(t.responses, lambda r: r.model).items():
        read = sum(r.cache_read_tokens for r in own)
        whole = read + sum(r.input_tokens + r.cache_creation_tokens for r in own)
        rows.append((model, percent(read, whole) if whole else None))
    return top(rows, 1)


def lower_bound(t: Telling) -> list[Row]:
    own = t.responses_since(t.ago(30))
    open_ended = count(own, lambda r: not r.usage_final)
    return [(open_ended, len(own), percent(open_ended, len(own)))]


def session_length(t: Telling) -> list[Row]:
    lengths = sorted(s.active_seconds for s in t.sessions_since(t.ago(30)))
    place = 0.9 * (len(lengths) - 1)
    low, part = lengths[int(place)], place % 1
    high = lengths[min(int(place) + 1, len(lengths) - 1)]
    p90 = low + (high - low) * part
    return [(len(lengths), round(median(lengths) / 60, 1), round(p90 / 60, 1))]


def hours(t: Telling) -> list[Row]:
    calls = [e for e in t.events_since(t.ago(30)) if e.event_type in TOOL_KINDS]
    return top(Counter(e.occurred_at.hour for e in calls if e.occurred_at).items(), 1)


def weekdays(t: Telling) -> list[Row]:
    started = [day_of(s.started_at) for s in t.summaries if s.started_at]
    counted = Counter((day.isoweekday(), f"{day:%A}") for day in started)
    return top(((*key, number) for key, number in counted.items()), 1)


def sessions_with_errors(t: Telling) -> list[Row]:
    bad = count(t.summaries, lambda s: s.tool_errors > 0)
    return [(bad, len(t.summaries), percent(bad, len(t.summaries)))]


def rejected_tools(t: Telling) -> list[Row]:
    calls = groups([e for e in t.events if e.tool_name], lambda e: e.tool_name)
    rows = ((k, count(v, lambda e: e.outcome == "rejected"), len(v)) for k, v in calls.items())
    return top((row for row in rows if row[1]), -2, 1)


def subagents(t: Telling) -> list[Row]:
    sent = [e for e in t.events if e.event_type == "subagent"]
    counted = Counter((item(e), e.source, e.ref_id) for e in sent)
    return top(((*key, number) for key, number in counted.items()), -4, 1)


def typed_commands(t: Telling) -> list[Row]:
    typed = [e for e in t.events_since(t.ago(30)) if e.event_type == "slash_command"]
    rows = (
        (*key, len(v), people(v))
        for key, v in groups(typed, lambda e: (e.command_name, e.source)).items()
    )
    return top(rows, -3, 1)[:20]


def new_people(t: Telling) -> list[Row]:
    own = groups([s for s in t.summaries if s.started_at], lambda s: s.user_id)
    firsts = [min(day_of(s.started_at) for s in v) for v in own.values()]
    return top(Counter(day - timedelta(days=day.weekday()) for day in firsts).items(), 1)


def failing_hooks(t: Telling) -> list[Row]:
    runs = [h for h in t.hooks if h.day >= t.ago(30)]
    rows = []
    for key, own in groups(runs, lambda h: (h.hook_event, h.hook_name, h.plugin)).items():
        bad = sum(h.runs for h in own if h.result != "success")
        if bad:
            rows.append((*key, sum(h.runs for h in own), bad))
    return top(rows, -5, 2)


def versions(t: Telling) -> list[Row]:
    own = groups(t.sessions_since(t.ago(30)), lambda s: s.version or "unknown")
    return top(((k, len(v), people(v)) for k, v in own.items()), -2, 1)


def used_together(t: Telling) -> list[Row]:
    used = [e for e in t.events if e.is_invocation and e.ref_id]
    pairs: Counter[Row] = Counter()
    for own in groups(used, lambda e: e.session_row_id).values():
        pairs.update(combinations(sorted({e.ref_id for e in own}), 2))
    return top(((*key, number) for key, number in pairs.items()), -3, 1, 2)[:20]


def unattributed_skills(t: Telling) -> list[Row]:
    used = [e for e in t.events if e.item_kind == "skill" and e.source == "unattributed"]
    rows = (
        (k, count(v, lambda e: e.is_invocation), people(v)) for k, v in groups(used, item).items()
    )
    return top(rows, -2, 1)


def moving_average(t: Telling) -> list[Row]:
    calls = Counter(day_of(e.occurred_at) for e in t.events if e.tool_name)
    days = sorted(calls)
    rows = []
    for at, day in enumerate(days):
        window = [calls[one] for one in days[max(0, at - 6) : at + 1]]
        rows.append((day, calls[day], round(sum(window) / len(window), 1)))
    return [row for row in rows if row[0] >= t.ago(30)]


def format_drift(t: Telling) -> list[Row]:
    seen = groups([d for d in t.drift if d.day >= t.ago(30)], lambda d: (d.kind, d.name))
    rows = (
        (*key, sum(d.lines for d in v), min(d.day for d in v), max(d.day for d in v))
        for key, v in seen.items()
    )
    return top(rows, -3, 1, 2)


def active_people(t: Telling) -> list[Row]:
    return [(people(t.events_since(t.ago(30))),)]


def dearest_sessions(t: Telling) -> list[Row]:
    own = [s for s in t.sessions_since(t.ago(30)) if s.cost_usd is not None]
    own.sort(key=lambda s: (-(s.cost_usd or 0), s.session_id))
    return [
        (s.session_id, s.username, s.started_at.replace(tzinfo=None), round(s.cost_usd, 2))
        for s in own[:10]
        if s.started_at and s.cost_usd is not None
    ]


def flea_skills(t: Telling) -> list[Row]:
    used = [e for e in t.events_since(t.ago(30)) if e.source == "flea" and e.is_invocation]
    own = groups([e for e in used if e.item_kind == "skill"], item)
    return top(((k, people(v), len(v)) for k, v in own.items() if people(v) >= 2), -2, -3, 1)


def failing_tools(t: Telling) -> list[Row]:
    calls = groups([e for e in t.events_since(t.monday) if e.tool_name], lambda e: e.tool_name)
    rows = ((k, count(v, failed), len(v)) for k, v in calls.items())
    return top((row for row in rows if row[1]), -2, 1)


def weekly_costs(t: Telling) -> list[Row]:
    def week(response: UsageResponse) -> date:
        day = day_of(response.occurred_at)
        return day - timedelta(days=day.weekday())

    own = groups(t.responses_since(t.monday - timedelta(weeks=7)), week)
    return top(((k, round(sum(known_costs(v)), 2)) for k, v in own.items()), 1)


def agents_last_month(t: Telling) -> list[Row]:
    first = (t.first_of_month - timedelta(days=1)).replace(day=1)
    sent = [e for e in t.events_since(first, t.first_of_month) if e.event_type == "subagent"]
    return top(Counter(item(e) for e in sent).items(), -2, 1)


def without_plugin(t: Telling) -> list[Row]:
    used = {e.user_id for e in t.events_since(t.ago(7)) if e.is_invocation and e.ref_id}
    return sorted({(s.username,) for s in t.summaries if s.user_id not in used})


TWINS: dict[str, Callable[[Telling], list[Row]]] = {
    "bash-calls-yesterday": bash_yesterday,
    "top-skills-7-days": top_skills,
    "active-people-by-day": active_by_day,
    "tool-error-rate-this-month": tool_errors,
    "skills-that-failed-last-week": failed_skills,
    "active-hours-by-person": active_hours,
    "curated-plugins-by-people": curated_plugins,
    "skills-nobody-used": unused_skills,
    "plugins-this-week-and-last": plugin_weeks,
    "plugin-trend": plugin_trend,
    "mcp-servers": mcp_servers,
    "who-compacted-last-week": lambda t: commands_by_person(t, "compact"),
    "favourite-tool-by-person": favourite_tools,
    "plugin-invocations-by-day": invocations_by_day,
    "cost-by-model": cost_by_model,
    "cost-by-person": cost_by_person,
    "tokens-by-day": tokens_by_day,
    "cache-share-by-model": cache_share,
    "lower-bound-share": lower_bound,
    "session-length": session_length,
    "busiest-hours": hours,
    "sessions-by-weekday": weekdays,
    "sessions-with-errors": sessions_with_errors,
    "rejected-tools": rejected_tools,
    "subagents-by-source": subagents,
    "typed-commands": typed_commands,
    "new-people-by-week": new_people,
    "failing-hooks": failing_hooks,
    "claude-code-versions": versions,
    "used-together": used_together,
    "unattributed-skills": unattributed_skills,
    "calls-moving-average": moving_average,
    "format-drift": format_drift,
    "volani-bashe-vcera": bash_yesterday,
    "kdo-psal-prikazy": lambda t: commands_by_person(t, None),
    "aktivni-lide": active_people,
    "nejdrazsi-sezeni": dearest_sessions,
    "dovednosti-z-bazaru": flea_skills,
    "chyby-nastroju": failing_tools,
    "naklady-po-tydnech": weekly_costs,
    "agenti-minuly-mesic": agents_last_month,
    "lide-bez-pluginu": without_plugin,
}
