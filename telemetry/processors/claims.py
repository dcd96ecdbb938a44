"""Taking sessions that are due, safely beside other workers and machines."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from accounts.full_disks import is_disk_full
from accounts.models import User
from telemetry.claimants import is_gone, this_claimant, this_host
from telemetry.models import ProcessorState, Session
from telemetry.processors.base import Claim, Processor

CLAIM_LASTS = timedelta(minutes=15)
"""After this a session whose worker fell silent is given to another; a batch is far shorter."""

MAX_ATTEMPTS = 5
FIRST_RETRY = timedelta(seconds=30)
RETRY_FACTOR = 4

_prepared: set[str] = set()


def make_due(processor: Processor, *, now: datetime) -> None:
    """Make sessions due that a new processor or a new version has not seen, and those whose
    worker on this host is dead."""
    if processor.name not in _prepared:
        _add_missing_states(processor, now=now)
        _prepared.add(processor.name)
    states = ProcessorState.objects.filter(processor=processor.name)
    rest = Q(status=ProcessorState.Status.DONE) | Q(status=ProcessorState.Status.QUARANTINED)
    for other in (Q(version__lt=processor.version), Q(version__gt=processor.version)):
        states.filter(other, rest, due_at=None).update(
            status=ProcessorState.Status.DUE, due_at=now, attempts=0
        )
    claimants = (
        ProcessorState.objects.exclude(claimed_by="")
        .filter(claimed_by__startswith=f"{this_host()}:")
        .values_list("claimed_by", flat=True)
        .distinct()
    )
    for claimant in list(claimants):
        if is_gone(claimant):
            ProcessorState.objects.filter(claimed_by=claimant).update(due_at=now, claimed_by="")


def claim_due(processor: Processor, *, now: datetime, most: int, most_bytes: int) -> list[Claim]:
    """Take sessions that are due, at most `most` and at least one, up to so many bytes.

    Attempts are counted here, before the work, so that a session which kills its worker each time
    ends in quarantine all the same. Sessions tried before come last and one at a time: whichever
    of a batch killed its worker, the others are not taken down with it again.
    """
    with transaction.atomic():
        rows = ProcessorState.objects.filter(processor=processor.name, due_at__lte=now)
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True, of=("self",))
        _quarantine(rows.filter(attempts__gte=MAX_ATTEMPTS))
        taken = _first(rows.filter(attempts=0), most, most_bytes)
        if not taken:
            taken = _first(rows.filter(attempts__lt=MAX_ATTEMPTS), 1, most_bytes)
        _take(taken, processor, now=now)
    return taken


def claim_read(
    processor: Processor,
    user: User,
    hashes: Mapping[str, str],
    *,
    registered: Collection[int],
    now: datetime,
) -> dict[str, tuple[Claim, Session]]:
    """Take those of a person's new sessions (id to content hash) that still hold just this.

    Takes nothing while another person's session waits, other than those whose identities are
    `registered` (primary keys): it came first, and between people the first copy holds.
    """
    with transaction.atomic():
        due = ProcessorState.objects.filter(processor=processor.name, due_at__lte=now)
        if due.exclude(session__user=user).exclude(session__in=registered).exists():
            return {}
        rows = due.filter(session__user=user, session__session_id__in=list(hashes), attempts=0)
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True, of=("self",))
        taken: dict[str, tuple[Claim, Session]] = {}
        for state in rows.select_related("session").order_by("pk"):
            session = state.session
            session.user = user
            same = hashes[session.session_id] == session.content_hash
            if same and session.transcript_dropped_at is None:
                claim = Claim(state.pk, session.pk, state.claim_token + 1)
                taken[session.session_id] = (claim, session)
        _take([claim for claim, _ in taken.values()], processor, now=now)
    return taken


def put_back(claims: Collection[Claim], *, now: datetime) -> None:
    """Leave claimed sessions to whoever takes what is due next, as if they had never been taken."""
    for claim in claims:
        ProcessorState.objects.filter(pk=claim.state_pk, claim_token=claim.token).update(
            status=ProcessorState.Status.DUE, due_at=now, attempts=0, claimed_by=""
        )


def _take(claims: Collection[Claim], processor: Processor, *, now: datetime) -> None:
    ProcessorState.objects.filter(pk__in=[claim.state_pk for claim in claims]).update(
        due_at=now + CLAIM_LASTS,
        claim_token=F("claim_token") + 1,
        attempts=F("attempts") + 1,
        # Noted before the work, since a session in quarantine waits for another version.
        version=processor.version,
        claimed_by=this_claimant(),
    )


def _first(rows: QuerySet[ProcessorState], most: int, most_bytes: int) -> list[Claim]:
    """Claims on the rows that are due longest."""
    columns = ("pk", "session_id", "claim_token", "session__size")
    taken: list[Claim] = []
    total = 0
    for pk, session_pk, token, size in rows.order_by("due_at", "pk").values_list(*columns)[:most]:
        total += size
        if taken and total > most_bytes:
            break
        taken.append(Claim(pk, session_pk, token + 1))
    return taken


def claim_session(processor: Processor, session: Session, *, now: datetime) -> Claim:
    """Take one session, whoever else had it."""
    with transaction.atomic():
        state, _ = ProcessorState.objects.select_for_update().get_or_create(
            processor=processor.name, session=session
        )
        state.claim_token += 1
        state.attempts += 1
        state.version = processor.version
        state.due_at = now + CLAIM_LASTS
        state.claimed_by = this_claimant()
        state.save()
    return Claim(state.pk, session.pk, state.claim_token)


def give_back(claim: Claim, error: Exception, *, now: datetime) -> ProcessorState.Status | None:
    """Note a failure: try again later, or quarantine; None when the claim is not ours any more.

    A full disk is not the session's doing and costs it no attempt.
    """
    with transaction.atomic():
        state = (
            ProcessorState.objects.select_for_update()
            .filter(pk=claim.state_pk, claim_token=claim.token)
            .first()
        )
        if state is None:
            return None
        state.error = f"{type(error).__name__}: {error}"[:2000].replace("\x00", "")
        state.claimed_by = ""
        if is_disk_full(error):
            state.attempts = max(state.attempts - 1, 0)
        if state.attempts >= MAX_ATTEMPTS:
            state.status, state.due_at = ProcessorState.Status.QUARANTINED, None
        else:
            state.status = ProcessorState.Status.FAILED
            state.due_at = now + FIRST_RETRY * RETRY_FACTOR ** max(state.attempts - 1, 0)
        state.save()
    return ProcessorState.Status(state.status)


def skip(claim: Claim, content_hash: str, *, now: datetime) -> None:
    """Note that there is nothing to read: what was derived before stays.

    A session that was uploaded again since it was looked at stays due.
    """
    unchanged = Session.objects.filter(pk=claim.session_pk, content_hash=content_hash)
    mine = ProcessorState.objects.filter(pk=claim.state_pk, claim_token=claim.token)
    if not mine.filter(session__in=unchanged).update(
        status=ProcessorState.Status.SKIPPED, due_at=None, claimed_by="", attempts=0, error=""
    ):
        mine.update(status=ProcessorState.Status.DUE, claimed_by="", due_at=now)


def _quarantine(rows: QuerySet[ProcessorState]) -> None:
    """What reached its last attempt without anyone giving it back: the worker died each time."""
    for pk, attempts, error in rows.values_list("pk", "attempts", "error"):
        ProcessorState.objects.filter(pk=pk).update(
            status=ProcessorState.Status.QUARANTINED,
            due_at=None,
            claimed_by="",
            error=error or f"The worker ended without a word in each of {attempts} attempts.",
        )


def _add_missing_states(processor: Processor, *, now: datetime) -> None:
    missing = Session.objects.exclude(
        pk__in=ProcessorState.objects.filter(processor=processor.name).values("session_id")
    ).values_list("pk", flat=True)
    ProcessorState.objects.bulk_create(
        (ProcessorState(processor=processor.name, session_id=pk, due_at=now) for pk in missing),
        ignore_conflicts=True,
        batch_size=500,
    )
