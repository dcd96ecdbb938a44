"""How well a model answers: a set of questions with gold SQL, scored by the rows that come."""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

from django.conf import settings

from accounts.errors import AgnesError
from telemetry import mirror
from telemetry.ask import guard
from telemetry.ask.provider import Provider
from telemetry.ask.run import answer_unkept
from telemetry.ask.scoring import is_match
from telemetry.mirror import sandbox
from telemetry.models import AskedQuestion

OWN_SET = Path(__file__).with_name("evaluation_set.toml")
KINDS = ("sql", "clarify", "cannot_answer", "refuse")
_KIND_OF = {
    AskedQuestion.Outcome.CLARIFY: "clarify",
    AskedQuestion.Outcome.CANNOT_ANSWER: "cannot_answer",
    AskedQuestion.Outcome.REFUSED: "refuse",
}


class BadSet(AgnesError):
    """The file is no set of questions."""

    code: ClassVar[str] = "bad_evaluation_set"


@dataclass(frozen=True)
class EvaluationQuestion:
    """`gold` answers it, as does each of `also`; empty for a question without SQL. `required` are
    the columns of gold that count; empty: all."""

    id: str
    lang: str
    kind: str
    text: str
    difficulty: str = ""
    gold: str = ""
    also: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    ordered: bool = False


@dataclass(frozen=True)
class Said:
    """What was answered: a kind, with SQL for sql. `problem` is an error's code, or empty."""

    kind: str
    sql: str = ""
    problem: str = ""
    repaired: bool = False
    tokens: int = 0
    cost_usd: float | None = None
    seconds: float = 0


@dataclass(frozen=True)
class Score:
    question: EvaluationQuestion
    said: Said
    hit: bool


@dataclass
class Report:
    """Scores of all questions and rounds, in the order of asking."""

    scores: list[Score] = field(default_factory=list)

    def groups(self) -> Iterator[tuple[str, list[Score]]]:
        """All, then by language, difficulty and kind; groups without questions are left out."""
        yield "all", self.scores
        for name in ("lang", "difficulty", "kind"):
            values = dict.fromkeys(getattr(score.question, name) for score in self.scores)
            for value in values:
                chosen = [s for s in self.scores if getattr(s.question, name) == value]
                yield f"{name} {value}", chosen

    def numbers(self) -> dict[str, Any]:
        """As JSON values; shares are of 1, None of nothing."""
        seconds = sorted(score.said.seconds for score in self.scores)
        costs = [score.said.cost_usd for score in self.scores]
        wanted_sql = [score for score in self.scores if score.question.kind == "sql"]
        ran = [score for score in wanted_sql if score.said.kind == "sql" and not score.said.problem]
        return {
            "questions": len(self.scores),
            "match": {name: share(group) for name, group in self.groups()},
            "ran": len(ran) / len(wanted_sql) if wanted_sql else None,
            "repaired": sum(score.said.repaired for score in self.scores),
            "tokens": sum(score.said.tokens for score in self.scores),
            "cost_usd": None if None in costs else sum(cost or 0 for cost in costs),
            "seconds_p50": _percentile(seconds, 0.5),
            "seconds_p95": _percentile(seconds, 0.95),
        }


Answering = Callable[[EvaluationQuestion, datetime], Said]


def read_set(path: Path) -> list[EvaluationQuestion]:
    """Raises BadSet."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))["question"]
        questions = [
            EvaluationQuestion(
                **{
                    **one,
                    "also": tuple(one.get("also", ())),
                    "required": tuple(one.get("required", ())),
                }
            )
            for one in found
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSet(
            f"{path} is no set of questions: {error}.",
            fix="Write [[question]] tables with id, lang, kind, text and gold.",
        ) from error
    for question in questions:
        if question.kind not in KINDS or (question.kind == "sql") != bool(question.gold):
            raise BadSet(
                f"The question {question.id!r} of {path} has no kind, or not the SQL for it.",
                fix=f"Give a kind of {', '.join(KINDS)}, and gold for sql only.",
            )
    return questions


def evaluate(
    questions: Sequence[EvaluationQuestion],
    answering: Answering,
    *,
    mirrors: Sequence[Path],
    now: Callable[[], datetime],
    rounds: int = 1,
    told: Callable[[Score], None] = lambda score: None,
) -> Report:
    """Ask each question `rounds` times; a hit has to give the right rows on every mirror.

    `mirrors` are folders of published mirrors; the model sees samples of the first.
    """
    report = Report()
    for question in questions:
        for _ in range(rounds):
            with mirror_at(mirrors[0]):
                said = answering(question, now())
            score = Score(question, said, _is_hit(question, said, mirrors))
            report.scores.append(score)
            told(score)
    return report


def by_model(provider: Provider) -> Answering:
    """Answers of the model, with the repair that people get too; an error is a problem."""

    def answering(question: EvaluationQuestion, now: datetime) -> Said:
        began = monotonic()
        try:
            asked = answer_unkept(question.text, provider=provider, now=now).asked
        except AgnesError as error:
            return Said(kind="", problem=error.code, seconds=monotonic() - began)
        return Said(
            kind=_KIND_OF.get(AskedQuestion.Outcome(asked.outcome), "sql"),
            sql=asked.sql,
            problem=asked.error_code,
            repaired=asked.repaired,
            tokens=asked.input_tokens + asked.output_tokens + asked.cache_read_tokens,
            cost_usd=asked.cost_usd,
            seconds=monotonic() - began,
        )

    return answering


def by_gold(question: EvaluationQuestion, now: datetime) -> Said:
    """The right answer, without a model: checks the set and the scoring."""
    return Said(kind=question.kind, sql=question.gold, cost_usd=0)


def share(scores: Sequence[Score]) -> float | None:
    return sum(score.hit for score in scores) / len(scores) if scores else None


@contextmanager
def mirror_at(folder: Path) -> Iterator[None]:
    """Reads of this process go to the mirror published in `folder` meanwhile."""
    before = settings.AGNES_MIRROR_DIR
    settings.AGNES_MIRROR_DIR = folder
    mirror.close()
    try:
        yield
    finally:
        settings.AGNES_MIRROR_DIR = before
        mirror.close()


def _is_hit(question: EvaluationQuestion, said: Said, mirrors: Sequence[Path]) -> bool:
    if question.kind != "sql" or said.kind != "sql" or said.problem:
        return said.kind == question.kind and not said.problem
    for folder in mirrors:
        with mirror_at(folder):
            if not _is_right(question, said.sql):
                return False
    return True


def _is_right(question: EvaluationQuestion, sql: str) -> bool:
    """Whether the SQL gives the rows of gold, or of another right one, on this mirror."""
    try:
        found = sandbox.run(guard.check(sql).sql).rows
    except AgnesError:
        return False
    for number, right in enumerate((question.gold, *question.also)):
        wanted = sandbox.run(guard.check(right).sql)
        names = [column.name for column in wanted.columns]
        required = question.required if not number else ()
        columns = [names.index(name) for name in required or names]
        if is_match(wanted.rows, found, columns=columns, ordered=question.ordered):
            return True
    return False


def _percentile(values: list[float], part: float) -> float | None:
    return round(values[min(int(len(values) * part), len(values) - 1)], 2) if values else None
