"""usage_import in front of a program that does not read to the end, as `head` does."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.telemetry.importing import put
from tests.telemetry.transcript_lines import session_of, transcript

MANAGE = [sys.executable, "manage.py"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """That of a process with a database of its own."""
    data = tmp_path_factory.mktemp("data")
    environment = {"PATH": os.environ["PATH"], "AGNES_DATA_DIR": str(data)}
    subprocess.run([*MANAGE, "migrate", "-v0"], cwd=settings.BASE_DIR, env=environment, check=True)
    return environment


# The output of a few files waits in a buffer until the end, that of many does not.
@pytest.mark.parametrize("files", [2, 300])
def test_a_reader_that_leaves_is_told_in_a_sentence(
    environment: dict[str, str], tmp_path: Path, files: int
) -> None:
    for number in range(files):
        sid = session_of(f"piped {files} {number}")
        put(tmp_path, f"-p/{sid}.jsonl", transcript(sid, range(2)))
    read, write = os.pipe()
    os.close(read)
    options = ["--user", f"ada-{files}", "--no-process", "--processes", "1"]
    done = subprocess.run(
        [*MANAGE, "usage_import", str(tmp_path), *options],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)

    assert (done.returncode, done.stderr) == (
        1,
        "CommandError: The reader of the output went away. What was read by then is stored: run "
        "the import again for the rest.\n",
    )
    with sqlite3.connect(Path(environment["AGNES_DATA_DIR"]) / "agnes.sqlite3") as database:
        (stored,) = database.execute(
            "SELECT count(*) FROM telemetry_session JOIN accounts_user AS person "
            "ON person.id = user_id WHERE person.username = ?",
            [f"ada-{files}"],
        ).fetchone()
    assert stored > 0
