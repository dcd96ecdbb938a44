"""Calls that could ask for any amount: each says how much it asks for, or is refused."""

from itertools import product

import pytest

from telemetry.ask import allow_list, guard
from telemetry.ask.refusal import Reason, SqlRefused

SIZED = sorted(
    allow_list.SERIES
    | set(allow_list.LENGTH_ARGUMENT)
    | allow_list.TEMPLATES
    | allow_list.NAMED_AGGREGATION
)
ARGUMENTS = ("date_diff()", "least(datediff(), 5)", "to_days()", "-x", "NULL", "1e400", "*")


def refusal(sql: str) -> SqlRefused:
    with pytest.raises(SqlRefused) as raised:
        guard.check(sql)
    return raised.value


@pytest.mark.parametrize("name", SIZED)
def test_any_number_of_arguments_is_judged_and_never_an_accident(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    for count in range(5):
        # All of one kind, and each kind in the last place after plain ones.
        calls = [[kind] * count for kind in ARGUMENTS]
        calls += [["'x'"] * (count - 1) + [kind] for kind in ARGUMENTS if count]
        calls += [list(pair) for pair in product(ARGUMENTS[:3], repeat=2) if count == 2]
        for arguments in calls:
            try:
                guard.check(f"SELECT {name}({', '.join(arguments)}) FROM usage_people")  # noqa: S608
            except SqlRefused:
                continue
    assert not caplog.records


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT range(date_diff())",
        "SELECT repeat('x', datediff())",
        "SELECT array_resize(least(), date_diff())",
    ],
)
def test_a_span_without_its_unit_is_no_length(sql: str) -> None:
    assert refusal(sql).reason in (Reason.SIZE, Reason.FUNCTION)


def test_a_statement_that_the_guard_cannot_judge_is_refused_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(allow_list.LENGTH_ARGUMENT, "repeat", ())

    error = refusal("SELECT repeat('not for the log', 3)")

    assert "cannot be judged" in error.message
    assert "the guard failed" in caplog.text
    assert "not for the log" not in caplog.text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('x', (99999999999999999999 - 99999999998999999999)::BIGINT)",
        "SELECT repeat('x', (9000000000000000000::HUGEINT * 1000000000 + 1000000000"
        " - 9000000000000000000::HUGEINT * 1000000000)::BIGINT)",
        "SELECT range(0, least(x, 0), -1) FROM (SELECT -1000000000 AS x)",
        "SELECT generate_series(TIMESTAMP '0001-01-01', TIMESTAMP '294246-01-01', INTERVAL 1 HOUR)",
        "SELECT range(TIMESTAMP '290000-01-01 (BC)', TIMESTAMP '2026-01-01', INTERVAL 1 HOUR)",
    ],
)
def test_a_size_that_cannot_be_told_exactly_is_refused(sql: str) -> None:
    assert refusal(sql).reason == Reason.SIZE


@pytest.mark.parametrize(
    "sql",
    ["SELECT range(10, 0, -1)", "SELECT range(least(length('abc'), 9))", "SELECT repeat('x', 2*3)"],
)
def test_a_size_that_is_told_passes(sql: str) -> None:
    assert guard.check(sql)
