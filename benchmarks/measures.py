"""What a benchmark gives back: measures, each beside its floor and the reach wanted of it."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import msgspec

Better = Literal["more", "less", ""]


class Measure(msgspec.Struct, frozen=True):
    """One number. `reach` is what is wanted of it in the full size; `floors` are what the same
    work costs at the least, or yields at the most, measured in the same run."""

    name: str
    value: float
    unit: str
    better: Better = ""
    reach: float | None = None
    floors: dict[str, float] = {}
    note: str = ""

    @property
    def verdict(self) -> str:
        """`yes` or `no` where something is wanted, else nothing."""
        if self.reach is None or not self.better:
            return ""
        reached = self.value >= self.reach if self.better == "more" else self.value <= self.reach
        return "yes" if reached else "no"


class Report(msgspec.Struct, frozen=True):
    """What one benchmark measured. `peak_mb`: resident memory of its largest process;
    `tree_peak_mb`: of all its processes together, sampled."""

    name: str
    size: str
    measures: list[Measure]
    peak_mb: float = 0.0
    tree_peak_mb: float = 0.0
    seconds: float = 0.0
    machine: str = ""


@dataclass
class Clock:
    """The seconds that a `timed()` block took, once it is left."""

    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Clock]:
    clock = Clock()
    start = time.perf_counter()
    yield clock
    clock.seconds = time.perf_counter() - start


def peak_mb() -> float:
    """Peak resident memory of this process or of the largest of its ended children, in MB."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    kilobytes = max(resource.getrusage(kind).ru_maxrss for kind in kinds)
    return kilobytes * 1024 / 1e6
