"""The order in which one person's files are prepared."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from telemetry.erased_lines import WithoutErased
from telemetry.import_sources import Found, session_of
from telemetry.preparation import Content, Known

BATCH_FILES = 64
BATCH_BYTES = 8 * 1024**2


@dataclass
class Job:
    found: Found
    known: tuple[Known, ...] = ()
    tries: int = 0
    again: bool = False
    """Whether it is read only because its session went on."""
    erased: frozenset[str] = frozenset()
    """Session ids whose lines are left out."""

    @property
    def content(self) -> Content:
        assert self.found.content is not None  # noqa: S101
        if self.erased:
            return WithoutErased(self.found.content, self.found.name, self.erased)
        return self.found.content


@dataclass
class Queue:
    """Jobs of one name follow each other, since each changes what the next is compared with; those
    of one session go together, so that it can be read at once."""

    ready: deque[list[Job]] = field(default_factory=deque)
    waiting: dict[str, deque[Job]] = field(default_factory=dict)

    def fill(self, jobs: Iterable[Job]) -> None:
        by_name: dict[str, list[Job]] = defaultdict(list)
        for job in jobs:
            by_name[job.found.name].append(job)
        groups: dict[str, list[Job]] = defaultdict(list)
        for name, same in by_name.items():
            # The longest first: shorter copies are mostly its beginning and add nothing.
            first, *others = sorted(same, key=lambda job: -job.found.size)
            groups[session_of(first.found) or name].append(first)
            self.waiting[name] = deque(others)
        self.ready.extend(groups.values())

    def take(self) -> list[Job]:
        batch: list[Job] = []
        size = 0
        while self.ready and len(batch) < BATCH_FILES:
            size += sum(job.found.size for job in self.ready[0])
            if batch and size > BATCH_BYTES:
                break
            batch += self.ready.popleft()
        return batch

    def done(self, job: Job) -> None:
        if queue := self.waiting[job.found.name]:
            self.ready.append([queue.popleft()])

    def again(self, job: Job) -> None:
        job.tries += 1
        self.ready.append([job])
