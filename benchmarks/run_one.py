"""One benchmark in this process: `python -m benchmarks.run_one NAME SIZE`, a JSON report out.

Started by the harness, which gives it a data folder of its own.
"""

import importlib
import sys

import msgspec

from benchmarks.measures import Report, peak_mb, timed


def main() -> None:
    name, size = sys.argv[1:]
    module = importlib.import_module(f"benchmarks.bench_{name}")
    with timed() as clock:
        measures = module.run(size)
    report = Report(name, size, measures, peak_mb=peak_mb(), seconds=clock.seconds)
    print(msgspec.json.encode(report).decode())


if __name__ == "__main__":
    main()
