"""Many files in at once: skip what did not change, prepare in other processes, store in batches.

An import that breaks off anywhere is finished by running it again: a file counts as seen only in
the transaction that stored it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from accounts.models import User
from telemetry import transcript_store
from telemetry.import_ledger import Ledger
from telemetry.import_queue import Job, Queue
from telemetry.import_sources import Found
from telemetry.incomplete_sessions import files_wanted_again
from telemetry.preparation import ContentChanged, Prepared
from telemetry.preparers import UNREADABLE, Done, Preparers, Task, why_unreadable
from telemetry.readahead import SessionRead
from telemetry.refusals import PartlyErased, TranscriptRefused
from telemetry.revisions import Accepted, Item, Status, known_revisions

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


StoreSessions = Callable[[User, Sequence[SessionRead]], None]
"""Takes what was read of sessions whose files were just stored."""


def import_files(
    people: Iterable[tuple[User, Iterable[Found]]],
    *,
    tell: Callable[[User, FileReport], None],
    now: Callable[[], datetime],
    preparers: Preparers,
    verify: bool = False,
    store_sessions: StoreSessions | None = None,
    stored: Callable[[], None] = lambda: None,
) -> None:
    """Store each person's files as theirs and tell about each, one person after the other.

    With `verify` every file is read again. With `store_sessions`, new sessions are read while
    their files are prepared, and handed over once these are stored; each of them is due all the
    same, and is left so by whoever likes. `stored` is called after each person. Raises
    BrokenProcessPool when a process that prepares files is killed; what was told is stored.
    """
    imports = _Imports(preparers, store_sessions)
    begun = (_begin(imports, user, files, tell, now(), verify=verify) for user, files in people)
    imports.run(begun, stored)


def _begin(
    imports: "_Imports",
    user: User,
    files: Iterable[Found],
    tell: Callable[[User, FileReport], None],
    now: datetime,
    *,
    verify: bool,
) -> "_Import":
    """One person's files, those set aside that need no reading."""
    one = _Import(imports, user, Ledger(user, now=now), tell, now)
    jobs = []
    for found in files:
        report = _without_reading(found, one.ledger, trust=not (verify or user.telemetry_opt_out))
        if report is None:
            jobs.append(Job(found))
        elif one.ledger.is_removed(found):
            one.removed.append((found, report))
        else:
            one.known.append(report)
    one.fill(jobs)
    return one


def _without_reading(found: Found, ledger: Ledger, *, trust: bool) -> FileReport | None:
    if found.refused:
        return FileReport(found.path, "refused", found.refused)
    verdict = ledger.verdict(found) if trust else None
    if verdict is None:
        return None
    status, _, reason = verdict.partition(": ")
    return FileReport(found.path, status, reason, found.name, found.size)


class _Imports:
    """The people whose files are on their way: stored in order, while the next ones' files are
    prepared already."""

    def __init__(self, preparers: Preparers, store_sessions: StoreSessions | None) -> None:
        self.preparers = preparers
        self.store_sessions = store_sessions
        self.people: Iterator[_Import] = iter(())
        self.open: deque[_Import] = deque()

    def run(self, people: Iterator["_Import"], stored: Callable[[], None]) -> None:
        self.people = people
        try:
            while self.open or self._open_next():
                self.open[0].run()
                self.open.popleft()
                stored()
        finally:
            for one in self.open:
                for future in one.running:
                    future.cancel()

    def feed(self) -> None:
        """Keep the preparers busy: with the first person's files, then with those that follow."""
        # Bounds what is under way, and with it the memory.
        free = self.preparers.processes * 2 + 1 - sum(len(one.running) for one in self.open)
        at = 0
        while at < len(self.open) or (free > 0 and self._open_next()):
            one = self.open[at]
            while one.queue.ready and (free > 0 or not (at or one.running)):
                one.submit()
                free -= 1
            at += 1

    def begin_again(self) -> None:
        """Go on with new processes after one was killed, perhaps by a transcript that nobody can
        read: storing it needs no reading."""
        self.store_sessions = None
        self.preparers.start_again()
        for one in self.open:
            begun = [job for jobs in one.running.values() for job in jobs]
            one.running.clear()
            one.queue.ready.extendleft([job] for job in reversed(begun))

    def _open_next(self) -> bool:
        one = next(self.people, None)
        if one is not None:
            self.open.append(one)
        return one is not None


class _Import:
    """One person's files on their way through preparation and storage."""

    def __init__(
        self,
        imports: _Imports,
        user: User,
        ledger: Ledger,
        tell: Callable[[User, FileReport], None],
        now: datetime,
    ) -> None:
        self.imports = imports
        self.user = user
        self.ledger = ledger
        self.tell = partial(tell, user)
        self.now = now
        self.queue = Queue()
        self.running: dict[Future[Done], list[Job]] = {}
        self.known: list[FileReport] = []
        """What is said of files that are not read."""
        self.removed: list[tuple[Found, FileReport]] = []
        """Files known by hash only, and what to say of each when their sessions did not go on."""

    def fill(self, jobs: list[Job]) -> None:
        self.imports.preparers.expect(sum(job.found.size for job in jobs))
        self.queue.fill(jobs)

    def run(self) -> None:
        for report in self.known:
            self.tell(report)
        self._work()
        self.restore()

    def restore(self) -> None:
        """Store again what retention removed of sessions that other files have shown to go on."""
        while jobs := self._wanted():
            self.fill(jobs)
            self._work()
        for _, report in self.removed:
            self.tell(report)

    def _wanted(self) -> list[Job]:
        """For each name that is wanted the longest file, taken out of `removed`."""
        wanted = files_wanted_again(self.user.pk, {found.name for found, _ in self.removed})
        longest: dict[str, Found] = {}
        for found, _ in self.removed:
            before = longest.get(found.name)
            if found.name in wanted and (before is None or found.size > before.size):
                longest[found.name] = found
        self.removed = [one for one in self.removed if one[0] is not longest.get(one[0].name)]
        return [Job(found, again=True) for found in longest.values()]

    def _work(self) -> None:
        while self.queue.ready or self.running:
            self.imports.feed()
            done, _ = wait(self.running, return_when=FIRST_COMPLETED)
            for future in done:
                self._finish(future)

    def submit(self) -> None:
        """Hand over the next batch."""
        jobs = self.queue.take()
        known = known_revisions(self.user.pk, [job.found.name for job in jobs])
        for job in jobs:
            job.known = known[job.found.name]
        tasks = [Task(job.content, job.found.name, job.known, self._is_read(job)) for job in jobs]
        self.running[self.imports.preparers.submit(tasks)] = jobs

    def _is_read(self, job: Job) -> bool:
        """Whether its session can be read with it."""
        fresh = not (job.known or job.tries or job.again)
        return self.imports.store_sessions is not None and fresh

    def _finish(self, future: "Future[Done]") -> None:
        if future not in self.running:
            return  # begun anew
        broken = isinstance(future.exception(), BrokenProcessPool)
        if broken and self.imports.store_sessions is not None:
            self.imports.begin_again()
            return
        self._store(self.running.pop(future), future.result())

    def _store(self, jobs: list[Job], done: Done) -> None:
        reports: list[FileReport] = []
        items: list[tuple[Job, Item]] = []
        for job, result in zip(jobs, done.prepared, strict=True):
            item = self._item(job, result)
            if isinstance(item, Item):
                items.append((job, item))
            else:
                reports.append(FileReport(job.found.path, "refused", item))
                self.queue.done(job)
        reports.extend(self._keep(items))
        if self.imports.store_sessions is not None and done.sessions:
            self.imports.store_sessions(self.user, done.sessions)
        for report in sorted(reports, key=lambda report: report.path):
            self.tell(report)

    def _item(self, job: Job, result: Prepared | str) -> Item | str:
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

    def _keep(self, entries: list[tuple[Job, Item]]) -> Iterator[FileReport]:
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


def _report(job: Job, item: Item, outcome: transcript_store.Outcome) -> FileReport:
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
