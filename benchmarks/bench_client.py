"""The client on a laptop: a hook that has nothing to do, and the finding of secrets."""

import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from agnes_cli import installation
from agnes_cli.redaction import redact_lines
from benchmarks import corpus
from benchmarks.measures import Measure

HOOKS = {"smoke": 3, "full": 15}
MEGABYTES = {"smoke": 1.0, "full": 20.0}
APART = 0.5
"""Seconds between two hooks: each starts an uploader, which is to be over by then."""


def run(size: str) -> list[Measure]:
    """Milliseconds of a hook that has nothing to send, and MB/s of redaction on one core."""
    with TemporaryDirectory() as folder:
        hooks = hook_times(Path(folder), HOOKS[size])
        plain = [elapsed([sys.executable, "-I", "-S", "-c", "pass"]) for _ in range(HOOKS[size])]
    floors = {"python": statistics.median(plain)}
    median = statistics.median(hooks)
    return [
        Measure("hook with nothing to do", median, "ms", "less", 150, floors),
        Measure("redaction, one core", redaction_speed(MEGABYTES[size]), "MB/s", "more"),
    ]


def hook_times(home: Path, count: int) -> list[float]:
    """Of the copy that `init` makes, where everything was sent."""
    agnes = home / ".agnes"
    os.environ["AGNES_HOME"] = str(agnes)
    installation.install_copy()
    (agnes / "credentials.json").write_text('{"url": "http://127.0.0.1:9", "token": "agn_0"}')
    command = [sys.executable, "-I", "-S", str(agnes / "client"), "hook"]
    elapsed(command)  # the first one compiles
    times = []
    for _ in range(count):
        time.sleep(APART)
        times.append(elapsed(command))
    return times


def elapsed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, input=b"{}", check=True)  # noqa: S603
    return (time.perf_counter() - start) * 1000


def redaction_speed(megabytes: float) -> float:
    files = sorted(corpus.tree(megabytes).rglob("*.jsonl"))
    size = 0
    seconds = 0.0
    for path in files:
        data = path.read_bytes()
        start = time.process_time()
        redact_lines(data, Counter())
        seconds += time.process_time() - start
        size += len(data)
    return size / 1e6 / seconds
