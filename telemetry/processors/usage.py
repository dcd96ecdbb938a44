"""The `usage` processor: transcripts to events, responses, summaries and daily contributions."""

from datetime import datetime
from typing import ClassVar

from django.db import connection, transaction

from telemetry.attribution import catalogue_version
from telemetry.events import USAGE_PROCESSOR_VERSION, SessionRows, derive
from telemetry.extracts import extract
from telemetry.models import PendingChange, ProcessorState, Session
from telemetry.ownership import claim_identities
from telemetry.processors.base import (
    Claim,
    Job,
    Processor,
    ReadAll,
    Waiting,
)
from telemetry.processors.settlement import Settlement
from telemetry.resolver import Resolver
from telemetry.revisions import lock_person
from telemetry.store import replace_sessions


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
            if connection.vendor != "sqlite":  # where every writing transaction is alone already
                lock_person(session.user_id)
            claimed = claim_identities(session, found.keys)
            if not claimed.alone:
                return False
            pair = (session, found)
            replace_sessions([pair], resolver=self._catalogue(), now=now, new=claimed.new)
            claim.finish(self, session.content_hash, now=now)
        return True

    def settle(
        self, waiting: Waiting, *, read_all: ReadAll, now: datetime
    ) -> list[ProcessorState.Status]:
        return Settlement(self, waiting, self._catalogue(), now).settle(read_all)

    def _catalogue(self) -> Resolver:
        if self._resolver is None:
            self.begin()
        assert self._resolver is not None  # noqa: S101 - begin() sets it
        return self._resolver
