"""A session or a person erased: files, rows, figures and mirror, and a tombstone left.

The rows go in one transaction for each person's session (for a whole person: fifty sessions), which
also notes what has to follow. Whatever breaks off is ended by the next erasure or by the sweep.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import audit
from accounts.errors import AgnesError
from accounts.models import AuditEvent, User
from telemetry import leases, mirror, rollups, transcript_blobs
from telemetry.database_scrub import scrub_database
from telemetry.models import (
    DoomedBlob,
    ImportedFile,
    PendingChange,
    Session,
    SessionOverlap,
    Tombstone,
    TranscriptFile,
    UsageEvent,
    UsageResponse,
)
from telemetry.named_questions import erase_questions, find_questions
from telemetry.removal import delete_files, remove_sessions
from telemetry.revisions import lock_person
from telemetry.tombstones import leave_tombstone, lift_standing, person_digest, session_digest

logger = logging.getLogger(__name__)

CONSUMER = "erasure"
PERSON = "person"
SHOW = "show"
SCRUB = "scrub"
SCRUBBING = "scrubbing"
"""A scrub that was begun; where it stays, the process was ended before the database was
rewritten, and would be again: the worker leaves it to the command, which has all the time."""

LEASE = timedelta(minutes=10)
BATCH = 50


class NothingToErase(AgnesError):
    code: ClassVar[str] = "nothing_to_erase"
    status: ClassVar[int] = 404


class NoTombstone(AgnesError):
    code: ClassVar[str] = "no_tombstone"
    status: ClassVar[int] = 404


@dataclass(frozen=True)
class Target:
    """A session (session id or session_file), of one person or of everybody; or a whole person.

    `addresses` are e-mail and username of a person whose account is gone: only to be lifted.
    """

    user: User | None = None
    session: str = ""
    addresses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.user is None and not self.session and not self.addresses:
            raise ValueError("a target needs a user, a session, or both")


@dataclass
class ErasurePlan:
    """What an erasure removes, or removed."""

    sessions: list[tuple[str, str]] = field(default_factory=list)
    """username, session_file."""
    files: int = 0
    stored_bytes: int = 0
    events: int = 0
    responses: int = 0
    derived_again: int = 0
    """Other sessions that carry some of the same lines, perhaps other people's."""
    questions: int = 0
    """Asked by the person, or naming them."""
    saved_questions: int = 0
    """The person's own."""
    audit_texts: int = 0
    """Audit rows whose copies of questions and SQL are emptied."""
    others_saved: list[str] = field(default_factory=list)
    """Saved questions of others that name the person, as `owner: name`: theirs to delete."""
    unfinished: list[str] = field(default_factory=list)
    """What could not be ended now; the sweep goes on with it."""


def plan_erasure(target: Target) -> ErasurePlan:
    """What `erase` would remove; changes nothing. Raises NothingToErase."""
    sessions = _sessions(target)
    plan = ErasurePlan(list(sessions.values_list("user__username", "session_file")))
    if target.session and not plan.sessions:
        raise NothingToErase(
            f"There is no session {target.session!r}"
            + (f" of {target.user.username}." if target.user else "."),
            fix="Give a session id or the name of a main file, and the person it belongs to.",
        )
    files = TranscriptFile.objects.filter(sessions__in=sessions).distinct()
    plan.files = files.count()
    plan.stored_bytes = sum(files.values_list("stored_size", flat=True))
    plan.events = UsageEvent.objects.filter(session_row__in=sessions).count()
    plan.responses = UsageResponse.objects.filter(session_row__in=sessions).count()
    pairs = SessionOverlap.objects.filter(Q(session__in=sessions) | Q(holder__in=sessions))
    touched = {pk for pair in pairs.values_list("session", "holder") for pk in pair}
    plan.derived_again = len(touched - set(sessions.values_list("pk", flat=True)))
    if target.user and not target.session:
        named = find_questions(target.user)
        plan.questions, plan.saved_questions = len(named.asked), len(named.saved)
        plan.audit_texts, plan.others_saved = len(named.audit_rows), named.others
    return plan


def erase(
    target: Target,
    *,
    by: User | None,
    door: AuditEvent.Door,
    now: datetime,
    finish: bool = True,
) -> ErasurePlan:
    """Erase for good, audited; returns what was erased and what is still to be ended.

    Without `finish` figures, mirror and disk are left to the sweep. Not to be called inside a
    transaction. Raises NothingToErase, and StillGrowing.
    """
    try:
        plan = plan_erasure(target)
    except NothingToErase:
        if not is_unfinished():
            raise
        plan = ErasurePlan()  # its rows went in a run that was broken off

    def note(person: User, sessions: int) -> None:
        audit.record(
            action="usage.erase",
            door=door,
            actor=by,
            subject=person,
            resource_type="session" if target.session else "person",
            details={"sessions": sessions, "files": plan.files},
        )

    if target.session:
        _erase_session(target, note, now=now)
    elif target.user is not None:
        _begin_person(target.user, note, len(plan.sessions), now=now)
    try:
        plan.unfinished = finish_erasures(now=now) if finish else ["the worker ends it"]
    except leases.LeaseTaken:
        plan.unfinished = ["another process ends erasures right now"]
    return plan


def lift(target: Target, *, by: User | None, door: AuditEvent.Door, now: datetime) -> int:
    """Lift the tombstones of a target, so that uploads are taken again; returns how many stood.

    Of a session without a person: everybody's. Audited. Raises NoTombstone.
    """
    kind = Tombstone.Kind.SESSION if target.session else Tombstone.Kind.PERSON
    with transaction.atomic():
        plan_lift(target)
        lifted = len(lift_standing(_tombstones(target), now=now))
        audit.record(
            action="usage.erase",
            door=door,
            actor=by,
            subject=target.user,
            resource_type=kind.value,
            details={"lifted": lifted},
        )
    return lifted


def plan_lift(target: Target) -> int:
    """How many tombstones `lift` would lift; changes nothing. Raises NoTombstone."""
    standing = _tombstones(target).filter(lifted_at=None).count()
    if not standing:
        raise NoTombstone(
            "Nothing of that name was erased.",
            fix="Name the session id or the person as they were named when they were erased.",
        )
    return standing


def _tombstones(target: Target) -> QuerySet[Tombstone]:
    if target.session:
        pks = [target.user.pk] if target.user else [0, *User.objects.values_list("pk", flat=True)]
        kind, digests = Tombstone.Kind.SESSION, {session_digest(pk, target.session) for pk in pks}
    else:
        kind = Tombstone.Kind.PERSON
        digests = {person_digest(one) for one in target.addresses}
        if target.user is not None:
            digests |= _person_digests(target.user)
    return Tombstone.objects.filter(kind=kind, digest__in=digests)


def lift_own(user: User, session_ids: Iterable[str], *, now: datetime) -> None:
    """Lift a person's own tombstones of sessions that stand, in the caller's transaction."""
    digests = {session_digest(user.pk, one) for one in session_ids}
    if digests:
        named = Tombstone.objects.filter(kind=Tombstone.Kind.SESSION, digest__in=digests)
        lift_standing(named, now=now)


def is_unfinished() -> bool:
    """Whether something that was erased may still be somewhere on disk."""
    return PendingChange.objects.filter(consumer=CONSUMER).exists() or DoomedBlob.objects.exists()


def finish_erasures(*, now: datetime, budget: timedelta | None = None) -> list[str]:
    """End what erasures have begun; returns what could not be ended, in words.

    `budget` limits the stored objects, the rollups and the mirror, each. Raises LeaseTaken while
    another process does this.
    """
    unfinished: list[str] = []
    with leases.lease("erasure", ttl=LEASE) as held:
        marks = list(PendingChange.objects.filter(consumer=CONSUMER))
        for mark in marks:
            if mark.kind == PERSON:
                _erase_person(int(mark.key), held, now=now)
                mark.delete()
        transcript_blobs.delete_doomed(budget=budget)
        if DoomedBlob.objects.exists():
            unfinished.append("stored objects could not be deleted")
        hidden = list(_show(now=now, budget=budget))
        if not hidden:
            _done(mark for mark in marks if mark.kind == SHOW)
        held.renew()
        scrubs = [mark for mark in marks if mark.kind in (SCRUB, SCRUBBING)]
        unfinished += [*hidden, *_scrub(scrubs, again=budget is None)]
    return unfinished


def _scrub(marks: list[PendingChange], *, again: bool) -> list[str]:
    """Rewrite the database for marks that were not tried yet, with `again` for all; problems."""
    tried = [mark for mark in marks if mark.kind == SCRUBBING]
    wanted = marks if again else [mark for mark in marks if mark.kind == SCRUB]
    pks = [mark.pk for mark in wanted]
    problem = ""
    if wanted:
        PendingChange.objects.filter(pk__in=pks).update(kind=SCRUBBING)
        problem = scrub_database()
        if problem:
            PendingChange.objects.filter(pk__in=pks).update(kind=SCRUB)
        else:
            _done(marks)  # those that were tried before as well: their rows went earlier
    elif tried:
        problem = (
            "rewriting the database takes longer than the worker has: run the command "
            "`usage_erase` once more for what was erased"
        )
    return [problem] if problem else []


def _done(marks: Iterable[PendingChange]) -> None:
    PendingChange.objects.filter(pk__in=[mark.pk for mark in marks]).delete()


def _sessions(target: Target) -> QuerySet[Session]:
    sessions = Session.objects.order_by("user_id", "pk")
    if target.user:
        sessions = sessions.filter(user=target.user)
    if target.session:
        by_id = sessions.filter(session_id=target.session)
        sessions = by_id if by_id.exists() else sessions.filter(session_file=target.session)
    return sessions


def _erase_session(target: Target, note: Callable[[User, int], None], *, now: datetime) -> None:
    for session in _sessions(target).select_related("user"):
        holder = session.user_id if target.user else 0

        def leave(session: Session = session, holder: int = holder) -> None:
            digest = session_digest(holder, session.session_id)
            leave_tombstone(Tombstone.Kind.SESSION, digest, now=now)
            note(session.user, 1)
            _mark()

        remove_sessions(session.user_id, [session.pk], now=now, also=leave)


def _begin_person(
    user: User, note: Callable[[User, int], None], sessions: int, *, now: datetime
) -> None:
    """From here on nothing of theirs is taken, and their sessions go, whatever breaks off."""
    with transaction.atomic():
        lock_person(user.pk)
        for digest in _person_digests(user):
            leave_tombstone(Tombstone.Kind.PERSON, digest, now=now)
        note(user, sessions)
        PendingChange.objects.create(consumer=CONSUMER, kind=PERSON, key=str(user.pk))
        _mark()


def _erase_person(user_id: int, held: leases.Held, *, now: datetime) -> None:
    while pks := list(
        Session.objects.filter(user=user_id).order_by("pk").values_list("pk", flat=True)[:BATCH]
    ):
        held.renew()
        remove_sessions(user_id, pks, now=now)
    with transaction.atomic():
        files = TranscriptFile.objects.filter(user=user_id)
        delete_files(list(files.values_list("pk", flat=True)), now=now)
        ImportedFile.objects.filter(user=user_id).delete()
        if person := User.objects.filter(pk=user_id).first():
            erase_questions(person)


def _person_digests(user: User) -> set[str]:
    return {person_digest(user.email), person_digest(user.username)}


def _mark() -> None:
    """What follows when the rows are gone; each mark is kept until its own step is done."""
    PendingChange.objects.bulk_create(
        [
            PendingChange(consumer=CONSUMER, kind=SHOW),
            PendingChange(consumer=CONSUMER, kind=SCRUB),
            PendingChange(consumer="mirror", kind="rebuild"),
        ]
    )


def _show(*, now: datetime, budget: timedelta | None) -> Iterable[str]:
    """Figures and mirror without what was erased, when whoever is at them has ended; what could
    not be done."""
    try:
        leases.patiently(lambda: rollups.refresh(now=now, budget=budget))
    except leases.LeaseTaken:
        yield "another process recomputes the figures right now"
    try:
        report = leases.patiently(lambda: mirror.sync(now=now, budget=budget), mirror.MirrorBusy)
        if not report.complete:
            yield "the mirror is not rebuilt yet"
    except mirror.MirrorBusy:
        yield "another process writes the mirror right now"
    except Exception as error:
        logger.exception("The mirror could not be rebuilt after an erasure.")
        yield f"the mirror could not be rebuilt: {error}"
