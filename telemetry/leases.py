"""The right to do one job alone, over all processes and machines that share the database.

A lease is a row. It is taken by one compare-and-set UPDATE that only an expired row lets through
and that raises the row's token: the fence. Whoever commits work done under a lease calls
`Held.check` in that transaction, so a holder that slept past its end cannot commit over its
successor. A holder that died gives the lease back by the clock, and at once to others on its host.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, TypeVar

from django.db import connection, transaction
from django.db.models import F

from accounts.errors import AgnesError
from telemetry.claimants import is_gone, this_claimant
from telemetry.models import Lease

PATIENCE = 10.0
"""Seconds to wait for another process that brings rollups or mirror up to date."""

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
Result = TypeVar("Result")


class LeaseTaken(AgnesError):
    """Somebody else does this job right now."""

    code: ClassVar[str] = "lease_taken"
    status: ClassVar[int] = 409


class LeaseLost(AgnesError):
    """The lease ran out meanwhile and another holder has it, or may."""

    code: ClassVar[str] = "lease_lost"
    status: ClassVar[int] = 409


def utc_now() -> datetime:
    return datetime.now(UTC)


def this_process() -> str:
    """An owner that tells people where the job runs, and is nobody else's."""
    return f"{this_claimant()}:{secrets.token_hex(4)}"


@dataclass
class Held:
    """A lease that was taken. `token` is the fence; times come from `now`."""

    name: str
    owner: str
    token: int
    ttl: timedelta
    now: Callable[[], datetime] = field(default=utc_now, repr=False)

    def renew(self) -> None:
        """Hold it for another `ttl` from now. Raises LeaseLost when another holder has it.

        A lease that ran out but that nobody took is held again.
        """
        mine = Lease.objects.filter(name=self.name, token=self.token, owner=self.owner)
        if not mine.update(expires_at=self.now() + self.ttl):
            raise self._lost()

    def check(self) -> None:
        """To be called in the transaction that commits the work. Raises LeaseLost when it is not
        this holder's any more; until the transaction ends nobody else can take it."""
        if not connection.in_atomic_block:
            raise transaction.TransactionManagementError(
                "Held.check outside a transaction proves nothing: call it inside atomic()."
            )
        rows = Lease.objects.filter(name=self.name, token=self.token, owner=self.owner)
        if not rows.select_for_update().values_list("pk", flat=True).first():
            raise self._lost()

    def release(self) -> None:
        """Let others have it at once; nothing when it is not held any more."""
        mine = Lease.objects.filter(name=self.name, token=self.token, owner=self.owner)
        mine.update(expires_at=self.now(), owner="")

    def _lost(self) -> LeaseLost:
        return LeaseLost(
            f"The lease {self.name!r} (token {self.token}) has another holder.",
            fix="Nothing is lost: the other holder does the work. Should this recur, the job takes "
            "longer than its lease; look at the job's log.",
        )


def take(
    name: str,
    *,
    ttl: timedelta,
    owner: str | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Held | None:
    """The lease for `ttl`, or None while somebody else holds it."""
    held = Held(name, owner or this_process(), 0, ttl, now)
    if not Lease.objects.filter(name=name).exists():
        # An expired row to begin with, so that one UPDATE decides among all who come first.
        Lease.objects.bulk_create([Lease(name=name, expires_at=LONG_AGO)], ignore_conflicts=True)
    _free_from_dead(name, now())
    with transaction.atomic():
        moment = now()
        taken = Lease.objects.filter(name=name, expires_at__lte=moment).update(
            owner=held.owner, token=F("token") + 1, acquired_at=moment, expires_at=moment + ttl
        )
        if not taken:
            return None
        held.token = Lease.objects.values_list("token", flat=True).get(name=name)
    return held


def _free_from_dead(name: str, moment: datetime) -> None:
    """Let a lease run out whose holder on this host has ended; its token tells it was not renewed
    by anybody else."""
    row = Lease.objects.filter(name=name, expires_at__gt=moment).exclude(owner="").first()
    if row is not None and is_gone(row.owner.rpartition(":")[0]):
        Lease.objects.filter(name=name, token=row.token).update(expires_at=moment, owner="")


@contextmanager
def lease(
    name: str,
    *,
    ttl: timedelta,
    owner: str | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Iterator[Held]:
    """`with lease("mirror", ttl=timedelta(minutes=2)) as held:`; given back at the end.

    Raises LeaseTaken when somebody else holds it; `take` returns None instead. Call `held.renew()`
    well within `ttl`, and `held.check()` in each transaction that commits the work.
    """
    held = take(name, ttl=ttl, owner=owner, now=now)
    if held is None:
        raise LeaseTaken(
            f"Another process holds the lease {name!r}.",
            fix="Wait until it is done, or until its lease runs out.",
        )
    try:
        yield held
    finally:
        held.release()


def patiently(work: Callable[[], Result], busy: type[Exception] = LeaseTaken) -> Result:
    """Do the work when whoever is at it has ended; raises `busy` when that takes too long."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return work()
        except busy:
            if time.monotonic() >= ends:
                raise
        time.sleep(0.2)
