"""Questions whose SQL was checked; they are data, in verified_questions.toml."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from accounts.errors import AgnesError

FILE = Path(__file__).with_name("verified_questions.toml")


@dataclass(frozen=True)
class VerifiedQuestion:
    """`lang` is en or cs; `ordered`: the order of the rows is part of the answer; `example`: it
    shows a model how to write."""

    id: str
    lang: str
    text: str
    sql: str
    example: bool = False
    ordered: bool = False


class UnknownQuestion(AgnesError):
    code: ClassVar[str] = "unknown_question"
    status: ClassVar[int] = 404


@cache
def verified_questions() -> tuple[VerifiedQuestion, ...]:
    """All of them, in the file's order."""
    found = tomllib.loads(FILE.read_text(encoding="utf-8"))["question"]
    return tuple(VerifiedQuestion(**{**one, "sql": one["sql"].strip()}) for one in found)


def verified_question(id: str) -> VerifiedQuestion:
    """Raises UnknownQuestion."""
    for question in verified_questions():
        if question.id == id:
            return question
    raise UnknownQuestion(
        f"There is no verified question {id!r}.", fix="List them with usage_ask --list."
    )


def same_sql(one: str, other: str) -> bool:
    """Whether two texts are the same statement but for white space and a final semicolon."""
    return one.rstrip("; \n\t").split() == other.rstrip("; \n\t").split()
