"""Storing what was read of claimed sessions: several of them in a commit, each in its savepoint."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.db import DatabaseError, connection, transaction

from telemetry.models import ProcessorState, Session
from telemetry.processors.base import Claim, ClaimLost, Processor, Waiting, jobs_of, read_job
from telemetry.processors.claims import give_back

logger = logging.getLogger(__name__)

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


class Found(NamedTuple):
    """What was read of a claimed session, or the exception that reading ended in."""

    claim: Claim
    session: Session
    found: Any
    size: int


class Storing:
    """Stores one session after the other. `waiting` are those that wait for `Processor.settle`."""

    def __init__(
        self,
        processor: Processor,
        now: Callable[[], datetime],
        report: RunReport,
        progress: Callable[[RunReport], None] | None = None,
    ) -> None:
        self.processor = processor
        self.now = now
        self.report = report
        self.progress = progress
        self.group: list[Found] = []
        self.waiting: Waiting = []

    def put(self, found: Found) -> None:
        self.group.append(found)
        if (
            connection.vendor != "sqlite"
            or len(self.group) >= GROUP_SESSIONS
            or sum(one.size for one in self.group) >= GROUP_BYTES
        ):
            self.flush()

    def flush(self) -> None:
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

    def _store(self, one: Found) -> None:
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
            self.count_failure(give_back(one.claim, error, now=self.now()))

    def count_failure(self, status: ProcessorState.Status | None) -> None:
        self.report.failed += status == ProcessorState.Status.FAILED
        self.report.quarantined += status == ProcessorState.Status.QUARANTINED
