"""Killed anywhere, importer and worker go on to the figures of an undisturbed run."""

import os

import pytest

from benchmarks.kill_test import Trial, differences

pytestmark = pytest.mark.skipif(
    os.environ.get("AGNES_TEST_DB") == "postgres",
    reason="the trial makes instances of its own, on SQLite",
)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(tmp_path_factory.mktemp("kill"), megabytes=1, seed=3)


@pytest.mark.parametrize(("name", "rounds"), [("importer", 1), ("storer", 1), ("worker", 1)])
def test_nothing_is_lost_or_counted_twice(trial: Trial, name: str, rounds: int) -> None:
    for _ in range(rounds):
        _, differing = trial.round(name)

        assert differing == []


def test_a_lost_row_and_a_doubled_row_are_told() -> None:
    expected = {"usage_events": [["a"], ["b"]], "usage_responses": []}
    found = {"usage_events": [["a"], ["a"]], "usage_responses": []}

    assert differences(expected, found) == [
        "usage_events: 1 rows lost, 1 added; lost ['[\"b\"]'], added ['[\"a\"]']"
    ]
