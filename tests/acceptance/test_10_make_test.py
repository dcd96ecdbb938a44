"""`make test` runs the whole suite on both databases, and continuous integration runs it."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTEST = re.compile(r"^(?P<settings>(?:\S+=\S+ )*)\S*pytest\b(?P<arguments>.*)$", re.MULTILINE)


def test_make_test_runs_the_whole_suite_on_both_databases() -> None:
    planned = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "test"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    ).stdout
    runs = [(run["settings"].strip(), run["arguments"]) for run in PYTEST.finditer(planned)]
    assert [settings for settings, _ in runs] == ["", "AGNES_TEST_DB=postgres"]
    # No run leaves a part of the suite out.
    for _, arguments in runs:
        assert not re.search(r"(?:^| )(?:-k|-m|--ignore|--deselect|tests)\b", arguments)


def test_continuous_integration_runs_make_check_and_make_test() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert "set -euo pipefail" in lines
    assert [line for line in lines if line.startswith("make ")] == ["make check", "make test"]
