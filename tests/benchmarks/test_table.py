"""The table of measures: what it says, and where it is written."""

from pathlib import Path

import pytest

from benchmarks import table
from benchmarks.__main__ import PERFORMANCE, environment, known
from benchmarks.measures import Measure, Report, timed

FAST = Measure("speed", 123.4, "MB/s", "more", 100, {"decoding alone": 800.0}, "mostly waiting")
SLOW = Measure("tick", 70, "ms", "less", 50)
REPORT = Report("pipeline", "full", [FAST, SLOW], peak_mb=210, tree_peak_mb=480, machine="2 cores")


def test_each_measure_stands_beside_its_reach_and_its_floor() -> None:
    row = table.row_of(REPORT, FAST)

    assert row == (
        "pipeline: speed",
        "123 MB/s",
        "≥ 100 MB/s",
        "decoding alone 800",
        "210 / 480 MB",
        "",
    )


@pytest.mark.parametrize(
    ("better", "value", "verdict"),
    [
        ("more", 100, "yes"),
        ("more", 99.9, "no"),
        ("less", 100, "yes"),
        ("less", 100.1, "no"),
        ("", 5, ""),
    ],
)
def test_a_reach_is_met_from_the_right_side(better: str, value: float, verdict: str) -> None:
    measure = Measure("m", value, "s", better, 100)  # type: ignore[arg-type]

    assert measure.verdict == verdict


def test_a_missed_reach_is_named() -> None:
    assert table.row_of(REPORT, SLOW)[-1] == "missed"
    assert "missed" in table.as_text([REPORT])


def test_the_table_replaces_only_what_is_between_its_marks() -> None:
    document = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"

    once = table.put_into(document, [REPORT])
    twice = table.put_into(once, [REPORT])

    assert once == twice
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert "old" not in once
    assert "| pipeline: speed | 123 MB/s | ≥ 100 MB/s |" in once
    assert "- pipeline: mostly waiting" in once


def test_a_document_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="measures"):
        table.put_into("no marks", [REPORT])


def test_the_documentation_has_the_marks() -> None:
    document = PERFORMANCE.read_text()

    assert table.put_into(document, [REPORT]).count(table.BEGIN) == 1


def test_every_benchmark_is_found() -> None:
    assert {"append", "idle", "memory", "pipeline"} <= set(known())


def test_a_benchmark_gets_default_settings_and_a_data_folder_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere")
    monkeypatch.setenv("USAGE_EVENTS_RETENTION_DAYS", "3")

    given = environment(tmp_path)

    assert given["AGNES_DATA_DIR"] == str(tmp_path)
    assert not {"DATABASE_URL", "USAGE_EVENTS_RETENTION_DAYS"} & set(given)


def test_a_clock_tells_the_time_its_block_took() -> None:
    with timed() as clock:
        sum(range(1000))

    assert 0 < clock.seconds < 60
