"""The figures of a window as a whole, and of the days they are compared with."""

from dataclasses import asdict, dataclass
from typing import Any

from telemetry.stats.selection import Selection

# Every reader of these two gets the window's days, its complete ones, and those before.
PERIODS = """
    (VALUES ('window', $first, $last), ('complete', $first, $complete_last),
            ('before', $before_first, $before_last)) AS p(period, first, last)
"""


@dataclass(frozen=True)
class Totals:
    """Of events: calls, tool_calls, errors, invocations. Of sessions: the rest.

    `cost_usd` is the sum where it is known; `unknown_cost_sessions` had answers of a model without
    a known price. `final_responses` of `responses` tell their tokens for good.
    """

    people: int = 0
    sessions: int = 0
    prompts: int = 0
    calls: int = 0
    tool_calls: int = 0
    errors: int = 0
    invocations: int = 0
    active_seconds: float = 0.0
    responses: int = 0
    final_responses: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_read_tokens: int = 0
    cost_usd: float = 0.0
    unknown_cost_sessions: int = 0

    @property
    def error_rate(self) -> float | None:
        """Failed among tool calls; None without any."""
        return self.errors / self.tool_calls if self.tool_calls else None

    @property
    def tokens(self) -> int:
        return (
            self.input_tokens
            + self.output_tokens
            + self.cache_creation_tokens
            + self.cache_read_tokens
        )

    @property
    def lower_bound_share(self) -> float | None:
        """Answers whose tokens are only a lower bound; None without any answer."""
        if not self.responses:
            return None
        return (self.responses - self.final_responses) / self.responses

    @property
    def known_cost(self) -> float | None:
        """None where there is cost, and none of it is known."""
        return None if self.unknown_cost_sessions and not self.cost_usd else self.cost_usd

    def as_json(self) -> dict[str, Any]:
        derived = ("error_rate", "tokens", "lower_bound_share", "known_cost")
        return {**asdict(self), **{name: getattr(self, name) for name in derived}}


def totals(selection: Selection) -> dict[str, Totals]:
    """By period: `window`, `complete` (without today) and `before` (as many days, just before)."""
    found: dict[str, dict[str, Any]] = {"window": {}, "complete": {}, "before": {}}
    for query in (EVENTS, SESSIONS, PEOPLE):
        cursor = selection.cursor.execute(query.format(periods=PERIODS), _days(selection))
        names = [column[0] for column in cursor.description][1:]
        for period, *values in cursor.fetchall():
            found[period].update(zip(names, values, strict=True))
    return {period: Totals(**values) for period, values in found.items()}


def _days(selection: Selection) -> dict[str, Any]:
    window = selection.window
    names = ("first", "last", "complete_last", "before_first", "before_last")
    return {name: getattr(window, name) for name in names}


EVENTS = """
    SELECT period, sum(calls)::BIGINT AS calls,
           coalesce(sum(calls) FILTER (event_type <> 'slash_command'), 0)::BIGINT AS tool_calls,
           coalesce(sum(errors) FILTER (event_type <> 'slash_command'), 0)::BIGINT AS errors,
           sum(invocations)::BIGINT AS invocations
    FROM chosen_facts JOIN {periods} ON day BETWEEN p.first AND p.last
    GROUP BY period
"""
SESSIONS = """
    SELECT period, count(*) AS sessions, sum(prompts)::BIGINT AS prompts,
           sum(active_seconds) AS active_seconds, sum(responses)::BIGINT AS responses,
           sum(round(responses * coalesce(usage_final_share, 0)))::BIGINT AS final_responses,
           sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
           sum(cache_creation_tokens)::BIGINT AS cache_creation_tokens,
           sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
           coalesce(sum(cost_usd), 0) AS cost_usd,
           count(*) FILTER (cost_usd IS NULL AND responses > 0) AS unknown_cost_sessions
    FROM chosen_sessions JOIN {periods} ON day BETWEEN p.first AND p.last
    GROUP BY period
"""
PEOPLE = """
    SELECT period, count(DISTINCT user_id) AS people
    FROM (SELECT day, user_id FROM chosen_facts UNION ALL SELECT day, user_id FROM chosen_sessions)
    JOIN {periods} ON day BETWEEN p.first AND p.last
    GROUP BY period
"""
