"""The guard over many statements: those that may never pass, and those that always must."""

import pytest

from telemetry.ask import guard
from telemetry.ask.refusal import Reason, SqlRefused
from tests.telemetry.sql_statements import HOSTILE, LEGITIMATE

# What a text file cannot show.
INVISIBLE = [
    "SELECT * FROM usage_events\0",
    "SELECT * FROM mirror_meta\0usage_events",
    "SELECT 1\0; DROP TABLE usage_events",
    "\ufeffSELECT * FROM usage_events",
    "SELECT\u200b * FROM usage_events",
    "SELECT * FROM usage\u00ad_events",
    "SELECT * FROM usage_events \u202e-- stneve",
    "SELECT '\u2066' FROM usage_events",
    "SELECT * FROM usage_events\x1b[2K",
    "SELECT * FROM usage_events\x08",
    "SELECT \x7f1",
    "SELECT '\ud800'",
    "SELECT 1 \ue000",
]
LONG = [
    "SELECT " + "1+" * 20_000 + "1",
    "SELECT '" + "x" * 200_000 + "'",
    "SELECT " + "(" * 4_000 + "1" + ")" * 4_000 + "+" + "abs(" * 400 + "1" + ")" * 400,
    "SELECT " + "NOT " * 2_400 + "true",
    "SELECT * FROM " + "(SELECT * FROM " * 500 + "usage_events" + ")" * 500,
    "SELECT " + "[" * 3_000 + "]" * 3_000,
    "SELECT " + "{'a': " * 1_000 + "1" + "}" * 1_000,
    "SELECT cwd" + " -> cwd" * 1_200 + " FROM usage_events",
    "SELECT cwd" + "::VARCHAR" * 1_000 + " FROM usage_events",
    "SELECT 1::INT" + "[]" * 4_000,
    "WITH a AS (" * 600 + "SELECT 1" + ") SELECT 1" * 600,
    "SELECT " + ", ".join(["(SELECT 1 GROUP BY CUBE (1, 2, 3, 4, 5, 6, 7, 8, 9))"] * 150),
    "SELECT 1 GROUP BY CUBE (" + ", ".join(map(str, range(40))) + ")",
    "SELECT " + "/*" * 4_000 + "1" + "*/" * 900,
    "SELECT " + "9" * 5_000,
    "SELECT 1;" * 1_000,
    "SELECT 1 FROM usage_events" + ", usage_events" * 600,
    "SELECT -" + " -" * 4_000 + "1::INT + abs(" * 300,
]


def refusal(sql: str) -> SqlRefused | None:
    try:
        guard.check(sql)
    except SqlRefused as error:
        return error
    return None


@pytest.mark.parametrize("group", HOSTILE)
def test_what_wants_more_than_the_mirror_is_refused_in_a_sentence(group: str) -> None:
    refusals = {sql: refusal(sql) for sql in HOSTILE[group]}

    assert [sql for sql, error in refusals.items() if error is None] == []
    assert {error.message[-1] for error in refusals.values() if error} == {"."}
    assert all(error.fix for error in refusals.values() if error)


@pytest.mark.parametrize("group", LEGITIMATE)
def test_a_legitimate_question_passes(group: str) -> None:
    refusals = {sql: refusal(sql) for sql in LEGITIMATE[group]}

    assert {sql: str(error) for sql, error in refusals.items() if error} == {}


@pytest.mark.parametrize("sql", INVISIBLE)
def test_invisible_characters_are_refused(sql: str) -> None:
    with pytest.raises(SqlRefused) as raised:
        guard.check(sql)

    assert raised.value.reason == Reason.CHARACTER


@pytest.mark.parametrize("sql", LONG, ids=range(len(LONG)))
def test_long_and_deep_texts_are_refused_and_the_process_lives(sql: str) -> None:
    with pytest.raises(SqlRefused):
        guard.check(sql)
    assert guard.check("SELECT count(*) FROM usage_events")


def test_the_statements_are_many() -> None:
    assert sum(map(len, HOSTILE.values())) >= 400
    assert sum(map(len, LEGITIMATE.values())) >= 200
