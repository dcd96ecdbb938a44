"""People's say over their own sessions: kept private, removed, taken at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest

from accounts import audit
from accounts.errors import AgnesError
from accounts.models import User
from telemetry import erasure, private_marks, refusals, transcript_store
from telemetry.models import PrivateLine, PrivateMark, Session
from telemetry.revisions import lock_person
from telemetry.transcript_names import UnusableName, check_session_id

MOST_LINES = 50
MOST_MARKS = 10_000
MOST_CANDIDATES = 200


class NotPrivate(AgnesError):
    code = "not_private"
    status = 404


class TooManyMarks(AgnesError):
    code = "too_many_marks"
    status = 409


@dataclass(frozen=True)
class Marked:
    """What marking came to. `stored` says whether lines of it are still stored, `purged` names the
    sessions that were removed: it and its copies."""

    session_id: str
    stored: bool
    purged: list[str]


def mark_private(
    *,
    user: User,
    session_id: str,
    lines: Sequence[str],
    purge: bool,
    now: datetime,
    door: audit.Door,
    request: HttpRequest | None = None,
) -> Marked:
    """Take no upload of this session, or of a copy of it, from now on; again changes nothing.

    `lines` are the client's digests of its first line ids. With `purge` what is stored of it and of
    its copies is erased. Not to be called inside a transaction. Raises SessionIdRefused,
    TooManyMarks, and StillGrowing.
    """
    _check_id(session_id)
    with transaction.atomic():
        lock_person(user.pk)
        mark = _standing_mark(user, session_id, now=now)
        PrivateLine.objects.bulk_create(
            [PrivateLine(mark=mark, digest=private_marks.stored_digest(one)) for one in lines],
            ignore_conflicts=True,
        )
        audit.record(
            action="session.mark_private",
            door=door,
            actor=user,
            subject=user,
            resource_type="session",
            resource_id=session_id,
            details={"purge": purge},
            request=request,
        )
    stored = stored_copies(user, session_id)
    if purge and stored:
        for one in stored:
            target = erasure.Target(user, one.session_id)
            erasure.erase(target, by=user, door=door, now=now, finish=False)
        _note_purged(mark, [one.session_id for one in stored])
    names = [one.session_id for one in stored]
    return Marked(session_id, bool(stored) and not purge, names if purge else [])


def lift_private(
    *,
    user: User,
    session_id: str,
    now: datetime,
    door: audit.Door,
    request: HttpRequest | None = None,
) -> None:
    """Take uploads of this session again. Raises NotPrivate."""
    with transaction.atomic():
        lock_person(user.pk)
        mark = PrivateMark.objects.filter(user=user, session_id=session_id, lifted_at=None).first()
        if mark is None:
            raise NotPrivate(
                f"The session {session_id} is not private.", fix="There is nothing to take back."
            )
        # The tombstones that its own purge left; an admin's erasure stays.
        erasure.lift_own(user, mark.purged, now=now)
        PrivateMark.objects.filter(pk=mark.pk).update(lifted_at=now, purged=[])
        mark.lines.all().delete()
        audit.record(
            action="session.lift_private",
            door=door,
            actor=user,
            subject=user,
            resource_type="session",
            resource_id=session_id,
            request=request,
        )


def stored_copies(user: User, session_id: str) -> list[Session]:
    """The person's stored sessions that are this one, or were copied from it."""
    marks = private_marks.standing_marks(user.pk)
    own = Session.objects.filter(user=user, session_id=session_id)
    near = Session.objects.filter(user=user).filter(
        Q(forked_from=session_id)
        | Q(overlaps__holder__session_id=session_id)
        | Q(overlapped_by__session__session_id=session_id)
        # Whose copies they are is not worked out yet.
        | Q(states__processor="usage", states__due_at__isnull=False)
    )
    others = near.exclude(session_id=session_id).distinct().order_by("pk")[:MOST_CANDIDATES]
    found = list(own)
    for session in others:
        files = session.files.order_by("pk")
        if any(marks.session_in(transcript_store.read(file)) == session_id for file in files):
            found.append(session)
    return found


def set_opt_out(
    *,
    user: User,
    opt_out: bool,
    door: audit.Door,
    request: HttpRequest | None = None,
) -> User:
    """Whether uploads of this person's sessions are refused; what is stored stays."""
    with transaction.atomic():
        locked = lock_person(user.pk)
        if locked.telemetry_opt_out == opt_out:
            return locked
        locked.telemetry_opt_out = opt_out
        locked.save(update_fields=["telemetry_opt_out"])
        audit.record(
            action="user.opt_out" if opt_out else "user.opt_in",
            door=door,
            actor=user,
            subject=user,
            resource_type="user",
            resource_id=str(user.pk),
            request=request,
        )
    return locked


def _note_purged(mark: PrivateMark, session_ids: Sequence[str]) -> None:
    with transaction.atomic():
        locked = PrivateMark.objects.select_for_update().get(pk=mark.pk)
        locked.purged = sorted({*locked.purged, *session_ids})
        locked.save(update_fields=["purged"])


def _standing_mark(user: User, session_id: str, *, now: datetime) -> PrivateMark:
    standing = PrivateMark.objects.filter(user=user, lifted_at=None)
    mark = standing.filter(session_id=session_id).first()
    if mark:
        return mark
    if standing.count() >= MOST_MARKS:
        raise TooManyMarks(
            f"More than {MOST_MARKS:,} sessions cannot be marked.",
            fix="Opt out instead: agnes opt-out.",
        )
    mark, _ = PrivateMark.objects.update_or_create(
        user=user,
        session_id=session_id,
        defaults={"lifted_at": None, "purged": [], "created_at": now},
    )
    return mark


def _check_id(session_id: str) -> None:
    try:
        check_session_id(session_id)
    except UnusableName as error:
        raise refusals.SessionIdRefused(
            f"This is no session id: {error}.", fix="Give it as Claude Code writes it."
        ) from error
