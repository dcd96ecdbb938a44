"""What is kept of questions: the history, the audit trail, and questions under a name."""

from datetime import datetime
from typing import ClassVar

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts import audit
from accounts.errors import AgnesError
from accounts.models import AuditEvent, User
from telemetry.ask import guard
from telemetry.ask.answers import tokens_of
from telemetry.ask.conversation import LONGEST_QUESTION, clean_question, clean_sentence
from telemetry.ask.verified import UnknownQuestion
from telemetry.mirror.query_errors import QueryFailed, QueryRefused
from telemetry.models import AskedQuestion, SavedQuestion

LONGEST_NAME = 100
_RESULTS = {
    AskedQuestion.Outcome.REJECTED: AuditEvent.Result.DENIED,
    AskedQuestion.Outcome.REFUSED: AuditEvent.Result.DENIED,
    AskedQuestion.Outcome.FAILED: AuditEvent.Result.FAILED,
    AskedQuestion.Outcome.ERROR: AuditEvent.Result.FAILED,
}


class BadName(AgnesError):
    """A question cannot be saved under this name."""

    code: ClassVar[str] = "bad_name"


class NameTaken(AgnesError):
    code: ClassVar[str] = "name_taken"
    status: ClassVar[int] = 409


QUOTES_DATA = frozenset({QueryFailed.code, QueryRefused.code})
"""Errors whose sentences are the engine's own and may quote what it read."""
NOT_KEPT = "The SQL could not be run; run it again to see why."


@transaction.atomic
def keep(asked: AskedQuestion, *, request: HttpRequest | None) -> None:
    """Store a question that ended, with its audit row.

    A sentence that may quote data stays in the object, for who asked, and is not stored.
    """
    told = asked.error
    if asked.error_code in QUOTES_DATA:
        asked.error = NOT_KEPT
    asked.save()
    asked.error = told
    audit.record(
        action="usage.ask",
        door=AuditEvent.Door(asked.door),
        actor=asked.user,
        resource_type="question",
        resource_id=str(asked.pk),
        result=_RESULTS.get(AskedQuestion.Outcome(asked.outcome), AuditEvent.Result.OK),
        details={
            "question": asked.text,
            "origin": asked.origin,
            "verified_id": asked.verified_id,
            "outcome": asked.outcome,
            "sql": asked.sql,
            "error_code": asked.error_code,
            "tables": asked.tables,
            "row_count": asked.row_count,
            "model": asked.model,
            "tokens": tokens_of(asked),
            "cost_usd": asked.cost_usd,
            "sent_bytes": asked.sent_bytes,
            "duration_ms": asked.duration_ms,
        },
        request=request,
    )


def questions_of(user: User | None) -> "QuerySet[AskedQuestion]":
    """What this person asked, newest first; None for commands."""
    return AskedQuestion.objects.filter(user=user)


def own_question(pk: int | None, *, user: User | None) -> AskedQuestion | None:
    """One of the person's own; None for None. Raises UnknownQuestion."""
    if pk is None:
        return None
    found = questions_of(user).filter(pk=pk).first()
    if found is None:
        raise UnknownQuestion(
            f"You have asked no question {pk}.", fix="See your history; old questions are removed."
        )
    return found


def saved_for(user: User | None) -> "QuerySet[SavedQuestion]":
    """The person's own and those that are shared, by name; only these for None."""
    return SavedQuestion.objects.filter(Q(user=user) | Q(shared=True)).select_related("user")


def saved_question(pk: int, *, user: User | None) -> SavedQuestion:
    """One that the person may run. Raises UnknownQuestion."""
    found = saved_for(user).filter(pk=pk).first()
    if found is None:
        raise UnknownQuestion(f"There is no saved question {pk}.", fix="See the saved questions.")
    return found


def save_question(
    *,
    by: User,
    name: str,
    text: str,
    sql: str,
    rationale: str = "",
    shared: bool = False,
    door: AuditEvent.Door,
    now: datetime,
    request: HttpRequest | None = None,
) -> SavedQuestion:
    """Keep a question under a name of the person's own.

    Raises BadName, NameTaken, BadQuestion or SqlRefused.
    """
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadName(
            "The name is empty, too long or no text.",
            fix=f"Give a name of at most {LONGEST_NAME} characters.",
        )
    if text.strip():
        text = clean_question(text)
    guard.check(sql)
    try:
        with transaction.atomic():
            saved = SavedQuestion.objects.create(
                user=by,
                name=name,
                text=text[:LONGEST_QUESTION],
                sql=sql,
                rationale=clean_sentence(rationale),
                shared=shared,
                created_at=now,
                updated_at=now,
            )
            _record("question.save", saved, by, door, request)
    except IntegrityError:
        raise NameTaken(
            f"You have a saved question {name!r} already.", fix="Give another name."
        ) from None
    return saved


@transaction.atomic
def share_question(
    saved: SavedQuestion,
    *,
    by: User,
    shared: bool,
    door: AuditEvent.Door,
    now: datetime,
    request: HttpRequest | None = None,
) -> None:
    """Let all admins see and run it, or only its owner again. Raises UnknownQuestion."""
    _check_owner(saved, by)
    saved.shared, saved.updated_at = shared, now
    saved.save(update_fields=["shared", "updated_at"])
    _record("question.share", saved, by, door, request)


@transaction.atomic
def forget_question(
    saved: SavedQuestion, *, by: User, door: AuditEvent.Door, request: HttpRequest | None = None
) -> None:
    """Delete it. Raises UnknownQuestion."""
    _check_owner(saved, by)
    _record("question.delete", saved, by, door, request)
    saved.delete()


def _check_owner(saved: SavedQuestion, by: User) -> None:
    if saved.user_id != by.pk:
        raise UnknownQuestion(
            f"The saved question {saved.name!r} is not yours.", fix="Ask its owner."
        )


def _record(
    action: str,
    saved: SavedQuestion,
    by: User,
    door: AuditEvent.Door,
    request: HttpRequest | None,
) -> None:
    audit.record(
        action=action,
        door=door,
        actor=by,
        resource_type="saved_question",
        resource_id=str(saved.pk),
        details={"name": saved.name, "sql": saved.sql, "shared": saved.shared},
        request=request,
    )
