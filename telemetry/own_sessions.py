"""A person's own sessions: listed, read, removed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import F
from django.http import HttpRequest

from accounts import audit
from accounts.errors import AgnesError
from accounts.models import User
from telemetry import erasure, transcript_store
from telemetry.models import Session
from telemetry.redaction import without_secrets

FIGURES = (
    *("started_at", "ended_at", "active_seconds", "prompts", "tool_calls", "tool_errors"),
    *("skill_invocations", "subagent_dispatches", "mcp_calls", "slash_commands"),
    *("primary_model", "input_tokens", "output_tokens", "cache_creation_tokens"),
    *("cache_read_tokens", "cost_usd"),
)


class NoSuchSession(AgnesError):
    code = "no_such_session"
    status = 404


class TranscriptDropped(AgnesError):
    code = "transcript_dropped"
    status = 410


def list_sessions(user: User, *, limit: int, offset: int) -> tuple[int, list[dict[str, Any]]]:
    """How many there are, and a page of them: those that began last come first."""
    sessions = Session.objects.filter(user=user)
    page = sessions.select_related("summary").order_by(
        F("summary__started_at").desc(nulls_last=True), "-pk"
    )
    return sessions.count(), [described(one) for one in page[offset : offset + limit]]


def find_session(user: User, session_id: str) -> Session:
    """Raises NoSuchSession, also for another person's."""
    sessions = Session.objects.select_related("summary").filter(user=user)
    session = sessions.filter(session_id=session_id).first()
    if session is None:
        raise NoSuchSession(
            f"You have no session {session_id!r} here.", fix="List yours: GET /api/me/sessions."
        )
    return session


def described(session: Session) -> dict[str, Any]:
    """A session and its figures, which are null until it is processed."""
    summary = getattr(session, "summary", None)
    return {
        "session_id": session.session_id,
        "session_file": session.session_file,
        "project": session.project,
        "title": session.title,
        "size": session.size,
        "uploaded_at": session.uploaded_at,
        "transcript_stored": session.transcript_dropped_at is None,
        **{name: getattr(summary, name, None) for name in FIGURES},
    }


def read_transcript(
    user: User, session_id: str, *, door: audit.Door, request: HttpRequest | None = None
) -> Iterator[bytes]:
    """The lines of the session's files, main file first, without secrets; audited.

    Raises NoSuchSession, and TranscriptDropped when retention removed them.
    """
    session = find_session(user, session_id)
    if session.transcript_dropped_at is not None:
        raise TranscriptDropped(
            "The transcript of this session is not stored any more.",
            fix="Its figures stay; send the files again to have it back.",
        )
    files = sorted(session.files.all(), key=lambda file: (file.kind, file.name))
    audit.record(
        action="session.download",
        door=door,
        actor=user,
        subject=user,
        resource_type="session",
        resource_id=session_id,
        details={"file_count": len(files)},
        request=request,
    )
    return without_secrets(chunk for file in files for chunk in transcript_store.read(file))


def remove_session(user: User, session_id: str, *, door: audit.Door, now: datetime) -> None:
    """Erase it for good; the worker ends what takes longer. Raises NoSuchSession."""
    find_session(user, session_id)
    erasure.erase(erasure.Target(user, session_id), by=user, door=door, now=now, finish=False)
