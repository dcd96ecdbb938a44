"""Runs processors over the sessions that are due, until none is left or time is up."""

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial

from telemetry.leases import utc_now
from telemetry.models import Session
from telemetry.pool import Here, Pool, worker_pool
from telemetry.processors import PROCESSORS
from telemetry.processors.base import (
    Claim,
    Job,
    Processor,
    TranscriptGone,
    jobs_of,
    read_job,
)
from telemetry.processors.claims import claim_due, claim_session, give_back, make_due, skip
from telemetry.processors.storing import Found, RunReport, Storing

BATCH_SESSIONS = 1000
BATCH_BYTES = 512 * 1024 * 1024
"""One batch: what is claimed at once. Sessions that overlap are settled at its end."""


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
        self.storing = Storing(processor, now, report, progress)

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
            self.storing.put(Found(claim, sessions[claim.session_pk], found, job.size))
        self.storing.flush()
        if self.storing.waiting:
            self.processor.begin()
            for status in self.processor.settle(
                self.storing.waiting, read_all=self.pool.map, now=self.now()
            ):
                self.storing.count_failure(status)
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
