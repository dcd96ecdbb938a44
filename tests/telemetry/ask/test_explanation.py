"""What a statement does, said for people."""

import pytest

from telemetry.ask import guard
from telemetry.ask.explanation import explain
from tests.telemetry.sql_statements import LEGITIMATE


def test_tables_conditions_groups_order_and_rows_are_named() -> None:
    sql = """
        SELECT tool_name, count(*) AS n FROM usage_events
        WHERE is_error AND occurred_at >= current_date - 7 -- last week
        GROUP BY tool_name ORDER BY n DESC LIMIT 5
    """

    assert explain(guard.check(sql)) == [
        "Reads usage_events.",
        "Keeps rows where is_error, occurred_at >= CURRENT_DATE - 7.",
        "Groups by tool_name.",
        "Sorts by n DESC.",
        "Shows at most 5 rows.",
    ]


def test_a_long_list_of_conditions_is_cut() -> None:
    conditions = [f"user_id <> {number}" for number in range(9)]
    sql = " AND ".join(["SELECT 1 FROM usage_events WHERE true", *conditions])

    sentences = explain(guard.check(sql))

    assert sentences[1].endswith("user_id <> 4 and 4 more.")


@pytest.mark.parametrize("group", LEGITIMATE)
def test_every_question_has_an_explanation(group: str) -> None:
    first = [explain(guard.check(sql))[0] for sql in LEGITIMATE[group]]

    assert {sentence.split()[0] for sentence in first} == {"Reads"}
