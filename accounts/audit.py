"""The only writer of the audit trail."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import AuditEvent, User

SYSTEM = "system"
Door = AuditEvent.Door
Result = AuditEvent.Result


def record(
    *,
    action: str,
    door: AuditEvent.Door,
    actor: User | None = None,
    actor_label: str = "",
    resource_type: str = "",
    resource_id: str = "",
    subject: User | None = None,
    result: AuditEvent.Result = AuditEvent.Result.OK,
    details: dict[str, Any] | None = None,
    request: HttpRequest | None = None,
) -> AuditEvent:
    """Adds one event, in the caller's transaction: if the change is undone, so is its event.

    `action` is `<noun>.<verb>`, such as 'usage.export'. Without an actor the label is
    `actor_label`, or 'system'. `details` holds JSON values; no secrets, prompts or tool inputs.
    """
    return AuditEvent.objects.create(
        action=action,
        door=door,
        actor=actor,
        actor_label=actor.username if actor else actor_label or SYSTEM,
        resource_type=resource_type,
        resource_id=resource_id,
        subject=subject,
        result=result,
        details=details or {},
        ip=request.META.get("REMOTE_ADDR") or None if request else None,
        request_id=getattr(request, "request_id", "") if request else "",
    )


def blank_details(pks: Iterable[int], keys: Sequence[str]) -> None:
    """Empty the texts under these keys of the events' details, in the caller's transaction.

    The one change that rows of the trail ever see: for erasing a person, whose words or names they
    repeat. That something was done, by whom and when, stays.
    """
    rows: QuerySet[AuditEvent] = QuerySet(AuditEvent)  # the model's own refuses every change
    for pk in pks:
        event = rows.get(pk=pk)
        details = {key: "" if key in keys else value for key, value in event.details.items()}
        rows.filter(pk=pk).update(details=details)
