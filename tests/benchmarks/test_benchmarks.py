"""Every benchmark still runs, in its smoke size; what it measures is not judged here."""

import os

import pytest

from benchmarks.__main__ import known, measure

pytestmark = pytest.mark.skipif(
    os.environ.get("AGNES_TEST_DB") == "postgres",
    reason="benchmarks start an instance of their own, on SQLite",
)


@pytest.mark.parametrize("name", known())
def test_it_runs_and_measures_something(name: str) -> None:
    report = measure(name, "smoke")

    assert report is not None
    assert report.measures
    assert all(one.value > 0 for one in report.measures)
    assert 0 < report.peak_mb < 2_000
