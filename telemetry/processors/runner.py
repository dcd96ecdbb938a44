"""Runs processors over the sessions that are due, until none is left or time is up."""

import gc
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import msgspec
from django.db import DatabaseError, connection, transaction

from telemetry.leases import utc_now
from telemetry.models import ProcessorState, Session
from telemetry.pool import Here, Pool, worker_pool
from telemetry.processors import PROCESSORS
from telemetry.processors.base import (
    Claim,
    ClaimLost,
    Job,
    Processor,
    TranscriptGone,
    Waiting,
    jobs_of,
)
from telemetry.processors.claims import claim_due, claim_session, give_back, make_due, skip

logger = logging.getLogger(__name__)

BATCH_SESSIONS = 1000
BATCH_BYTES = 512 * 1024 * 1024
"""One batch: what is claimed at once. Sessions that overlap are settled at its end."""

GROUP_SESSIONS = 64
GROUP_BYTES = 16 * 1024 * 1024
"""One commit: long enough to pay, short enough for an upload to wait for."""


class RunReport(msgspec.Struct):
    """What a run did. Counts are of sessions, once for each processor."""

    sessions: int = 0
    bytes: int = 0
    failed: int = 0
    quarantined: int = 0
    skipped: int = 0
    left: bool = False
    """Whether time was up before everything due was done."""


def run_until_idle(
    *,
    processors: Sequence[Processor] = PROCESSORS,
    processes: int = 1,
    seconds: float | None = None,
    now: Callable[[], datetime] = utc_now,
    progress: Callable[[RunReport], None] | None = None,
) -> RunReport:
    """Process all that is due now, one processor after the other.

    `processes` read transcripts side by side; this process stores, in the order in which they
    became due, so that between people the first copy holds. After `seconds` no further batch is
    begun. Safe to run any number of times, anywhere, at once.
    """
    report = RunReport()
    ends = None if seconds is None else time.monotonic() + seconds
    with worker_pool(processes) as pool:
        for processor in processors:
            make_due(processor, now=now())
            while not report.left:
                claims = claim_due(
                    processor, now=now(), most=BATCH_SESSIONS, most_bytes=BATCH_BYTES
                )
                if not claims:
                    break
                _Batch(processor, pool, now, report, progress).run(claims)
                report.left = ends is not None and time.monotonic() > ends
    return report


def process_session(processor: Processor, session: Session, *, now: datetime) -> None:
    """Process one session here and now, due or not. Raises TranscriptGone, or what went wrong."""
    job = jobs_of([session.pk])[session.pk]
    if not job.files:
        raise TranscriptGone(
            f"The transcript of {session.session_file} is not stored any more.",
            fix="Upload it again, or leave the session's figures as they are.",
        )
    processor.begin()
    claim = claim_session(processor, session, now=now)
    try:
        if not processor.store(session, processor.read(job), claim=claim, now=now):
            processor.settle([(claim, session)], read_all=Here().map, now=now)
    except Exception as error:
        give_back(claim, error, now=now)
        raise
    processor.end()


class _Found(NamedTuple):
    """What was read of a claimed session, or the exception that reading ended in."""

    claim: Claim
    session: Session
    found: Any
    size: int


class _Batch:
    """One batch of claimed sessions of one processor."""

    def __init__(
        self,
        processor: Processor,
        pool: Pool | Here,
        now: Callable[[], datetime],
        report: RunReport,
        progress: Callable[[RunReport], None] | None,
    ) -> None:
        self.processor = processor
        self.pool = pool
        self.now = now
        self.report = report
        self.progress = progress
        self.group: list[_Found] = []
        self.waiting: Waiting = []

    def run(self, claims: Sequence[Claim]) -> None:
        # Rows by the hundred thousand are made and let go, none of them in cycles: the collector
        # would only look through them again and again.
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._run(claims)
        finally:
            if collecting:
                gc.enable()

    def _run(self, claims: Sequence[Claim]) -> None:
        pks = [claim.session_pk for claim in claims]
        sessions = Session.objects.select_related("user").in_bulk(pks)
        jobs = jobs_of(pks)
        for (claim, job), found in self.pool.map(
            self._readable(claims, jobs), partial(read_job, self.processor.name)
        ):
            self._put(_Found(claim, sessions[claim.session_pk], found, job.size))
        self._flush()
        if self.waiting:
            self.processor.begin()
            for status in self.processor.settle(
                self.waiting, read_all=self.pool.map, now=self.now()
            ):
                self._count_failure(status)
        self.processor.end()

    def _readable(
        self, claims: Iterable[Claim], jobs: dict[int, Job]
    ) -> Iterable[tuple[tuple[Claim, Job], Job]]:
        for claim in claims:
            job = jobs.get(claim.session_pk)
            if job is None:
                continue  # erased since it was claimed
            if job.files:
                yield (claim, job), job
            else:
                skip(claim, job.content_hash, now=self.now())
                self.report.skipped += 1

    def _put(self, found: "_Found") -> None:
        self.group.append(found)
        if (
            connection.vendor != "sqlite"
            or len(self.group) >= GROUP_SESSIONS
            or sum(one.size for one in self.group) >= GROUP_BYTES
        ):
            self._flush()

    def _flush(self) -> None:
        """Store what was read. Several sessions share a commit on SQLite, which writes each page
        once for all of them; a session that fails takes none of the others with it."""
        group, self.group = self.group, []
        if group:
            noted = (len(self.waiting), msgspec.structs.replace(self.report))
            try:
                with transaction.atomic():
                    self.processor.begin()
                    for found in group:
                        self._store(found)
            except DatabaseError:
                logger.exception("a commit of %d sessions failed; storing each alone", len(group))
                del self.waiting[noted[0] :]
                self.report.failed, self.report.quarantined = noted[1].failed, noted[1].quarantined
                for found in group:
                    self._store(found)
        for found in group:
            self.report.sessions += 1
            self.report.bytes += found.size
        if group and self.progress is not None:
            self.progress(self.report)

    def _store(self, one: "_Found") -> None:
        found = one.found
        try:
            if isinstance(found, FileNotFoundError):
                found = read_job(self.processor.name, jobs_of([one.session.pk])[one.session.pk])
            if isinstance(found, Exception):
                raise found
            if not self.processor.store(one.session, found, claim=one.claim, now=self.now()):
                self.waiting.append((one.claim, one.session))
        except ClaimLost:
            logger.info("session %s was taken over by another worker", one.session.pk)
        except Exception as error:
            logger.exception("%s failed on session %s", self.processor.name, one.session.pk)
            self._count_failure(give_back(one.claim, error, now=self.now()))

    def _count_failure(self, status: ProcessorState.Status | None) -> None:
        self.report.failed += status == ProcessorState.Status.FAILED
        self.report.quarantined += status == ProcessorState.Status.QUARANTINED


def read_job(processor_name: str, job: Job) -> Any:
    """What a processor reads of a session; runs in pool processes."""
    from telemetry.processors import by_name

    return by_name(processor_name).read(job)
