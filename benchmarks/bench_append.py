"""One line more in a large session: how long until the pages show it."""

import shutil
import statistics
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import corpus, instance
from benchmarks.measures import Measure, timed
from benchmarks.transcript_lines import Thread, answer, encode, tool_use

MEGABYTES = {"smoke": 1.0, "full": 5.0}
OTHERS_MEGABYTES = {"smoke": 3.0, "full": 50.0}
ROUNDS = 5
AT = datetime(2026, 10, 30, 9, tzinfo=UTC)


def run(size: str) -> list[Measure]:
    """Seconds from the appended line to the published mirror, other sessions being there."""
    instance.start()
    instance.import_folder(corpus.tree(OTHERS_MEGABYTES[size]))
    folder = Path(tempfile.mkdtemp())
    try:
        root = shutil.copytree(corpus.long_session(MEGABYTES[size]), folder / "root")
        instance.import_folder(root)
        seconds = [seconds_to_show(root, number) for number in range(ROUNDS)]
    finally:
        shutil.rmtree(folder)
    return [Measure("line appended -> visible", statistics.median(seconds), "s", "less", 2)]


def seconds_to_show(root: Path, number: int) -> float:
    """Appends one tool call and waits for it; raises AssertionError when it never shows."""
    path = next(root.rglob(f"{corpus.LONG_SESSION}.jsonl"))
    call = f"toolu_appended_{number}"
    thread = Thread(corpus.LONG_SESSION, agent_id=f"appended-{number}")
    line = answer(thread, tool_use(call, "Bash"), at=AT + timedelta(seconds=number))
    with path.open("ab") as file:
        file.write(encode([line]))
    with timed() as clock:
        instance.import_folder(root)
        found = instance.mirrored(
            f"SELECT count(*) FROM usage_events WHERE tool_use_id = '{call}'"  # noqa: S608
        )
    if found != 1:
        raise AssertionError(f"the appended call shows {found} times")
    return clock.seconds
