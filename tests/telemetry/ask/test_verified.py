"""The verified questions: each runs on the demo and gives the rows that a slow twin counts."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from telemetry import mirror
from telemetry.ask.verified import (
    UnknownQuestion,
    same_sql,
    verified_question,
    verified_questions,
)
from tests.telemetry.ask.verified_twins import TWINS, Row, Telling

pytestmark = pytest.mark.django_db

MAY_BE_EMPTY = {
    "skills-that-failed-last-week",
    "who-compacted-last-week",
    "chyby-nastroju",
    "lide-bez-pluginu",
    "skills-nobody-used",
}
"""Depending on the weekday, or on how much the demo's people tried."""


@pytest.fixture
def telling(mirror_folder: Path) -> Telling:
    now = datetime.now(UTC)
    call_command("seed_demo", now=now, days=36, people=5, verbosity=0)
    return Telling.load(now.date())


def plain(row: Row) -> list[Any]:
    return [round(float(v), 6) if isinstance(v, float | int) else v for v in row]


def is_close(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        # Both sides round to at most one or two digits, halves not the same way.
        return abs(one - other) <= 0.11 if one % 1 or other % 1 else one == other
    return bool(one == other)


def test_every_question_gives_the_rows_that_its_twin_counts(telling: Telling) -> None:
    wrong: dict[str, tuple[Any, Any]] = {}
    empty = set()
    with mirror.reader() as database:
        for question in verified_questions():
            found = [plain(row) for row in database.execute(question.sql).fetchall()]
            wanted = [plain(row) for row in TWINS[question.id](telling)]
            if not question.ordered:
                found, wanted = sorted(found), sorted(wanted)
            same = len(found) == len(wanted) and all(
                len(a) == len(b) and all(map(is_close, a, b))
                for a, b in zip(found, wanted, strict=True)
            )
            if not same:
                wrong[question.id] = (found, wanted)
            if not found:
                empty.add(question.id)
    assert wrong == {}
    assert empty <= MAY_BE_EMPTY


def test_there_are_thirty_and_more_and_each_has_a_twin() -> None:
    ids = [question.id for question in verified_questions()]
    assert len(ids) >= 30
    assert len(set(ids)) == len(ids)
    assert set(ids) == set(TWINS)
    assert {question.lang for question in verified_questions()} == {"en", "cs"}


def test_an_unknown_id_says_where_the_known_ones_are() -> None:
    with pytest.raises(UnknownQuestion, match="usage_ask --list"):
        verified_question("none")


def test_the_same_statement_is_known_again_whatever_its_white_space() -> None:
    assert same_sql("SELECT 1\n FROM t", " SELECT  1 FROM t ;\n")
    assert not same_sql("SELECT 1 FROM t", "SELECT 2 FROM t")
    assert not same_sql("SELECT 'a'", "SELECT 'A'")
