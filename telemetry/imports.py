"""Many files in at once: skip what did not change, prepare in other processes, store in batches.

An import that breaks off anywhere is finished by running it again: a file counts as seen only in
the transaction that stored it.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import datetime

from accounts.models import User
from telemetry import transcript_store
from telemetry.erased_lines import WithoutErased
from telemetry.import_ledger import Ledger
from telemetry.import_sources import Found
from telemetry.incomplete_sessions import files_wanted_again
from telemetry.preparation import Content, ContentChanged, Known, Prepared
from telemetry.preparers import UNREADABLE, Preparers, why_unreadable
from telemetry.refusals import PartlyErased, TranscriptRefused
from telemetry.revisions import Accepted, Item, Status, known_revisions

BATCH_FILES = 64
BATCH_BYTES = 8 * 1024**2
MOST_TRIES = 5


@dataclass(frozen=True)
class FileReport:
    """What the import did with one file. `status` is new, grown, unchanged, older copy, revised,
    restored, refused or nothing to count; `reason` says why for the last two, and for the others
    what was left out."""

    path: str
    status: str
    reason: str = ""
    name: str = ""
    size: int = 0
    lines: int = 0
    bad_lines: int = 0

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}" if self.reason else self.status


@dataclass
class _Job:
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
class _Queue:
    """Jobs of one name follow each other, since each changes what the next is compared with."""

    ready: deque[_Job] = field(default_factory=deque)
    waiting: dict[str, deque[_Job]] = field(default_factory=dict)

    def fill(self, jobs: Iterable[_Job]) -> None:
        by_name: dict[str, list[_Job]] = defaultdict(list)
        for job in jobs:
            by_name[job.found.name].append(job)
        for name, same in by_name.items():
            # Shorter copies first: each longer one then only adds its tail.
            first, *others = sorted(same, key=lambda job: job.found.size)
            self.ready.append(first)
            self.waiting[name] = deque(others)

    def take(self) -> list[_Job]:
        batch: list[_Job] = []
        size = 0
        while self.ready and len(batch) < BATCH_FILES:
            size += self.ready[0].found.size
            if batch and size > BATCH_BYTES:
                break
            batch.append(self.ready.popleft())
        return batch

    def done(self, job: _Job) -> None:
        if queue := self.waiting[job.found.name]:
            self.ready.append(queue.popleft())

    def again(self, job: _Job) -> None:
        job.tries += 1
        self.ready.append(job)


def import_files(
    *,
    user: User,
    files: Iterable[Found],
    tell: Callable[[FileReport], None],
    now: datetime,
    preparers: Preparers,
    verify: bool = False,
) -> None:
    """Store files as this person's and tell about each. With `verify` every file is read again.

    Raises BrokenProcessPool when a process that prepares files is killed; what was told is stored.
    """
    ledger = Ledger(user, now=now)
    running = _Import(user, ledger, preparers, tell, now)
    jobs = []
    for found in files:
        report = _without_reading(found, ledger, trust=not (verify or user.telemetry_opt_out))
        if report is None:
            jobs.append(_Job(found))
        elif ledger.is_removed(found):
            running.removed.append((found, report))
        else:
            tell(report)
    running.run(jobs)
    running.restore()


def _without_reading(found: Found, ledger: Ledger, *, trust: bool) -> FileReport | None:
    if found.refused:
        return FileReport(found.path, "refused", found.refused)
    verdict = ledger.verdict(found) if trust else None
    if verdict is None:
        return None
    status, _, reason = verdict.partition(": ")
    return FileReport(found.path, status, reason, found.name, found.size)


class _Import:
    """One person's files on their way through preparation and storage."""

    def __init__(
        self,
        user: User,
        ledger: Ledger,
        preparers: Preparers,
        tell: Callable[[FileReport], None],
        now: datetime,
    ) -> None:
        self.user = user
        self.ledger = ledger
        self.preparers = preparers
        self.tell = tell
        self.now = now
        self.queue = _Queue()
        self.running: dict[Future[list[Prepared | str]], list[_Job]] = {}
        self.removed: list[tuple[Found, FileReport]] = []
        """Files known by hash only, and what to say of each when their sessions did not go on."""

    def restore(self) -> None:
        """Store again what retention removed of sessions that other files have shown to go on."""
        while jobs := self._wanted():
            self.run(jobs)
        for _, report in self.removed:
            self.tell(report)

    def _wanted(self) -> list[_Job]:
        """For each name that is wanted the longest file, taken out of `removed`."""
        wanted = files_wanted_again(self.user.pk, {found.name for found, _ in self.removed})
        longest: dict[str, Found] = {}
        for found, _ in self.removed:
            before = longest.get(found.name)
            if found.name in wanted and (before is None or found.size > before.size):
                longest[found.name] = found
        self.removed = [one for one in self.removed if one[0] is not longest.get(one[0].name)]
        return [_Job(found, again=True) for found in longest.values()]

    def run(self, jobs: list[_Job]) -> None:
        self.preparers.expect(sum(job.found.size for job in jobs))
        self.queue.fill(jobs)
        # Bounds what is under way, and with it the memory.
        most = self.preparers.processes * 2 + 1
        try:
            while self.queue.ready or self.running:
                while self.queue.ready and len(self.running) < most:
                    self._submit(self.queue.take())
                done, _ = wait(self.running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._store(self.running.pop(future), future.result())
        finally:
            for future in self.running:
                future.cancel()

    def _submit(self, jobs: list[_Job]) -> None:
        known = known_revisions(self.user.pk, [job.found.name for job in jobs])
        for job in jobs:
            job.known = known[job.found.name]
        tasks = [(job.content, job.found.name, job.known) for job in jobs]
        self.running[self.preparers.submit(tasks)] = jobs

    def _store(self, jobs: list[_Job], results: Sequence[Prepared | str]) -> None:
        reports: list[FileReport] = []
        items: list[tuple[_Job, Item]] = []
        for job, result in zip(jobs, results, strict=True):
            item = self._item(job, result)
            if isinstance(item, Item):
                items.append((job, item))
            else:
                reports.append(FileReport(job.found.path, "refused", item))
                self.queue.done(job)
        reports.extend(self._keep(items))
        for report in sorted(reports, key=lambda report: report.path):
            self.tell(report)

    def _item(self, job: _Job, result: Prepared | str) -> Item | str:
        """The file ready for storing, or why it cannot be read."""
        if isinstance(result, str):
            return result
        if not result.undecided:
            return Item(job.found.name, result, job.known)
        try:
            return transcript_store.decided(
                self.user.pk, Item(job.found.name, result, job.known), job.content
            )
        except (ContentChanged, *UNREADABLE) as error:
            return why_unreadable(error)

    def _keep(self, entries: list[tuple[_Job, Item]]) -> Iterator[FileReport]:
        def note(outcomes: Sequence[transcript_store.Outcome]) -> None:
            self.ledger.note(
                [
                    (job.found, outcome)
                    for (job, _), outcome in zip(entries, outcomes, strict=True)
                    # What is stored without some lines is not done: a tombstone may be lifted.
                    if outcome is not None and not job.erased
                ]
            )

        outcomes = transcript_store.keep(
            user=self.user, items=[item for _, item in entries], now=self.now, also=note
        )
        for (job, item), outcome in zip(entries, outcomes, strict=True):
            if isinstance(outcome, PartlyErased):
                job.erased |= outcome.session_ids
            if (outcome is None or isinstance(outcome, PartlyErased)) and job.tries < MOST_TRIES:
                self.queue.again(job)
                continue
            self.queue.done(job)
            report = _report(job, item, outcome)
            if isinstance(outcome, Accepted) and item.is_known_by_hash_only and not job.again:
                self.removed.append((job.found, report))
            else:
                yield report


def _report(job: _Job, item: Item, outcome: transcript_store.Outcome) -> FileReport:
    found, survey = job.found, item.prepared.survey
    status, _, reason = _word(outcome).partition(": ")
    if isinstance(outcome, Accepted) and job.erased:
        sessions = "session" if len(job.erased) == 1 else "sessions"
        reason = f"without the lines of {len(job.erased)} erased {sessions}"
    return FileReport(
        found.path,
        status,
        reason,
        found.name,
        item.prepared.size,
        survey.lines,
        survey.bad_lines,
    )


def _word(outcome: transcript_store.Outcome) -> str:
    if isinstance(outcome, Accepted):
        return "older copy" if outcome.status == Status.OLDER else str(outcome.status)
    if isinstance(outcome, TranscriptRefused):
        return outcome.word
    return "refused: another process keeps changing it; run the import again"
