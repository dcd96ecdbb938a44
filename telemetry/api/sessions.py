"""Sessions over HTTP: uploading transcripts."""

import hashlib
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Query, Router, Schema

from accounts.api_answers import answers
from accounts.errors import AgnesError
from accounts.models import Scope
from accounts.permissions import require_scope
from telemetry.refusals import NameRefused
from telemetry.transcript_blobs import temp_folder
from telemetry.transcript_store import checked_name
from telemetry.upload_bodies import spooled, too_large
from telemetry.uploads import Upload, refuse_opted_out, stored_state, take_file, take_tail

router = Router(tags=["sessions"])

TYPES = frozenset(
    {"application/x-ndjson", "application/jsonl", "text/plain", "application/octet-stream"}
)


NOTHING = hashlib.sha256().hexdigest()


class WrongType(AgnesError):
    code = "wrong_type"
    status = 415


class LengthRequired(AgnesError):
    code = "length_required"
    status = 411


class IncompleteBase(AgnesError):
    code = "incomplete_base"
    status = 422


class UploadQuery(Schema):
    name: str = Field(description="Path of the file below ~/.claude/projects, with slashes.")
    offset: int | None = Field(
        None, ge=0, description="Where the body begins, when it is only what was added."
    )
    base_sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="SHA-256 of the file's first `offset` bytes."
    )


class UploadAnswer(Schema):
    status: str = Field(description="new, grown, unchanged, older, revised or restored.")
    name: str
    session_ids: list[str]
    lines: int
    bad_lines: int
    size: int = Field(description="Bytes of the whole file, as it was sent.")
    sha256: str = Field(description="Of the whole file, as it was sent.")
    held_elsewhere: int = Field(
        description="Lines that another person is known to have brought first, and responses and "
        "tool calls of the other lines: not counted. Known are sessions that were processed by "
        "now, so it may be less than what the session's summary tells later."
    )
    erased_sessions: list[str] = Field(
        description="Sessions in the file that were erased: it is stored without their lines."
    )
    missing_files: list[str] = Field(
        description="Files whose content retention removed; while they are not sent again, the "
        "sessions keep their former figures."
    )
    queued: bool = Field(description="Whether there is something new to process.")


class StoredRevision(Schema):
    size: int
    sha256: str


class StoredFile(Schema):
    name: str
    revisions: list[StoredRevision] = Field(description="Longest first; empty when unknown.")


EXAMPLE_LINE = (
    '{"type":"user","uuid":"8b1d…","sessionId":"5f0c…","timestamp":"2026-05-01T09:00:00Z",'
    '"message":{"role":"user","content":"hello"}}'
)
BODY = {
    "required": True,
    "description": "One file's JSONL, plain or as Content-Encoding says: gzip or zstd.",
    "content": {
        media: {"schema": {"type": "string", "format": "binary"}, "example": EXAMPLE_LINE}
        for media in sorted(TYPES)
    },
}


@router.post(
    "/sessions",
    response=UploadAnswer,
    summary="Upload a transcript file",
    openapi_extra=answers(409, 410, 411, 413, 415, body=BODY),
)
def upload_session(request: HttpRequest, query: Query[UploadQuery]) -> UploadAnswer:
    """The body is one file's JSONL, plain or with Content-Encoding gzip or zstd.

    One file a request, so that each has an answer of its own and can be resumed; archives are for
    `manage.py usage_import`.

    Sending the same content again changes nothing. With `offset` and `base_sha256` the body is
    only what was added; 409 says what the server has instead.
    """
    user = require_scope(request, Scope.PUSH)
    refuse_opted_out(user)
    _refuse_undecodable(request)
    checked_name(query.name)
    base = _base(query)
    _check_headers(request)
    now = timezone.now()
    with spooled(
        request.read,
        encoding=request.headers.get("Content-Encoding", ""),
        limit=settings.AGNES_UPLOAD_MAX_BYTES,
        folder=temp_folder(),
    ) as body:
        if base:
            upload = take_tail(user=user, name=query.name, base=base, body=body, now=now)
        else:
            upload = take_file(user=user, name=query.name, body=body, now=now)
    if upload.accepted.status.is_change:
        transaction.on_commit(_enqueue_processing, robust=True)
    return _answer(upload)


@router.get(
    "/sessions/state",
    response=StoredFile,
    summary="What the server has of a file",
    openapi_extra=answers(400),
)
def session_state(request: HttpRequest, name: str) -> StoredFile:
    """For resuming an upload: a client whose file begins with a revision sends only the rest."""
    user = require_scope(request, Scope.PUSH)
    _refuse_undecodable(request)
    revisions = [StoredRevision(**one) for one in stored_state(user, name)]
    return StoredFile(name=checked_name(name), revisions=revisions)


def _base(query: UploadQuery) -> tuple[int, str] | None:
    if query.offset is None and query.base_sha256 is None:
        return None
    if query.offset is None or query.base_sha256 is None:
        raise IncompleteBase(
            "offset and base_sha256 belong together.", fix="Send both, or the whole file."
        )
    if (query.offset, query.base_sha256) == (0, NOTHING):
        return None
    return query.offset, query.base_sha256


def _refuse_undecodable(request: HttpRequest) -> None:
    """Django puts U+FFFD for what is no UTF-8, by which different names would become one."""
    try:
        unquote_to_bytes(request.META.get("QUERY_STRING", "")).decode()
    except UnicodeDecodeError:
        raise NameRefused(
            "The name is refused: it holds invalid UTF-8.",
            fix="Send the file's path below ~/.claude/projects, as UTF-8.",
        ) from None


def _check_headers(request: HttpRequest) -> None:
    length = request.headers.get("Content-Length") or "0"
    # WSGI does not hand on a body in chunks.
    if "Transfer-Encoding" in request.headers or not length.isdigit():
        raise LengthRequired(
            "The request does not tell the length of its body.", fix="Send a Content-Length."
        )
    if length == "0":
        return  # nothing comes, so its type does not matter
    if (request.content_type or "").lower() not in TYPES:
        raise WrongType(
            f"The Content-Type {request.content_type!r} is not taken.",
            fix="Send the transcript itself, as application/x-ndjson.",
        )
    if int(length) > settings.AGNES_UPLOAD_MAX_BYTES:
        raise too_large(settings.AGNES_UPLOAD_MAX_BYTES)


def _answer(upload: Upload) -> UploadAnswer:
    accepted = upload.accepted
    return UploadAnswer(
        status=accepted.status.value,
        name=accepted.name,
        session_ids=accepted.survey.session_ids,
        lines=accepted.survey.lines,
        bad_lines=accepted.survey.bad_lines,
        size=accepted.size,
        sha256=accepted.sha256,
        held_elsewhere=upload.held_elsewhere,
        erased_sessions=list(accepted.left_out),
        missing_files=upload.missing_files,
        queued=accepted.status.is_change,
    )


def _enqueue_processing() -> None:
    from telemetry.task_queue import enqueue_processing

    enqueue_processing()
