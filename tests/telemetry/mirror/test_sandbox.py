"""The sandbox by itself: statements reach it without having passed the guard."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from telemetry.mirror import sandbox
from telemetry.mirror.errors import MirrorUnavailable
from telemetry.mirror.query_errors import QueryFailed, QueryRefused
from tests.telemetry.mirror.filled_mirror import DATA_TIME, publish_filled_mirror


@pytest.fixture(scope="session")
def filled_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled") / "mirror"
    publish_filled_mirror(folder)
    return folder


@pytest.fixture(autouse=True)
def mirror_folder(filled_mirror: Path, settings: Settings) -> Path:
    settings.AGNES_MIRROR_DIR = filled_mirror
    return filled_mirror


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
