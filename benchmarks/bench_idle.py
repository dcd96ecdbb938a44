"""What it costs to find out that there is nothing to do."""

import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import corpus, instance
from benchmarks.measures import Measure, timed

KNOWN_SESSIONS = {"smoke": 2_000, "full": 100_000}
FILES = {"smoke": 60, "full": 600}
ROUNDS = 15
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def run(size: str) -> list[Measure]:
    """An idle tick over many known sessions; an import of files that did not change."""
    instance.start()
    root = corpus.small_files(FILES[size])
    instance.import_folder(root)
    know_sessions(KNOWN_SESSIONS[size])
    tick()  # what the import left over, and what a process does only once
    ticks = [seconds_of_tick() for _ in range(ROUNDS)]
    with timed() as again:
        instance.import_folder(root, process=False)
    return [
        Measure("idle tick", statistics.median(ticks) * 1000, "ms", "less", 50),
        Measure("import of unchanged files, in process", again.seconds, "s", "less", 0.5),
        Measure("the same, whole command", seconds_of_command(root), "s", "less", 2),
    ]


def tick() -> None:
    instance.process(processes=1)
    instance.roll_up()
    instance.mirror()


def seconds_of_tick() -> float:
    with timed() as clock:
        tick()
    return clock.seconds


def seconds_of_command(root: Path) -> float:
    command = [sys.executable, "manage.py", "usage_import", str(root), "--users-from-folders"]
    with timed() as clock:
        subprocess.run([*command, "--no-process"], check=True, stdout=subprocess.PIPE)  # noqa: S603
    return clock.seconds


def know_sessions(count: int) -> None:
    """Rows of sessions that every processor is done with, as they are after years of use."""
    from accounts.models import User
    from telemetry.models import ProcessorState, Session
    from telemetry.processors import PROCESSORS

    user = User.objects.get(username="mo")
    Session.objects.bulk_create(
        (
            Session(
                user=user,
                session_id=f"known-{number}",
                session_file=f"known-{number}.jsonl",
                content_hash=f"{number:064x}",
                created_at=NOW,
                uploaded_at=NOW,
            )
            for number in range(count)
        ),
        batch_size=5_000,
    )
    known = Session.objects.filter(session_id__startswith="known-").values_list(
        "pk", "content_hash"
    )
    for processor in PROCESSORS:
        ProcessorState.objects.bulk_create(
            (
                ProcessorState(
                    processor=processor.name,
                    session_id=pk,
                    status=ProcessorState.Status.DONE,
                    content_hash=content_hash,
                    version=processor.version,
                    processed_at=NOW,
                )
                for pk, content_hash in known
            ),
            batch_size=5_000,
        )
