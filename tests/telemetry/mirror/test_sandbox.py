"""The sandbox by itself: statements reach it without having passed the guard."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from pytest_django.fixtures import Settings

from telemetry.mirror import sandbox
from telemetry.mirror.errors import MirrorUnavailable
from telemetry.mirror.query_errors import QueryFailed, QueryRefused, QueryTooLarge
from tests.telemetry.mirror.filled_mirror import DATA_TIME
from tests.telemetry.mirror.sandbox_engine import Engine

pytestmark = pytest.mark.usefixtures("filled_mirror")


def test_a_select_returns_columns_rows_and_the_time_of_the_data() -> None:
    result = sandbox.run(
        "SELECT tool_name, count(*) AS n FROM usage_events GROUP BY 1 ORDER BY 1 LIMIT 2"
    )

    assert result.records() == [{"tool_name": "Bash", "n": 400}, {"tool_name": "Edit", "n": 400}]
    assert [(column.name, column.type) for column in result.columns] == [
        ("tool_name", "VARCHAR"),
        ("n", "BIGINT"),
    ]
    assert result.data_time == DATA_TIME
    assert not result.truncated
    assert result.timings.total > 0


def test_no_more_rows_than_asked_for_are_returned_and_it_says_so() -> None:
    result = sandbox.run("SELECT * FROM usage_events")

    assert len(result.rows) == 1_000
    assert result.truncated


def test_an_unknown_column_names_the_error_and_the_words_without_the_data() -> None:
    with pytest.raises(QueryFailed) as raised:
        sandbox.run("SELECT tool_nam FROM usage_events WHERE cwd = 'a secret'")

    assert raised.value.engine_class == "BinderException"
    assert {"tool_nam", "tool_name"} <= set(raised.value.identifiers)
    assert "secret" not in raised.value.identifiers


def test_a_table_of_the_file_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(QueryRefused, match="mirror_meta"):
        sandbox.run("SELECT * FROM mirror_meta")


def test_without_a_mirror_the_answer_names_the_command(settings: Settings, tmp_path: Path) -> None:
    settings.AGNES_MIRROR_DIR = tmp_path

    with pytest.raises(MirrorUnavailable, match="usage_mirror rebuild"):
        sandbox.run("SELECT 1")


def test_columns_of_one_name_are_told_apart() -> None:
    result = sandbox.run("SELECT 1 AS n, 2 AS n, 3 AS n_2, 4 AS n")

    assert result.records() == [{"n": 1, "n_2": 2, "n_2_2": 3, "n_3": 4}]


def test_more_columns_than_a_page_can_show_are_an_error_that_says_so() -> None:
    every = ", ".join(["1"] * 200)
    assert len(sandbox.run(f"SELECT {every}").columns) == 200

    with pytest.raises(QueryTooLarge, match="more than 200 columns"):
        sandbox.run(f"SELECT {every}, 1 FROM usage_events")  # noqa: S608


def test_rows_end_where_the_cells_do() -> None:
    result = sandbox.run(f"SELECT {', '.join(['1'] * 100)} FROM usage_events")  # noqa: S608

    assert len(result.rows) == 500
    assert result.truncated


def test_rows_end_where_the_bytes_do() -> None:
    result = sandbox.run("SELECT rpad('', 1000, 'x') FROM usage_events", max_bytes=10_500)

    assert len(result.rows) == 10
    assert result.truncated


def test_one_row_that_is_too_large_is_an_error() -> None:
    with pytest.raises(QueryTooLarge):
        sandbox.run("SELECT list(cwd) FROM usage_events", max_bytes=10_000)


def test_a_mirror_of_other_tables_is_said_to_be_unavailable(
    filled_mirror: Path, tmp_path: Path, settings: Settings
) -> None:
    settings.AGNES_MIRROR_DIR = tmp_path
    copy = tmp_path / "agnes.duckdb"
    copy.write_bytes((filled_mirror / "agnes.duckdb").read_bytes())
    with duckdb.connect(str(copy)) as database:
        database.execute("UPDATE mirror_meta SET schema_version = 'older'")

    with pytest.raises(MirrorUnavailable, match="another version"):
        sandbox.run("SELECT 1")


def test_a_file_that_is_no_mirror_is_said_to_be_unavailable(
    tmp_path: Path, settings: Settings
) -> None:
    settings.AGNES_MIRROR_DIR = tmp_path
    (tmp_path / "agnes.duckdb").write_bytes(b"no database" * 1000)

    with pytest.raises(MirrorUnavailable, match="usage_mirror rebuild"):
        sandbox.run("SELECT 1")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("NULL", None),
        ("true", True),
        ("9007199254740991", 9007199254740991),
        ("9007199254740992", "9007199254740992"),
        ("170141183460469231731687303715884105727", "170141183460469231731687303715884105727"),
        ("1.50::DECIMAL(10, 2)", 1.5),
        ("2.00::DECIMAL(10, 2)", 2),
        ("0.1234567890123456789::DECIMAL(38, 19)", "0.1234567890123456789"),
        ("'NaN'::DOUBLE", "NaN"),
        ("'-inf'::DOUBLE", "-Infinity"),
        ("1e300", 1e300),
        ("DATE '2026-06-15'", "2026-06-15"),
        ("TIMESTAMP '2026-06-15 10:00:00.25'", "2026-06-15T10:00:00.250000"),
        ("'2026-06-15 10:00:00+02'::TIMESTAMPTZ", "2026-06-15T08:00:00+00:00"),
        ("TIME '10:00:00'", "10:00:00"),
        ("INTERVAL '1 day 2 hours'", "1 day 02:00:00"),
        ("INTERVAL '-1 hour'", "-0 days 01:00:00"),
        ("'\\xAB\\x00'::BLOB", "ab00"),
        ("'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::UUID", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("'1010'::BIT", "1010"),
        ("[1, NULL, 3]", [1, None, 3]),
        ("[1, 2]::INTEGER[2]", [1, 2]),
        ("{'a': 1, 'b': {'c': [DATE '2026-06-15']}}", {"a": 1, "b": {"c": ["2026-06-15"]}}),
        ("MAP {'a': 1}", {"a": 1}),
        ("MAP {1: 'a', 2: 'b'}", [[1, "a"], [2, "b"]]),
        ("union_value(n := 2)", 2),
        ("'ok'::ENUM ('ok', 'failed')", "ok"),
        ("'infinity'::TIMESTAMP", "9999-12-31T23:59:59.999999"),
        ("'290000-01-01'::DATE", "290000-01-01"),
        ("'{\"a\": 1}'::JSON", '{"a": 1}'),
        ("'\U0001f469 ž'", "\U0001f469 ž"),
        ("chr(0)", "\0"),
    ],
)
def test_every_type_becomes_a_value_that_json_can_hold(
    engine: Engine, expression: str, value: Any
) -> None:
    assert engine.run(f"SELECT {expression}")["rows"] == [[value]]
