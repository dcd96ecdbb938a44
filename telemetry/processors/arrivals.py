"""Sessions that were read while their files were stored: kept without reading them again."""

from collections.abc import Callable, Sequence
from datetime import datetime

from accounts.models import User
from telemetry.leases import utc_now
from telemetry.models import ProcessorState
from telemetry.processors import by_name
from telemetry.processors.claims import claim_read, put_back
from telemetry.processors.storing import Found, RunReport, Storing
from telemetry.readahead import SessionRead

PROCESSOR = "usage"


class Arrivals:
    """Stores what was read of sessions; what cannot be stored stays due.

    Left are sessions that hold something else by now, that overlap others, or that came after
    another person's which still wait.
    """

    def __init__(self, *, now: Callable[[], datetime] = utc_now) -> None:
        self.processor = by_name(PROCESSOR)
        self.now = now
        self.report = RunReport()
        self.registered: set[int] = set()
        """Sessions that overlap others: what they hold is settled between people."""

    def store(self, user: User, sessions: Sequence[SessionRead]) -> None:
        """Store what was read of this person's sessions."""
        reads = {one.session_id: one for one in sessions}
        hashes = {session_id: one.content_hash for session_id, one in reads.items()}
        claims = claim_read(
            self.processor, user, hashes, registered=self.registered, now=self.now()
        )
        storing = Storing(self.processor, self.now, self.report)
        for session_id, (claim, session) in claims.items():
            storing.put(Found(claim, session, reads[session_id].rows, session.size))
        storing.flush()
        put_back([claim for claim, _ in storing.waiting], now=self.now())
        self.registered |= {session.pk for _, session in storing.waiting}
        self.report.sessions -= len(storing.waiting)

    def leave_others(self) -> bool:
        """Whether something is due that has to be settled before another person's files come."""
        due = ProcessorState.objects.filter(processor=PROCESSOR, due_at__lte=self.now())
        return due.exclude(session__in=self.registered).exists()
