"""Sessions that share identities, read and stored together at the end of a batch."""

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

import msgspec
import zstandard
from django.db import transaction

from accounts.errors import AgnesError
from telemetry.events import SessionRows, derive
from telemetry.extracts import extract
from telemetry.models import ProcessorState, Session
from telemetry.ownership import FamilyPlan, plan_family
from telemetry.processors.base import (
    Claim,
    ClaimLost,
    Job,
    Processor,
    ReadAll,
    Waiting,
    jobs_of,
)
from telemetry.processors.claims import give_back
from telemetry.resolver import Resolver
from telemetry.revisions import lock_person
from telemetry.store import replace_sessions

logger = logging.getLogger(__name__)

MAX_ROUNDS = 5
MAX_READS = 2
"""A file may have been rewritten while it was read; a second time its bytes are not there."""


class FamilyChanged(AgnesError):
    """Sessions that belong together kept changing while they were read."""

    code: ClassVar[str] = "family_changed"
    status: ClassVar[int] = 409


class MemberUnreadable(Exception):
    """A session of a family could not be read: its primary key, and why."""

    def __init__(self, session_pk: int, reason: str) -> None:
        super().__init__(session_pk, reason)
        self.session_pk = session_pk
        self.reason = reason

    def __str__(self) -> str:
        return f"The stored transcript cannot be read: {self.reason}"


class FamilyJob(msgspec.Struct, frozen=True):
    """Sessions to read together, and the identity keys that count nothing in them."""

    jobs: list[Job]
    held: frozenset[int]


def read_family(job: FamilyJob) -> list[SessionRows]:
    """The rows of sessions that share identities. Raises MemberUnreadable."""
    extracts = []
    for one in job.jobs:
        try:
            extracts.append(extract(one.sources(), one.session_id, job.held))
        except (OSError, zstandard.ZstdError) as error:
            raise MemberUnreadable(one.session_pk, str(error)) from error
    return derive(extracts, job.held)


class Settlement:
    """Claimed sessions that overlap others, until each of them is stored or has failed."""

    def __init__(
        self, processor: Processor, waiting: Waiting, resolver: Resolver, now: datetime
    ) -> None:
        self.processor = processor
        self.claims = {session.pk: claim for claim, session in waiting}
        self.sessions = [session for _, session in waiting]
        self.resolver = resolver
        self.now = now
        self.failed_reads: Counter[int] = Counter()
        self.failures: list[ProcessorState.Status] = []

    def settle(self, read_all: ReadAll) -> list[ProcessorState.Status]:
        """Store every family; what became of the sessions that failed."""
        for _ in range(MAX_ROUNDS):
            if not self.claims:
                break
            for plan, rows in read_all(self._jobs(), read_family):
                if isinstance(rows, MemberUnreadable):
                    self._note_unreadable(rows)
                else:
                    self._try_store(plan, rows)
        error = FamilyChanged("The sessions changed while they were read.", fix="It is retried.")
        for pk in list(self.claims):
            self._fail(pk, error)
        return self.failures

    @property
    def _unreadable(self) -> frozenset[int]:
        return frozenset(pk for pk, times in self.failed_reads.items() if times >= MAX_READS)

    def _jobs(self) -> Iterator[tuple[FamilyPlan, FamilyJob]]:
        """What there is to read of each family that claimed sessions belong to."""
        planned: set[int] = set()
        for session in self.sessions:
            if session.pk in planned or session.pk not in self.claims:
                continue
            plan = plan_family(session, self._unreadable)
            pks = [pk for pk, _ in plan.members]
            planned.update(pks)
            jobs = jobs_of(pks)
            if pks and len(jobs) == len(pks):
                yield plan, FamilyJob([jobs[pk] for pk in pks], plan.held | plan.frozen)

    def _note_unreadable(self, error: MemberUnreadable) -> None:
        self.failed_reads[error.session_pk] += 1
        if self.failed_reads[error.session_pk] >= MAX_READS:
            logger.error("session %s: %s", error.session_pk, error)
            self._fail(error.session_pk, error)

    def _try_store(self, plan: FamilyPlan, rows: list[SessionRows] | Exception) -> None:
        mine = [pk for pk, _ in plan.members if pk in self.claims]
        try:
            if isinstance(rows, Exception):
                raise rows
            stored = self._store(plan, rows, [self.claims[pk] for pk in mine])
        except Exception as error:
            logger.exception("a family of %d sessions failed", len(plan.members))
            for pk in mine:
                self._fail(pk, error)
        else:
            for pk in mine if stored else []:
                del self.claims[pk]

    def _store(self, plan: FamilyPlan, rows: list[SessionRows], claims: list[Claim]) -> bool:
        """Store a family; False when it changed since it was planned."""
        members = Session.objects.select_related("user").in_bulk([pk for pk, _ in plan.members])
        if len(members) < len(plan.members):
            return False
        hashes = dict(plan.members)
        by_id = {session.session_id: session for session in members.values()}
        any_member = next(iter(members.values()))
        with transaction.atomic():
            lock_person(any_member.user_id)
            if plan_family(any_member, self._unreadable) != plan:
                return False
            replace_sessions(
                [(by_id[part.session_id], part) for part in rows],
                resolver=self.resolver,
                foreign=plan.held,
                now=self.now,
            )
            for claim in claims:
                with contextlib.suppress(ClaimLost):  # then its next worker stores the same
                    claim.finish(self.processor, hashes[claim.session_pk], now=self.now)
        return True

    def _fail(self, session_pk: int, error: Exception) -> None:
        claim = self.claims.pop(session_pk, None)
        status = give_back(claim, error, now=self.now) if claim is not None else None
        if status is not None:
            self.failures.append(status)
