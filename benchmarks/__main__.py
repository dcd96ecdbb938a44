"""All benchmarks, or the named ones: `python -m benchmarks [--size smoke|full] [names…]`.

Each runs in a process and a data folder of its own. The full size writes its reports to
`benchmarks/results/` and the table into `docs/performance.md`; the smoke size only prints.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import psutil

from benchmarks import table
from benchmarks.measures import Report

BENCHMARKS = Path(__file__).parent
ROOT = BENCHMARKS.parent
RESULTS = BENCHMARKS / "results"
PERFORMANCE = ROOT / "docs" / "performance.md"
SAMPLE_SECONDS = 0.05


def main() -> int:
    asked = arguments()
    reports = []
    for name in asked.names or known():
        print(f"{name} …", file=sys.stderr, flush=True)
        report = measure(name, asked.size)
        if report is None:
            print(f"{name} failed; its error stands above.", file=sys.stderr)
            continue
        reports.append(report)
        if asked.size == "full":
            keep(report)
    print(table.as_text(reports))
    if asked.size == "full":
        PERFORMANCE.write_text(table.put_into(PERFORMANCE.read_text(), kept()))
    complete = len(reports) == len(asked.names or known())
    return 0 if complete else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(known()))
    parser.add_argument("--size", choices=("smoke", "full"), default="full")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(known())
    if unknown:
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are {known()}")
    return asked


def known() -> list[str]:
    """The names of all benchmarks: `bench_<name>.py`."""
    return sorted(path.stem.removeprefix("bench_") for path in BENCHMARKS.glob("bench_*.py"))


def measure(name: str, size: str) -> Report | None:
    """One benchmark's report; None when it failed, its error then went to stderr."""
    with tempfile.TemporaryDirectory(prefix="agnes-benchmark-") as folder:
        printed = Path(folder) / "report.json"
        with printed.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "benchmarks.run_one", name, size],
                cwd=ROOT,
                env=environment(Path(folder) / "data"),
                stdout=out,
            )
            tree_peak = watch(process)
        last = printed.read_bytes().strip().rpartition(b"\n")[2]
    if process.returncode:
        return None
    report = msgspec.json.decode(last, type=Report)
    return msgspec.structs.replace(report, tree_peak_mb=tree_peak, machine=machine())


def environment(data: Path) -> dict[str, str]:
    """The environment of an instance with default settings over this data folder."""
    ours = ("AGNES_", "USAGE_", "SCHEDULER_", "DATABASE_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **kept,
        "AGNES_DATA_DIR": str(data),
        "AGNES_LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "agnes_project.settings",
    }


def watch(process: subprocess.Popen[bytes]) -> float:
    """Waits for the process; the most memory it and its children held at once, in MB."""
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, resident(process.pid))
        time.sleep(SAMPLE_SECONDS)
    return peak


def resident(pid: int) -> float:
    total = 0.0
    try:
        first = psutil.Process(pid)
        for one in [first, *first.children(recursive=True)]:
            total += one.memory_info().rss / 1e6
    except psutil.NoSuchProcess:
        pass
    return total


def machine() -> str:
    """Cores, memory and Python: what a number means nothing without."""
    memory = psutil.virtual_memory().total / 2**30
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {version}"


def keep(report: Report) -> None:
    RESULTS.mkdir(exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=2)
    (RESULTS / f"{report.name}.json").write_bytes(encoded + b"\n")


def kept() -> list[Report]:
    """The reports of all full runs so far, by name."""
    return [
        msgspec.json.decode(path.read_bytes(), type=Report)
        for path in sorted(RESULTS.glob("*.json"))
    ]


if __name__ == "__main__":
    sys.exit(main())
