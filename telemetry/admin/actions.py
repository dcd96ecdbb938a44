"""What an admin may set right from a list; each leaves its row in the audit trail."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import audit
from accounts.models import User
from telemetry.due_sessions import retry_failed
from telemetry.models import ProcessorState, Tombstone
from telemetry.tombstones import lift_standing


@transaction.atomic
def try_again(
    states: QuerySet[ProcessorState],
    *,
    by: User,
    now: datetime,
    request: HttpRequest | None = None,
) -> int:
    """Make the failed and quarantined ones among these due now; returns how many.

    One that is being tried right now is left to whoever tries it.
    """
    due = retry_failed(states, now=now)
    audit.record(
        action="usage.process",
        door=audit.Door.PAGE,
        actor=by,
        details={"retried": due},
        request=request,
    )
    return due


@transaction.atomic
def lift_tombstones(
    tombstones: QuerySet[Tombstone],
    *,
    by: User,
    now: datetime,
    request: HttpRequest | None = None,
) -> int:
    """Let uploads of what was erased in again; returns how many tombstones stood."""
    standing = lift_standing(tombstones, now=now)
    for tombstone in standing:
        audit.record(
            action="usage.erase",
            door=audit.Door.PAGE,
            actor=by,
            resource_type="tombstone",
            resource_id=tombstone.digest,
            details={"lifted": 1},
            request=request,
        )
    return len(standing)
