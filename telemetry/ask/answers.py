"""What a question ends with, as pages, API and commands show it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from accounts.errors import AgnesError
from telemetry.ask.reading import TableRead, date_conditions
from telemetry.mirror.sandbox import QueryResult
from telemetry.models import AskedQuestion


@dataclass(frozen=True)
class Answer:
    """`asked` is what is kept of it; `result` is None unless the SQL ran, `problem` is what refused
    or stopped it."""

    asked: AskedQuestion
    result: QueryResult | None = None
    read: list[TableRead] = field(default_factory=list)
    problem: AgnesError | None = None

    @cached_property
    def dates(self) -> list[str]:
        """The conditions on times of SQL that ran; other SQL is not read any further."""
        return date_conditions(self.asked.sql) if self.result else []

    @property
    def is_rejected(self) -> bool:
        return self.asked.outcome == AskedQuestion.Outcome.REJECTED

    def as_json(self) -> dict[str, Any]:
        """JSON values; `rows` are objects by the names of `columns`, which are unique."""
        asked, result = self.asked, self.result
        return {
            "id": asked.pk,
            "question": asked.text,
            "origin": asked.origin,
            "verified_id": asked.verified_id or None,
            "outcome": asked.outcome,
            "sql": asked.sql or None,
            "rationale": asked.rationale or None,
            "message": asked.message or None,
            "rejected": self.is_rejected,
            "error": error_of(self),
            "repaired": asked.repaired,
            "columns": [{"name": c.name, "type": c.type} for c in result.columns] if result else [],
            "rows": result.records() if result else [],
            "row_count": asked.row_count or 0,
            "truncated": asked.truncated,
            "tables": [
                {"name": t.name, "first_day": t.first_day, "last_day": t.last_day}
                for t in self.read
            ],
            "date_conditions": self.dates,
            "data_time": asked.data_time,
            "sent_bytes": asked.sent_bytes,
            "model": asked.model or None,
            "tokens": tokens_of(asked),
            "cost_usd": asked.cost_usd,
            "duration_ms": asked.duration_ms,
        }


def error_of(answer: Answer) -> dict[str, str] | None:
    """Code, sentence and fix of what went wrong with the SQL; None when nothing did."""
    wrong = answer.problem
    return {"code": wrong.code, "message": wrong.message, "fix": wrong.fix} if wrong else None


def tokens_of(asked: AskedQuestion) -> dict[str, int]:
    return {
        "input": asked.input_tokens,
        "output": asked.output_tokens,
        "cache_read": asked.cache_read_tokens,
        "cache_creation": asked.cache_creation_tokens,
    }
