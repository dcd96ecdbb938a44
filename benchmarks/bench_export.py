"""Exports of events against DuckDB's own COPY of the same rows into a file."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks import instance
from benchmarks.measures import Measure, timed

EVENTS = {"smoke": 100_000, "full": 10_000_000}
FLOORS = {
    "csv": "FORMAT csv",
    "json": "FORMAT json, ARRAY true",
    "ndjson": "FORMAT json",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}
SAMPLE_SECONDS = 0.01


def run(size: str) -> list[Measure]:
    """Per format: rows per second beside COPY's, first byte, memory over the idle process."""
    instance.start()
    from benchmarks.mirror_rows import build_mirror

    build_mirror(EVENTS[size])
    floors = {name: _seconds_of_copy(options) for name, options in FLOORS.items()}
    return [m for name, floor in floors.items() for m in _measures(name, EVENTS[size], floor)]


def _measures(name: str, events: int, floor: float) -> Iterator[Measure]:
    from accounts import audit
    from telemetry.exports import Export, ExportStream

    export = Export.parse(format=name, table="usage_events")
    with peak_over_idle() as memory, timed() as clock:
        with timed() as first:
            stream = ExportStream(export, door=audit.Door.COMMAND)
            next(stream)
        for _ in stream:
            pass
    if stream.row_count != events:
        raise AssertionError(f"{stream.row_count} rows were exported")
    copy = {"DuckDB COPY": events / floor}
    speed, reach = events / clock.seconds, 0.8 * events / floor
    yield Measure(f"export {name}", speed, "rows/s", "more", reach, copy)
    if name != "parquet":
        yield Measure(f"export {name}, first byte", first.seconds, "s", "less", 0.3)
    yield Measure(f"export {name}, memory over idle", memory[0], "MB", "less", 200)


def _seconds_of_copy(options: str) -> float:
    """DuckDB as it is out of the box, in a child, so that its memory is not counted as ours."""
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        os.write(sender, str(_copy(options)).encode())
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver) as answer:
        seconds = float(answer.read())
    os.waitpid(child, 0)
    return seconds


def _copy(options: str) -> float:
    from telemetry.mirror import private_reader

    limits = {"threads": os.cpu_count() or 1, "memory_limit": "8GB"}
    with (
        tempfile.TemporaryDirectory() as folder,
        timed() as clock,
        private_reader(**limits) as database,
    ):
        database.execute(f"COPY usage_events TO '{Path(folder) / 'rows'}' ({options})")
    return clock.seconds


@contextmanager
def peak_over_idle() -> Iterator[list[float]]:
    """One number, in MB: the most that this process held above what it held at the start."""
    process, stop, peak = psutil.Process(), threading.Event(), [0.0]
    idle = process.memory_info().rss

    def watch() -> None:
        while not stop.is_set():
            peak[0] = max(peak[0], (process.memory_info().rss - idle) / 1e6)
            time.sleep(SAMPLE_SECONDS)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()
