"""Sessions put back to be processed, by the processor's name."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db.models import F, QuerySet

from telemetry.models import ProcessorState

BATCH = 500


def forget_processed(processor: str, session_pks: Sequence[int], *, now: datetime) -> None:
    """As if this processor had never seen these sessions; in the caller's transaction.

    Whoever is at one of them right now cannot store what they found.
    """
    ProcessorState.objects.bulk_create(
        (ProcessorState(processor=processor, session_id=pk, due_at=now) for pk in session_pks),
        ignore_conflicts=True,
        batch_size=BATCH,
    )
    for at in range(0, len(session_pks), BATCH):
        ProcessorState.objects.filter(
            processor=processor, session__in=session_pks[at : at + BATCH]
        ).update(
            status=ProcessorState.Status.DUE,
            content_hash="",
            version=0,
            attempts=0,
            error="",
            due_at=now,
            claim_token=F("claim_token") + 1,
            claimed_by="",
            processed_at=None,
        )


def retry_failed(states: QuerySet[ProcessorState], *, now: datetime) -> int:
    """Make the failed and quarantined ones among these due again; returns how many."""
    stuck = ProcessorState.objects.filter(
        pk__in=states.values("pk"),
        status__in=[ProcessorState.Status.FAILED, ProcessorState.Status.QUARANTINED],
        # One that is being tried right now is left to whoever tries it.
        claimed_by="",
    )
    return stuck.update(status=ProcessorState.Status.DUE, due_at=now, attempts=0, error="")


def due_count(processors: Collection[str], *, now: datetime) -> int:
    """How many sessions are due now, once for each processor."""
    return ProcessorState.objects.filter(processor__in=processors, due_at__lte=now).count()


def quarantined(processors: Collection[str]) -> set[int]:
    """Primary keys of the states in quarantine."""
    states = ProcessorState.objects.filter(
        processor__in=processors, status=ProcessorState.Status.QUARANTINED
    )
    return set(states.values_list("pk", flat=True))
