"""The `usage` processor: transcripts to events, responses, summaries and daily contributions."""

import contextlib
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

import msgspec
from django.db import transaction

from accounts.errors import AgnesError
from telemetry.attribution import catalogue_version
from telemetry.events import USAGE_PROCESSOR_VERSION, SessionRows, derive
from telemetry.extracts import extract
from telemetry.models import PendingChange, Session
from telemetry.ownership import FamilyPlan, claim_identities, plan_family
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

MAX_TRIES = 5


class FamilyChanged(AgnesError):
    """Sessions that belong together kept changing while they were read."""

    code: ClassVar[str] = "family_changed"
    status: ClassVar[int] = 409


class FamilyJob(msgspec.Struct, frozen=True):
    """Sessions to read together, and the identity keys that count nothing in them."""

    jobs: list[Job]
    held: frozenset[int]


class UsageProcessor(Processor):
    """Counts a session alone where it shares nothing, else together with all it overlaps."""

    name: ClassVar[str] = "usage"
    version: ClassVar[int] = USAGE_PROCESSOR_VERSION

    def __init__(self) -> None:
        self._resolver: Resolver | None = None

    def begin(self) -> None:
        version = catalogue_version()
        if self._resolver is None or self._resolver.version != version:
            self._resolver = Resolver.load()

    def end(self) -> None:
        """What was stored while the catalogue changed has to be attributed once more."""
        if self._resolver is not None and self._resolver.version != catalogue_version():
            PendingChange.objects.create(consumer="attribution", kind="all")

    def read(self, job: Job) -> SessionRows:
        return derive([extract(job.sources(), job.session_id)])[0]

    def store(self, session: Session, found: SessionRows, *, claim: Claim, now: datetime) -> bool:
        with transaction.atomic():
            lock_person(session.user_id)
            claimed = claim_identities(session, found.keys)
            if not claimed.alone:
                return False
            pair = (session, found)
            replace_sessions([pair], resolver=self._catalogue(), now=now, new=claimed.new)
            claim.finish(self, session.content_hash, now=now)
        return True

    def settle(self, waiting: Waiting, *, read_all: ReadAll, now: datetime) -> None:
        claims = {session.pk: claim for claim, session in waiting}
        for _ in range(MAX_TRIES):
            plans = self._plans([session for claim, session in waiting if session.pk in claims])
            if not plans:
                return
            jobs = jobs_of([pk for plan in plans for pk, _ in plan.members])
            pairs = (
                (plan, FamilyJob([jobs[pk] for pk, _ in plan.members], plan.held | plan.frozen))
                for plan in plans
            )
            for plan, rows in read_all(pairs, read_family):
                mine = [claims[pk] for pk, _ in plan.members if pk in claims]
                done = self._try_store(plan, rows, mine, now=now)
                if done:
                    for claim in mine:
                        claims.pop(claim.session_pk)
        error = FamilyChanged("The sessions changed while they were read.", fix="It is retried.")
        for claim in claims.values():
            give_back(claim, error, now=now)

    def _plans(self, sessions: Iterable[Session]) -> list[FamilyPlan]:
        """One plan for each family that the sessions belong to."""
        plans: list[FamilyPlan] = []
        planned: set[int] = set()
        for session in sessions:
            if session.pk not in planned:
                plan = plan_family(session)
                planned.update(pk for pk, _ in plan.members)
                plans.append(plan)
        return plans

    def _try_store(
        self,
        plan: FamilyPlan,
        rows: list[SessionRows] | Exception,
        claims: list[Claim],
        *,
        now: datetime,
    ) -> bool:
        """Store a family; False when it changed since it was planned."""
        if isinstance(rows, FileNotFoundError):
            return False
        try:
            if isinstance(rows, Exception):
                raise rows
            return self._store_family(plan, rows, claims, now=now)
        except Exception as error:
            logger.exception("a family of %d sessions failed", len(plan.members))
            for claim in claims:
                give_back(claim, error, now=now)
            return True

    def _store_family(
        self, plan: FamilyPlan, rows: list[SessionRows], claims: list[Claim], *, now: datetime
    ) -> bool:
        members = Session.objects.select_related("user").in_bulk([pk for pk, _ in plan.members])
        if len(members) < len(plan.members):
            return False
        hashes = dict(plan.members)
        by_id = {session.session_id: session for session in members.values()}
        with transaction.atomic():
            lock_person(next(iter(by_id.values())).user_id)
            if plan_family(next(iter(by_id.values()))) != plan:
                return False
            replace_sessions(
                [(by_id[part.session_id], part) for part in rows],
                resolver=self._catalogue(),
                foreign=plan.held,
                now=now,
            )
            for claim in claims:
                with contextlib.suppress(ClaimLost):  # then its next worker stores the same
                    claim.finish(self, hashes[claim.session_pk], now=now)
        return True

    def _catalogue(self) -> Resolver:
        if self._resolver is None:
            self.begin()
        assert self._resolver is not None  # noqa: S101 - begin() sets it
        return self._resolver


def read_family(job: FamilyJob) -> list[SessionRows]:
    """The rows of sessions that share identities."""
    return derive([extract(one.sources(), one.session_id, job.held) for one in job.jobs], job.held)
