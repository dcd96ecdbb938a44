"""Kill the importer or the worker anywhere, go on, and compare: nothing lost, nothing twice.

    python -m benchmarks.kill_test --rounds 100 [--victim importer|storer|worker] [--seed N]

Each round starts from an instance that has imported nothing (importer, which counts what it
stores, and storer, which only stores) or processed nothing (worker), kills the whole process group
with SIGKILL at a few random moments, lets the command run to its end, and compares every table and
the stored bytes with those of an undisturbed run that stored and counted apart. Without a victim
the rounds take turns. Exits with 1 when a round differs, and keeps its folder.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
MOST_KILLS = 4
MINUTES = 10
"""For one undisturbed command; more means that it hangs."""


Command = tuple[str, ...]

VICTIMS = ("importer", "storer", "worker")


@dataclass(frozen=True)
class Victim:
    """What is killed, and what has been done before it starts."""

    name: str
    command: Command
    template: Path


class Instance:
    """An instance of its own in a folder, worked on by commands only; on SQLite by default."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.folder = folder
        self.database_url = database_url

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AGNES_")}
        kept.pop("DATABASE_URL", None)
        if self.database_url:
            kept["DATABASE_URL"] = self.database_url
        return kept | {
            "AGNES_DATA_DIR": str(self.folder),
            "DJANGO_SETTINGS_MODULE": "agnes_project.settings",
            "AGNES_LOG_LEVEL": "ERROR",
        }

    def run(self, *command: str) -> str:
        """A management command, undisturbed. Raises CalledProcessError with what it said."""
        done = subprocess.run(  # noqa: S603
            [sys.executable, "manage.py", *command],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=MINUTES * 60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed in {self.folder}:\n{done.stderr}")
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A management command in a process group of its own, not waited for."""
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "manage.py", *command],
            cwd=PROJECT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run_and_kill(self, command: Command, after: float) -> bool:
        """Start a command and kill it and all its children; False when it had ended before."""
        process = self.start(*command)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=after)
        killed = process.poll() is None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return killed

    def tables(self) -> dict[str, Any]:
        """Everything it holds, as benchmarks.table_dump tells it."""
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.table_dump"],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        tables: dict[str, Any] = json.loads(done.stdout)
        return tables


class Trial:
    """An undisturbed run, and rounds that are held against it. `folder` is the trial's own."""

    def __init__(self, folder: Path, *, megabytes: float, seed: int) -> None:
        self.folder = folder
        self.rng = random.Random(seed)
        tree = folder / "tree"
        make_tree(tree, megabytes=megabytes, seed=seed)
        importing: Command = ("usage_import", str(tree), "--users-from-folders", "--no-process")
        counting = importing[:-1]
        processing: Command = ("usage_process",)
        empty, imported = folder / "empty", folder / "imported"
        Instance(empty).run("migrate", "--verbosity", "0")
        shutil.copytree(empty, imported)
        undisturbed = Instance(imported)
        seconds = {importing: self._timed(undisturbed, importing)}
        shutil.copytree(imported, folder / "processed")
        undisturbed = Instance(folder / "processed")
        seconds[processing] = self._timed(undisturbed, processing)
        undisturbed.run("usage_mirror", "verify")
        self.expected = undisturbed.tables()
        seconds[counting] = seconds[importing] + seconds[processing]
        self.seconds = seconds
        self.processing = processing
        self.victims = {
            "importer": Victim("importer", counting, empty),
            "storer": Victim("storer", importing, empty),
            "worker": Victim("worker", processing, imported),
        }

    def round(self, name: str) -> tuple[int, list[str]]:
        """One round; how often it killed, and the tables that differ in the end."""
        victim = self.victims[name]
        instance = Instance(Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder)) / "data")
        kills = 0
        while not kills:  # a run that ended before its time was up proves nothing
            shutil.rmtree(instance.folder, ignore_errors=True)
            shutil.copytree(victim.template, instance.folder)
            kills += self._kill(instance, victim)
        for _ in range(self.rng.randrange(MOST_KILLS)):
            kills += self._kill(instance, victim)
        try:
            instance.run(*victim.command)
            instance.run(*self.processing)
            instance.run("usage_mirror", "verify")
        except RuntimeError as error:
            return kills, [str(error)]
        differing = differences(self.expected, instance.tables())
        if not differing:
            shutil.rmtree(instance.folder.parent)
        return kills, differing

    def _kill(self, instance: Instance, victim: Victim) -> bool:
        after = self.rng.uniform(0.05, 1) * self.seconds[victim.command]
        return instance.run_and_kill(victim.command, after)

    @staticmethod
    def _timed(instance: Instance, command: Command) -> float:
        started = time.monotonic()
        instance.run(*command)
        return time.monotonic() - started


def make_tree(out: Path, *, megabytes: float, seed: int) -> None:
    """A folder for each of three people, with forks, resumes, backups and damage."""
    subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-m", "benchmarks.generate", str(out), "--people", "3"),
            *("--megabytes", f"{megabytes:g}", "--seed", f"{seed}"),
        ],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Each table that differs, with the first rows that only one side has."""
    told = []
    for name, rows in expected.items():
        lost = _missing(rows, found[name])
        added = _missing(found[name], rows)
        if lost or added:
            told.append(
                f"{name}: {len(lost)} rows lost, {len(added)} added; "
                f"lost {lost[:2]}, added {added[:2]}"
            )
    return told


def _missing(rows: list[Any], others: list[Any]) -> list[str]:
    """Rows that the others lack, counted as often as they stand there."""
    left = [json.dumps(row) for row in others]
    counts: dict[str, int] = {}
    for row in left:
        counts[row] = counts.get(row, 0) + 1
    missing = []
    for row in map(json.dumps, rows):
        if counts.get(row, 0):
            counts[row] -= 1
        else:
            missing.append(row)
    return missing


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--megabytes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--victim", choices=VICTIMS)
    options = parser.parse_args()
    names = (options.victim,) if options.victim else VICTIMS
    folder = Path(tempfile.mkdtemp(prefix="agnes-kill-"))
    trial = Trial(folder, megabytes=options.megabytes, seed=options.seed)
    print(f"Undisturbed: {', '.join(f'{one:.1f} s' for one in trial.seconds.values())}", flush=True)
    failed = kills = 0
    for number in range(options.rounds):
        name = names[number % len(names)]
        killed, differing = trial.round(name)
        kills += killed
        failed += bool(differing)
        print(f"round {number + 1}: {name} killed {killed} times", flush=True)
        for line in differing:
            print(f"  {line}", flush=True)
    print(f"{options.rounds} rounds, {kills} kills, {failed} rounds differ.")
    if failed:
        raise SystemExit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
