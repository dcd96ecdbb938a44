"""What a question's SQL costs before and around its run: the guard, and the sandbox's process."""

import statistics
import time
from pathlib import Path

from benchmarks import instance
from benchmarks.measures import Measure, timed

STATEMENTS = Path("tests/telemetry/sql_statements/legitimate.txt")
ROUNDS = {"smoke": 2, "full": 20}
RUNS = {"smoke": 3, "full": 20}
EVENTS = 100_000
QUESTION = "SELECT tool_name, count(*) FROM usage_events GROUP BY 1"
# Seconds between two questions: the time in which the next process gets ready.
READING = 1.0


def run(size: str) -> list[Measure]:
    """The guard per statement, without its memory; a short question with a process that waits."""
    instance.start()
    seconds = seconds_of_checks(ROUNDS[size])
    ordered = sorted(seconds)
    return [
        Measure("guard: a statement, median", 1000 * statistics.median(ordered), "ms", "less", 1),
        Measure("guard: 99 of 100 statements", 1000 * ordered[len(ordered) * 99 // 100], "ms"),
        *seconds_of_questions(RUNS[size]),
    ]


def seconds_of_checks(rounds: int) -> list[float]:
    """Of each statement, as often: every one is parsed and judged anew."""
    from telemetry.ask import guard

    lines = STATEMENTS.read_text(encoding="utf-8").splitlines()
    statements = [line for line in lines if line and not line.startswith("# ")]
    for sql in statements:
        guard.check(sql)  # what a process does only once
    found = []
    for _ in range(rounds):
        guard.forget()
        for sql in statements:
            with timed() as clock:
                guard.check(sql)
            found.append(clock.seconds)
    return found


def seconds_of_questions(runs: int) -> list[Measure]:
    from benchmarks.mirror_rows import build_mirror
    from telemetry.mirror import sandbox

    build_mirror(EVENTS)
    with timed() as first:
        sandbox.run(QUESTION)
    found = []
    for _ in range(runs):
        time.sleep(READING)
        with timed() as clock:
            sandbox.run(QUESTION)
        found.append(clock.seconds)
    return [
        Measure("sandbox: first question of a server", 1000 * first.seconds, "ms"),
        Measure(
            f"sandbox: a question on {EVENTS:,} events, median",
            1000 * statistics.median(found),
            "ms",
        ),
    ]
