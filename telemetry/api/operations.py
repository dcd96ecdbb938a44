"""Processing, reprocessing and pruning over HTTP, for admins: the doors beside the commands."""

from dataclasses import asdict
from datetime import UTC, date, datetime, time
from typing import Any, ClassVar

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema

from accounts import audit
from accounts.api_answers import answers
from accounts.errors import AgnesError
from accounts.models import User
from accounts.permissions import require_admin
from telemetry.import_people import find_person
from telemetry.processing import Budget, process_for
from telemetry.processors import names
from telemetry.reprocess import Choice, plan_reprocess, reprocess
from telemetry.retention import Retention, plan_prune, prune
from telemetry.task_queue import enqueue_processing, enqueue_pruning

router = Router(tags=["operations"])

REQUEST_BUDGET = Budget(usage=15, others=10, rollups=10, mirror=15)
"""Seconds; a request is answered well before a server gives up on it."""

PRUNE_SECONDS = 20.0


class UnknownPerson(AgnesError):
    code: ClassVar[str] = "unknown_person"
    status: ClassVar[int] = 404


class UnknownSession(AgnesError):
    code: ClassVar[str] = "unknown_session"
    status: ClassVar[int] = 404


class UnknownProcessor(AgnesError):
    code: ClassVar[str] = "unknown_processor"
    status: ClassVar[int] = 422


class ReversedRange(AgnesError):
    code: ClassVar[str] = "reversed_range"
    status: ClassVar[int] = 400


class ReprocessBody(Schema):
    user: str = Field("", description="E-mail or username; empty for everybody.")
    session: str = Field("", description="A session id or main file's name.")
    since: date | None = Field(None, description="Sessions begun on this UTC day or later.")
    until: date | None = Field(None, description="Sessions begun before this UTC day.")
    yes: bool = Field(False, description="Do it; else only tell what would be done.")


class ReprocessAnswer(Schema):
    done: bool
    sessions: int
    events: int
    responses: int
    skipped: list[str] = Field(
        description="Sessions that keep their rows, as their transcript is not stored any more."
    )


class PruneBody(Schema):
    dry_run: bool = False


class PruneAnswer(Schema):
    dry_run: bool
    events: int
    responses: int
    facts: int = Field(description="Daily rows of sessions and persons.")
    transcripts: int = Field(description="Sessions whose transcript is dropped.")
    questions: int = Field(description="Asked questions; saved ones stay.")
    left: bool = Field(description="The worker goes on with the rest.")
    first_days: dict[str, date] = Field(description="The first day kept, by what is limited.")


class ProcessAnswer(Schema):
    sessions: int
    failed: int
    quarantined: int
    skipped: int
    left: bool = Field(description="The worker goes on with the rest.")


@router.post(
    "/usage/reprocess",
    response=ReprocessAnswer,
    summary="Derive sessions again from transcripts",
    openapi_extra=answers(404),
)
def reprocess_usage(request: HttpRequest, body: ReprocessBody | None = None) -> dict[str, Any]:
    """Figures stay meanwhile; the worker derives the sessions anew.

    A request without a body tells what would be done for all sessions.
    """
    admin = require_admin(request)
    body = body or ReprocessBody.model_validate({})
    choice = _choice(body)
    plan = plan_reprocess(choice)
    if choice.session and not plan.sessions and not plan.skipped:
        raise UnknownSession(
            f"There is no session {choice.session!r}.", fix="Give a session id that is stored."
        )
    if body.yes:
        plan = reprocess(choice, by=admin, door=audit.Door.API, now=timezone.now(), request=request)
        enqueue_processing()
    return {**asdict(plan), "done": body.yes, "sessions": len(plan.sessions)}


@router.post(
    "/usage/prune",
    response=PruneAnswer,
    summary="Remove what is older than retention",
    openapi_extra=answers(409),
)
def prune_usage(request: HttpRequest, body: PruneBody | None = None) -> dict[str, Any]:
    """By the USAGE_…_RETENTION_DAYS settings. 409 while another process prunes.

    A request without a body acts, as the command does.
    """
    admin = require_admin(request)
    retention, now = Retention.from_settings(), timezone.now()
    dry_run = body is not None and body.dry_run
    if dry_run:
        report = plan_prune(retention, now=now)
    else:
        report = prune(
            retention,
            by=admin,
            door=audit.Door.API,
            now=now,
            seconds=PRUNE_SECONDS,
            request=request,
        )
        if report.left:
            enqueue_pruning()
    return {**report.numbers(), "dry_run": dry_run}


@router.post("/run-session-processor", response=ProcessAnswer, summary="Process what is due now")
def run_session_processor(
    request: HttpRequest, processor: str = "", retry_failed: bool = False
) -> dict[str, Any]:
    """One processor, or all; then rollups and mirror."""
    admin = require_admin(request)
    if processor and processor not in names():
        raise UnknownProcessor(
            f"There is no processor {processor!r}.", fix=f"Use one of {', '.join(names())}."
        )
    done = process_for(
        by=admin,
        door=audit.Door.API,
        processor=processor,
        budget=REQUEST_BUDGET,
        retry=retry_failed,
        request=request,
    )
    if done.left:
        enqueue_processing()
    return asdict(done)


def _choice(body: ReprocessBody) -> Choice:
    if body.since and body.until and body.since >= body.until:
        raise ReversedRange(
            f"since {body.since} is not before until {body.until}.", fix="Swap them, or leave one."
        )
    user: User | None = None
    if body.user:
        user = find_person(body.user)
        if user is None:
            raise UnknownPerson(
                f"There is no person {body.user!r}.", fix="Give an e-mail address or a username."
            )
    return Choice(user, body.session, _begin(body.since), _begin(body.until))


def _begin(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)
