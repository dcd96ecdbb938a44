"""Imports over processes: beside each other, and killed anywhere."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from accounts.models import User
from telemetry import preparers, transcript_blobs
from telemetry.models import (
    ProcessorState,
    Session,
    TranscriptFile,
    TranscriptRevision,
    TranscriptSegment,
)
from tests.telemetry.importing import contents, put, run, words
from tests.telemetry.transcript_lines import line, session_of, transcript

pytestmark = pytest.mark.django_db


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "projects"
    for number in range(6):
        sid = session_of(f"corpus {number}")
        put(root, f"-p/{sid}.jsonl", transcript(sid, range(3 + number)))
        put(root, f"-p/{sid}/subagents/agent-{number}.jsonl", line(sid, 100))
    return root


def test_a_pool_of_processes_stores_the_same(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparers, "WORTH_PROCESSES", 1)

    told = run(corpus, "--user", "ada", "--processes", "2")

    assert told["counts"] == {"new": 12}
    assert contents() == {file.read_bytes() for file in corpus.rglob("*.jsonl")}


def importer(corpus: Path, *, processes: int) -> subprocess.Popen[bytes]:
    """The command in a process of its own, on the test's database."""
    script = (
        "import sys, django; django.setup()\n"
        "from django.core.management import call_command\n"
        "from django.db import connections\n"
        "from telemetry import preparers\n"
        "if __name__ == '__main__':\n"
        "    preparers.WORTH_PROCESSES = 1\n"
        "    connections['default'].settings_dict['NAME'] = sys.argv[1]\n"
        "    call_command('usage_import', sys.argv[2], '--user', 'ada@example.org',\n"
        "                 '--no-process', '--processes', sys.argv[3])\n"
    )
    database = str(connection.settings_dict["NAME"])
    return subprocess.Popen(
        [sys.executable, "-c", script, database, str(corpus), str(processes)],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "agnes_project.settings"},
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("processes", [1, 2])
def test_an_import_killed_anywhere_is_finished_by_the_next(tmp_path: Path, processes: int) -> None:
    User.objects.create_user("ada@example.org")
    for number in range(400):
        sid = session_of(f"kill {number}")
        put(tmp_path, f"{sid}.jsonl", transcript(sid, range(1 + number % 7)))
    chance = random.Random(processes)
    for _ in range(3):
        child = importer(tmp_path, processes=processes)
        assert child.stdout is not None
        for _ in range(chance.randrange(1, 120)):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=60)
        named = TranscriptSegment.objects.values_list("blob", flat=True)
        assert all(transcript_blobs.transcripts().exists(blob) for blob in named)

    told = run(tmp_path, "--user", "ada@example.org")

    assert Counter(words(told).values()).keys() <= {"new", "unchanged"}
    assert contents() == {file.read_bytes() for file in tmp_path.rglob("*.jsonl")}
    assert Session.objects.count() == TranscriptFile.objects.count() == 400
    assert ProcessorState.objects.filter(status="due").count() == 800


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_leave_everything_once(tmp_path: Path) -> None:
    User.objects.create_user("ada@example.org")
    for number in range(60):
        sid = session_of(f"twice {number}")
        put(tmp_path, f"{sid}.jsonl", transcript(sid, range(1 + number % 7)))

    children = [importer(tmp_path, processes=1) for _ in range(2)]
    for child in children:
        child.communicate(timeout=120)

    assert [child.returncode for child in children] == [0, 0]
    assert contents() == {file.read_bytes() for file in tmp_path.rglob("*.jsonl")}
    assert TranscriptRevision.objects.count() == 60
