"""Rows as cells, csv and charts."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from telemetry.ask.answers import Answer
from telemetry.ask.reading import MOST_CONDITIONS, date_conditions
from telemetry.ask.results import BarChart, DayChart, cell_text, chart_of, csv_lines
from telemetry.mirror.sandbox import QueryResult, ResultColumn, Timings
from telemetry.models import AskedQuestion


def result(columns: dict[str, str], *rows: list[Any]) -> QueryResult:
    return QueryResult(
        columns=tuple(ResultColumn(name, kind) for name, kind in columns.items()),
        rows=list(rows),
        truncated=False,
        timings=Timings(0, 0, 0, 0),
        data_time=datetime(2026, 5, 1, tzinfo=UTC),
    )


def test_csv_quotes_what_needs_it_and_changes_no_value() -> None:
    found = result(
        {"a,b": "VARCHAR", "n": "BIGINT"}, ['say "=1+1"\n', 5], [None, None], ["žluť", -1]
    )
    text = "".join(csv_lines(found))
    assert text == '"a,b",n\r\n"say ""=1+1""\n",5\r\n,\r\nžluť,-1\r\n'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (1.5, "1.5"),
        ([1, None], "[1, null]"),
        ({"a": "č"}, '{"a": "č"}'),
    ],
)
def test_a_cell_is_one_text(value: Any, text: str) -> None:
    assert cell_text(value) == text


def test_a_day_and_a_number_make_columns_in_order_of_time() -> None:
    chart = chart_of(
        result({"day": "DATE", "n": "HUGEINT"}, ["2026-05-02", 4], ["2026-05-01", None])
    )
    assert chart == DayChart(
        "n by day", ("n",), [(date(2026, 5, 1), (0,)), (date(2026, 5, 2), (4,))]
    )


def test_a_day_a_name_and_a_number_make_a_series_for_each_name() -> None:
    columns = {"day": "DATE", "tool": "VARCHAR", "n": "BIGINT"}
    rows = (["2026-05-01", "Read", 1], ["2026-05-02", "Bash", 2], ["2026-05-02", "Read", 3])
    chart = chart_of(result(columns, *rows))
    assert isinstance(chart, DayChart)
    assert chart.names == ("Read", "Bash")
    assert chart.rows == [(date(2026, 5, 1), (1, 0)), (date(2026, 5, 2), (3, 2))]


def test_sources_keep_the_order_that_gives_them_their_colours() -> None:
    columns = {"day": "DATE", "source": "VARCHAR", "n": "BIGINT"}
    chart = chart_of(result(columns, ["2026-05-01", "flea", 1], ["2026-05-02", "curated", 2]))
    assert isinstance(chart, DayChart)
    assert chart.names == ("curated", "flea", "builtin", "unattributed")


def test_names_and_numbers_make_bars_by_the_first_number() -> None:
    columns = {"tool": "VARCHAR", "n": "DECIMAL(18,2)", "m": "BIGINT"}
    assert chart_of(result(columns, ["a", 1.5, 9], ["b", None, 9])) == BarChart(1, 1.5)


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ({"n": "BIGINT"}, [[1], [2]]),
        ({"day": "DATE", "n": "BIGINT"}, [["2026-05-01", 1]]),
        ({"day": "DATE", "n": "BIGINT"}, [["2026-05-01", 1], [None, 1]]),
        ({"day": "DATE", "n": "BIGINT"}, [["2026-05-01", 1], ["2026-05-02", -1]]),
        ({"day": "DATE", "n": "BIGINT"}, [["2026-05-01", 1], ["2026-05-01", 2]]),
        ({"day": "DATE", "t": "VARCHAR"}, [["2026-05-01", "x"], ["2026-05-02", "y"]]),
        ({"day": "DATE", "n": "HUGEINT"}, [["2026-05-01", "9" * 30], ["2026-05-02", 1]]),
        ({"t": "VARCHAR", "n": "BIGINT"}, [["a", 0], ["b", 0]]),
        ({"t": "VARCHAR", "n": "BIGINT"}, [[f"t{i}", 1] for i in range(41)]),
    ],
)
def test_other_shapes_have_no_chart(columns: dict[str, str], rows: list[list[Any]]) -> None:
    assert chart_of(result(columns, *rows)) is None


@pytest.mark.parametrize(
    ("sql", "conditions"),
    [
        ("SELECT 1 FROM t WHERE day >= current_date - 7 AND n > 1", ["day >= CURRENT_DATE - 7"]),
        (
            "SELECT 1 FROM t WHERE occurred_at BETWEEN '2026-01-01' AND '2026-02-01'",
            ["occurred_at BETWEEN '2026-01-01' AND '2026-02-01'"],
        ),
        ("SELECT 1 FROM a JOIN b ON a.day = b.day", []),
        ("SELECT max(day) FROM t", []),
        # Of comparisons inside each other, the one that holds the time.
        ("SELECT day" + " < 1" * 100, ["day < 1"]),
        (f"SELECT {'abs(' * 40}day{')' * 40} > 1", []),
        ("not SQL at all (", []),
    ],
)
def test_the_conditions_on_times_are_read_from_the_sql(sql: str, conditions: list[str]) -> None:
    assert date_conditions(sql) == conditions


def test_no_more_conditions_are_read_than_a_person_reads() -> None:
    many = " OR ".join(f"day = DATE '2026-01-01' + {n}" for n in range(100))

    assert len(date_conditions(f"SELECT 1 FROM t WHERE {many}")) == MOST_CONDITIONS  # noqa: S608


def test_the_conditions_of_sql_that_did_not_run_are_not_read() -> None:
    refused = AskedQuestion(sql="SELECT * FROM accounts_user WHERE day > 1", outcome="rejected")

    assert Answer(refused).dates == []
