"""Questions over HTTP, for admins: the same functions as behind the page and the command."""

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Router, Schema, Status

from accounts import audit
from accounts.api_answers import answers
from accounts.permissions import require_admin
from telemetry.ask import history
from telemetry.ask.results import csv_response
from telemetry.ask.run import Asker, ask, preview, run_saved, run_sql, run_verified
from telemetry.ask.verified import verified_questions
from telemetry.models import SavedQuestion

router = Router(tags=["questions"])
MOST_LISTED = 200


class QuestionBody(Schema):
    question: str = Field(
        description="In plain language, at most 1,000 characters.",
        examples=["How many times was Bash invoked yesterday?"],
    )
    follows: int | None = Field(None, description="Id of your earlier question of the thread.")


class SqlBody(Schema):
    sql: str = Field(
        description="One SELECT over the mirrored tables.",
        examples=["SELECT tool_name, sum(invocations) AS calls FROM usage_tool_daily GROUP BY ALL"],
    )
    question: str = Field("", description="What it answers, for the history.")
    follows: int | None = None


class SaveBody(Schema):
    name: str = Field(examples=["Calls by tool"])
    sql: str
    question: str = ""
    rationale: str = ""
    shared: bool = Field(False, description="All admins see and run it.")


class ShareBody(Schema):
    shared: bool


class ColumnOut(Schema):
    name: str = Field(description="Unique within the answer.")
    type: str = Field(description="DuckDB's type.")


class TableOut(Schema):
    name: str
    first_day: date | None = Field(description="First UTC day it holds; null without a time.")
    last_day: date | None


class ErrorOut(Schema):
    code: str
    message: str = Field(description="What is wrong.")
    fix: str = Field(description="What to do about it.")


class AnswerOut(Schema):
    id: int
    question: str
    origin: str = Field(description="generated, verified or own.")
    verified_id: str | None
    outcome: str = Field(description="ok, rejected, failed, clarify, cannot_answer or refused.")
    sql: str | None = Field(description="Also when it was rejected or failed.")
    rationale: str | None
    message: str | None = Field(description="What the model asks back, or misses.")
    rejected: bool = Field(description="The SQL may not run; `error` says why.")
    error: ErrorOut | None
    repaired: bool = Field(description="The model's first SQL could not be run.")
    columns: list[ColumnOut]
    rows: list[dict[str, Any]] = Field(description="Objects by column name.")
    row_count: int
    truncated: bool = Field(description="There are more rows than these.")
    tables: list[TableOut]
    date_conditions: list[str] = Field(description="How the SQL narrows times.")
    data_time: datetime | None = Field(description="The data held everything up to then.")
    sent_bytes: int = Field(description="What left the server; 0 when no model was asked.")
    model: str | None
    tokens: dict[str, int]
    cost_usd: float | None
    duration_ms: dict[str, float] = Field(description="total, model, guard, query.")


class PreviewOut(Schema):
    address: str
    model: str
    bytes: int
    body: dict[str, Any] = Field(description="Exactly what would be sent.")


class VerifiedOut(Schema):
    id: str
    lang: str
    text: str
    sql: str


class AskedOut(Schema):
    id: int
    asked_at: datetime
    question: str = Field(alias="text")
    origin: str
    outcome: str
    sql: str
    row_count: int | None
    follows: int | None = Field(alias="follows_id")


class SavedOut(Schema):
    id: int
    name: str
    question: str = Field(alias="text")
    sql: str
    rationale: str
    shared: bool
    owner: str
    updated_at: datetime

    @staticmethod
    def resolve_owner(saved: SavedQuestion) -> str:
        return saved.user.username


def _asker(request: HttpRequest) -> Asker:
    return Asker(require_admin(request), audit.Door.API, timezone.now(), request)


@router.post(
    "/ask",
    response=AnswerOut,
    summary="Ask a question in plain language",
    openapi_extra=answers(404, 429, 502, 503),
)
def ask_question(request: HttpRequest, body: QuestionBody) -> dict[str, Any]:
    """A model writes SQL, which is judged, run and returned with its rows.

    SQL that is refused or fails is returned too, with `error`. 503 without a key for a model.
    """
    return ask(body.question, asker=_asker(request), follows=body.follows).as_json()


@router.post(
    "/ask/preview",
    response=PreviewOut,
    summary="See what asking would send",
    openapi_extra=answers(404, 503),
)
def preview_question(request: HttpRequest, body: QuestionBody) -> dict[str, Any]:
    """Nothing is sent, and nothing is kept."""
    seen = preview(body.question, asker=_asker(request), follows=body.follows)
    return {"address": seen.address, "model": seen.model, "bytes": seen.bytes, "body": seen.body}


@router.post(
    "/ask/sql",
    response=AnswerOut,
    summary="Run a SELECT of your own",
    openapi_extra=answers(404, 429, 503),
)
def run_own_sql(request: HttpRequest, body: SqlBody) -> dict[str, Any]:
    """Through the same guard and sandbox as a model's; no model is asked."""
    asker = _asker(request)
    return run_sql(body.sql, asker=asker, text=body.question, follows=body.follows).as_json()


@router.get("/ask/verified", response=list[VerifiedOut], summary="Questions with checked SQL")
def list_verified(request: HttpRequest) -> Any:
    """They run without a model."""
    require_admin(request)
    return verified_questions()


@router.post(
    "/ask/verified/{id}",
    response=AnswerOut,
    summary="Run a verified question",
    openapi_extra=answers(400, 429, 503),
)
def run_verified_question(request: HttpRequest, id: str) -> dict[str, Any]:
    return run_verified(id, asker=_asker(request)).as_json()


@router.get("/ask/history", response=list[AskedOut], summary="What you asked, newest first")
def list_history(request: HttpRequest, limit: int = 50) -> Any:
    admin = require_admin(request)
    return history.questions_of(admin)[: min(max(limit, 1), MOST_LISTED)]


@router.get(
    "/ask/history/{id}/csv",
    summary="The rows of a question, as csv",
    response={200: None},
    openapi_extra=answers(400, 429, 503, types=["text/csv"]),
)
def download_rows(request: HttpRequest, id: int) -> HttpResponse:
    """Its SQL runs again on the data of now. 422 when it does not run."""
    asker = _asker(request)
    asked = history.own_question(id, user=asker.user)
    assert asked is not None  # noqa: S101 - an id was given
    return csv_response(run_sql(asked.sql, asker=asker, text=asked.text))


@router.get("/ask/saved", response=list[SavedOut], summary="Saved questions: yours and shared")
def list_saved(request: HttpRequest) -> Any:
    return history.saved_for(require_admin(request))[:MOST_LISTED]


@router.post(
    "/ask/saved",
    response={201: SavedOut},
    summary="Save a question under a name",
    openapi_extra=answers(409),
)
def save(request: HttpRequest, body: SaveBody) -> Status[SavedQuestion]:
    saved = history.save_question(
        by=require_admin(request),
        name=body.name,
        text=body.question,
        sql=body.sql,
        rationale=body.rationale,
        shared=body.shared,
        door=audit.Door.API,
        now=timezone.now(),
        request=request,
    )
    return Status(201, saved)


@router.post(
    "/ask/saved/{id}/run",
    response=AnswerOut,
    summary="Run a saved question",
    openapi_extra=answers(400, 429, 503),
)
def run_saved_question(request: HttpRequest, id: int) -> dict[str, Any]:
    asker = _asker(request)
    return run_saved(id, asker=asker).as_json()


@router.patch("/ask/saved/{id}", response=SavedOut, summary="Share a saved question, or not")
def share(request: HttpRequest, id: int, body: ShareBody) -> SavedQuestion:
    admin = require_admin(request)
    saved = history.saved_question(id, user=admin)
    history.share_question(
        saved,
        by=admin,
        shared=body.shared,
        door=audit.Door.API,
        now=timezone.now(),
        request=request,
    )
    return saved


@router.delete("/ask/saved/{id}", response={204: None}, summary="Delete a saved question")
def forget(request: HttpRequest, id: int) -> Status[None]:
    admin = require_admin(request)
    saved = history.saved_question(id, user=admin)
    history.forget_question(saved, by=admin, door=audit.Door.API, request=request)
    return Status(204, None)
