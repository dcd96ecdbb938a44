"""A question and its thread as a request to the model, and the shape of what it may answer.

Whatever people or data say travels as JSON strings, which no text can break out of.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal
from unicodedata import category

from django.conf import settings
from pydantic import BaseModel, ConfigDict

from accounts.errors import AgnesError
from telemetry.ask import digest
from telemetry.ask.provider import ModelRequest, Turn
from telemetry.models import AskedQuestion

LONGEST_QUESTION = 1_000
"""Characters."""
MOST_EARLIER = 4
"""Earlier questions of a thread that are sent along."""
LONGEST_TEXT = 1_000
"""Characters kept of a sentence of the model."""


class ModelAnswer(BaseModel):
    """One of four kinds; fields that do not apply are null."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["sql", "clarify", "cannot_answer", "refuse"]
    sql: str | None
    message: str | None
    rationale: str | None


class BadQuestion(AgnesError):
    """It is empty, too long, or not text."""

    code: ClassVar[str] = "bad_question"


def clean_question(text: str) -> str:
    """The question on one line. Raises BadQuestion."""
    if any(category(sign) in {"Cc", "Cs"} and sign not in "\t\r\n" for sign in text):
        raise BadQuestion(
            "The question holds control characters.", fix="Type it again without them."
        )
    line = " ".join(text.split())
    if not line:
        raise BadQuestion("The question is empty.", fix="Ask in plain language.")
    if len(line) > LONGEST_QUESTION:
        raise BadQuestion(
            f"The question has {len(line):,} characters, {LONGEST_QUESTION:,} at most are taken.",
            fix="Ask in fewer words.",
        )
    return line


def clean_sentence(text: str | None) -> str:
    """A sentence of the model on one line, without control characters, cut; empty for None."""
    signs = "".join(" " if category(sign) in {"Cc", "Cs"} else sign for sign in text or "")
    return " ".join(signs.split())[:LONGEST_TEXT]


def thread_before(follows: AskedQuestion | None) -> list[AskedQuestion]:
    """The question and those it follows, oldest first, at most MOST_EARLIER."""
    thread: list[AskedQuestion] = []
    while follows is not None and len(thread) < MOST_EARLIER:
        thread.append(follows)
        follows = follows.follows
    return thread[::-1]


def model_request(
    question: str, thread: Sequence[AskedQuestion], *, now: datetime
) -> ModelRequest[ModelAnswer]:
    """Raises MirrorUnavailable where sample rows are wanted and there is no mirror."""
    turns: list[Turn] = []
    for earlier in thread:
        turns.append(_question(earlier.text or "(SQL written by hand)"))
        turns.append(Turn("assistant", _as_answered(earlier).model_dump_json()))
    return ModelRequest(
        instructions=digest.instructions(),
        context=digest.context(now=now, sample_rows=settings.AGNES_ASK_SAMPLE_ROWS),
        turns=(*turns, _question(question)),
        answer=ModelAnswer,
    )


def with_refusal(
    request: ModelRequest[ModelAnswer], answer: ModelAnswer, *, code: str, names: Sequence[str]
) -> ModelRequest[ModelAnswer]:
    """The request once more, after the answer's SQL was refused or could not be bound.

    `code` is the class of the error, `names` words of the SQL or of the tables: an engine's own
    sentences may quote data and stay here.
    """
    refusal = {"refused": code, "names": list(names), "wanted": "another SELECT, or another kind"}
    return ModelRequest(
        instructions=request.instructions,
        context=request.context,
        turns=(
            *request.turns,
            Turn("assistant", answer.model_dump_json()),
            Turn("user", _json(refusal)),
        ),
        answer=ModelAnswer,
    )


def _question(text: str) -> Turn:
    return Turn("user", _json({"question": text}))


def _as_answered(earlier: AskedQuestion) -> ModelAnswer:
    kinds = AskedQuestion.Outcome
    kind: Literal["sql", "clarify", "cannot_answer", "refuse"] = "sql"
    if not earlier.sql:
        kind = "refuse"
        if earlier.outcome == kinds.CLARIFY:
            kind = "clarify"
        elif earlier.outcome == kinds.CANNOT_ANSWER:
            kind = "cannot_answer"
    return ModelAnswer(
        kind=kind,
        sql=earlier.sql or None,
        message=earlier.message or None,
        rationale=earlier.rationale or None,
    )


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)
