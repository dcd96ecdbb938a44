"""What the guard lets through and what it says when it does not."""

import pytest

from telemetry.ask import guard
from telemetry.ask.refusal import Reason, SqlRefused


def refusal(sql: str) -> SqlRefused:
    with pytest.raises(SqlRefused) as raised:
        guard.check(sql)
    return raised.value


def test_a_plain_question_passes_with_its_text_untouched() -> None:
    sql = "-- per tool\nselect tool_name,count(*) from Usage_Events group by 1;"

    checked = guard.check(sql)

    assert checked.sql == sql
    assert checked.tables == ("usage_events",)
    assert "COUNT(*)" in checked.formatted


@pytest.mark.parametrize(
    ("sql", "reason", "name"),
    [
        ("SELECT * FROM accounts_user", Reason.TABLE, "accounts_user"),
        ("SELECT * FROM read_text('/etc/hosts')", Reason.FUNCTION, "read_text"),
        ("SELECT current_setting('threads')", Reason.FUNCTION, "current_setting"),
        ("SELECT x::no_such_type FROM usage_events", Reason.TYPE, "no_such_type"),
        ("SELECT repeat('x', 1000000)", Reason.SIZE, "repeat"),
    ],
)
def test_a_refusal_says_what_and_why(sql: str, reason: Reason, name: str) -> None:
    error = refusal(sql)

    assert error.reason == reason
    assert error.names == (name,)
    assert name in error.message
    assert error.fix


@pytest.mark.parametrize("sql", ["", " ", ";", "-- nothing", "SELECT 1; SELECT 2", "DROP TABLE x"])
def test_anything_but_one_select_is_refused(sql: str) -> None:
    assert refusal(sql).reason in (Reason.KIND, Reason.SYNTAX)


def test_the_name_of_a_recursion_is_a_table_in_its_first_half() -> None:
    error = refusal(
        "WITH RECURSIVE accounts_user AS (SELECT * FROM accounts_user UNION ALL "
        "SELECT * FROM accounts_user WHERE false) SELECT * FROM accounts_user"
    )

    assert error.reason == Reason.TABLE


def test_a_name_of_with_is_not_known_before_it() -> None:
    error = refusal("WITH a AS (FROM later), later AS (SELECT 1) FROM a")

    assert error.names == ("later",)
