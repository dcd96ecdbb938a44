"""What people see and decide about themselves: their sessions, what is private, the opt-out."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Schema, Status

from accounts import audit
from accounts.api_answers import answers
from accounts.models import Scope, User
from accounts.permissions import caller_of, require_scope
from telemetry import own_sessions, privacy
from telemetry.models import PrivateMark
from telemetry.task_queue import enqueue_processing, enqueue_sweep

router = Router(tags=["me"])
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Me(Schema):
    id: int
    username: str
    email: str
    name: str
    is_admin: bool
    telemetry_opt_out: bool
    scopes: list[str] = Field(description="What this token, or this browser, may do.")


class OptOut(Schema):
    telemetry_opt_out: bool


class OwnSession(Schema):
    session_id: str
    session_file: str
    project: str
    title: str
    size: int = Field(description="Bytes of its files.")
    uploaded_at: datetime
    transcript_stored: bool
    started_at: datetime | None
    ended_at: datetime | None
    active_seconds: float | None
    prompts: int | None
    tool_calls: int | None
    tool_errors: int | None
    skill_invocations: int | None
    subagent_dispatches: int | None
    mcp_calls: int | None
    slash_commands: int | None
    primary_model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_creation_tokens: int | None
    cache_read_tokens: int | None
    cost_usd: float | None


class OwnSessions(Schema):
    total: int
    sessions: list[OwnSession]


class Page(Schema):
    limit: int = Field(50, ge=1, le=200)
    offset: int = Field(0, ge=0, le=10_000_000)


class MarkBody(Schema):
    lines: list[Digest] = Field(
        default_factory=list,
        max_length=privacy.MOST_LINES,
        description="SHA-256 of 'agnes.line:' and a line's uuid, for its first lines: copies of "
        "the session are known by them.",
    )
    purge: bool = Field(False, description="Erase what is stored of it and of its copies.")


class MarkAnswer(Schema):
    session_id: str
    stored: bool = Field(description="Whether lines of it were uploaded before and are stored.")
    purged: list[str] = Field(description="Sessions that were erased: it, and its copies.")


class PrivateSessions(Schema):
    sessions: list[str]


@router.get("", response=Me, summary="Who this token or browser is")
def me(request: HttpRequest) -> dict[str, Any]:
    return _me(request, caller_of(request).user)


@router.put("/opt-out", response=Me, summary="Have no sessions of yours taken")
def opt_out(request: HttpRequest, body: OptOut) -> dict[str, Any]:
    """What is stored stays; remove it with DELETE /api/me/sessions/{session_id}."""
    user = require_scope(request, Scope.PUSH)
    changed = privacy.set_opt_out(
        user=user, opt_out=body.telemetry_opt_out, door=audit.Door.API, request=request
    )
    return _me(request, changed)


@router.get("/sessions", response=OwnSessions, summary="Your sessions")
def sessions(request: HttpRequest, page: Query[Page]) -> dict[str, Any]:
    user = require_scope(request, Scope.READ)
    total, found = own_sessions.list_sessions(user, limit=page.limit, offset=page.offset)
    return {"total": total, "sessions": found}


@router.get("/sessions/{session_id}", response=OwnSession, summary="One of your sessions")
def session(request: HttpRequest, session_id: str) -> dict[str, Any]:
    user = require_scope(request, Scope.READ)
    return own_sessions.described(own_sessions.find_session(user, session_id))


@router.get(
    "/sessions/{session_id}/download",
    summary="Its transcript",
    response={200: None},
    openapi_extra=answers(410, types=["application/x-ndjson"]),
)
def download(request: HttpRequest, session_id: str) -> StreamingHttpResponse:
    """The lines of all its files as JSONL, main file first, secrets masked."""
    user = require_scope(request, Scope.READ)
    lines = own_sessions.read_transcript(user, session_id, door=audit.Door.API, request=request)
    response = StreamingHttpResponse(lines, content_type="application/x-ndjson")
    response["Content-Disposition"] = 'attachment; filename="transcript.jsonl"'
    response["Cache-Control"] = "no-store"
    return response


@router.delete(
    "/sessions/{session_id}",
    response={204: None},
    summary="Erase your session",
    openapi_extra=answers(409),
)
def delete_session(request: HttpRequest, session_id: str) -> Status[None]:
    """Files, events, figures and all; it is not taken again."""
    user = require_scope(request, Scope.PUSH)
    own_sessions.remove_session(user, session_id, door=audit.Door.API, now=timezone.now())
    _finish()
    return Status(204, None)


@router.get("/private-sessions", response=PrivateSessions, summary="What you keep private")
def private_sessions(request: HttpRequest) -> dict[str, Any]:
    user = require_scope(request, Scope.PUSH)
    marks = PrivateMark.objects.filter(user=user, lifted_at=None).order_by("session_id")
    return {"sessions": list(marks.values_list("session_id", flat=True))}


@router.put(
    "/private-sessions/{session_id}",
    response=MarkAnswer,
    summary="Keep a session private",
    openapi_extra=answers(409),
)
def mark_private(request: HttpRequest, session_id: str, body: MarkBody) -> privacy.Marked:
    """No upload of it, or of a copy of it, is taken from now on, from any machine."""
    user = require_scope(request, Scope.PUSH)
    marked = privacy.mark_private(
        user=user,
        session_id=session_id,
        lines=body.lines,
        purge=body.purge,
        now=timezone.now(),
        door=audit.Door.API,
        request=request,
    )
    if marked.purged:
        _finish()
    return marked


@router.delete("/private-sessions/{session_id}", response={204: None}, summary="Take it back")
def lift_private(request: HttpRequest, session_id: str) -> Status[None]:
    """Uploads of it are taken again."""
    user = require_scope(request, Scope.PUSH)
    privacy.lift_private(
        user=user,
        session_id=session_id,
        now=timezone.now(),
        door=audit.Door.API,
        request=request,
    )
    return Status(204, None)


def _finish() -> None:
    """What an erasure leaves to the worker: figures, mirror, disk."""
    enqueue_sweep()
    enqueue_processing()


def _me(request: HttpRequest, user: User) -> dict[str, Any]:
    caller = caller_of(request)
    return {
        "id": user.pk,
        "username": user.username,
        "email": user.email,
        "name": user.name,
        "is_admin": user.is_staff,
        "telemetry_opt_out": user.telemetry_opt_out,
        "scopes": [one.value for one in Scope if caller.has_scope(one)],
    }
