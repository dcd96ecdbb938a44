"""The page where an admin asks: one address, whole pages, no script needed."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts import audit
from accounts.admin_pages import admin_page
from accounts.errors import AgnesError
from accounts.models import User
from telemetry.ask import history
from telemetry.ask.answers import Answer
from telemetry.ask.conversation import LONGEST_QUESTION
from telemetry.ask.guard import Checked
from telemetry.ask.provider import Provider, warm_up
from telemetry.ask.results import BarChart, DayChart, cell_text, chart_of, csv_response, is_number
from telemetry.ask.run import (
    Asker,
    Preview,
    ask,
    preview,
    run_saved,
    run_sql,
    run_verified,
)
from telemetry.ask.verified import VerifiedQuestion, verified_questions
from telemetry.mirror.worker_pool import pool
from telemetry.models import AskedQuestion, SavedQuestion

SHOWN_HISTORY = 20
SHOWN_EXAMPLES = 6


@dataclass(frozen=True)
class Cell:
    """`value` is what a sortable table compares."""

    text: str
    is_number: bool
    is_null: bool
    value: Any


@dataclass(frozen=True)
class Row:
    """`bar` is the number that a bar beside the row shows; None without one."""

    cells: list[Cell]
    bar: float | None


@admin_page
@require_http_methods(["GET", "HEAD", "POST"])
def ask_page(request: HttpRequest) -> HttpResponse:
    """GET: the form, with `question=<id>` or `saved=<id>` filled from the history or a saved one.

    POST answers: `verified=<id>`, `saved=<id>`, or `do` = ask, preview or sql.
    """
    if request.method != "POST":
        warm_up()
        with suppress(OSError):  # that there is none shows at the question
            pool.prepare()
        return _page(request, **_prefilled(request))
    form = {"question": request.POST.get("question", ""), "sql": request.POST.get("sql", "")}
    try:
        done = _done(request, _asker(request))
    except AgnesError as error:
        return _page(request, problem=error, form=_with_sql(form, error), earlier=_earlier(request))
    if isinstance(done, Preview):
        body = json.dumps(done.body, ensure_ascii=False, indent=2)
        earlier = _earlier(request)
        return _page(request, form=form, preview=done, preview_body=body, earlier=earlier)
    asked = done.asked
    return _page(request, form={"question": "", "sql": asked.sql}, **_shown(done))


@admin_page
@require_POST
def rows_csv(request: HttpRequest, pk: int) -> HttpResponse:
    """The rows of a question, whose SQL runs again."""
    asker = _asker(request)
    try:
        asked = history.own_question(pk, user=asker.user)
        sql, text = (asked.sql, asked.text) if asked else ("", "")
        return csv_response(run_sql(sql, asker=asker, text=text))
    except AgnesError as error:
        return _page(request, problem=error)


@admin_page
@require_POST
def save_question(request: HttpRequest) -> HttpResponse:
    try:
        saved = history.save_question(
            by=_user(request),
            name=request.POST.get("name", ""),
            text=request.POST.get("question", ""),
            sql=request.POST.get("sql", ""),
            rationale=request.POST.get("rationale", ""),
            shared=request.POST.get("shared") == "on",
            door=audit.Door.PAGE,
            now=timezone.now(),
            request=request,
        )
    except AgnesError as error:
        names = ("sql", "name", "shared", "rationale")
        form = {name: request.POST.get(name, "") for name in names}
        form["saved_question"] = request.POST.get("question", "")
        return _page(request, problem=error, form=form, opens_save=True)
    messages.success(request, f"Saved as “{saved.name}”.")
    return redirect("ask")


@admin_page
@require_POST
def change_saved(request: HttpRequest, pk: int) -> HttpResponse:
    """`do` = share, unshare or delete."""
    user, do = _user(request), request.POST.get("do", "")
    try:
        saved = history.saved_question(pk, user=user)
        if do == "delete":
            history.forget_question(saved, by=user, door=audit.Door.PAGE, request=request)
            messages.success(request, f"Deleted “{saved.name}”.")
        elif do in {"share", "unshare"}:
            history.share_question(
                saved,
                by=user,
                shared=do == "share",
                door=audit.Door.PAGE,
                now=timezone.now(),
                request=request,
            )
            state = "shared with all admins" if do == "share" else "yours alone"
            messages.success(request, f"“{saved.name}” is {state}.")
    except AgnesError as error:
        return _page(request, problem=error)
    return redirect("ask")


def _done(request: HttpRequest, asker: Asker) -> Answer | Preview:
    post = request.POST
    follows = _number(post.get("follows"))
    if "verified" in post:
        return run_verified(post["verified"], asker=asker)
    if "saved" in post:
        return run_saved(_number(post["saved"]) or 0, asker=asker)
    if post.get("do") == "sql":
        text = post.get("question", "")
        return run_sql(post.get("sql", ""), asker=asker, text=text, follows=follows)
    if post.get("do") == "preview":
        return preview(post.get("question", ""), asker=asker, follows=follows)
    return ask(post.get("question", ""), asker=asker, follows=follows)


def _with_sql(form: dict[str, str], error: AgnesError) -> dict[str, str]:
    """The form with the SQL that was written before it could not be run."""
    return {**form, "sql": error.details.get("sql") or form["sql"]}


def _earlier(request: HttpRequest) -> AskedQuestion | None:
    """The question of the thread that the form follows; None without one of the person's own."""
    try:
        return history.own_question(_number(request.POST.get("follows")), user=_user(request))
    except AgnesError:
        # The form's own errors say so.
        return None


def _prefilled(request: HttpRequest) -> dict[str, Any]:
    """An earlier or saved question in the form, without running it."""
    user = _user(request)
    try:
        if asked_pk := _number(request.GET.get("question")):
            asked = history.own_question(asked_pk, user=user)
            return {"opened": asked, "form": {"question": "", "sql": asked.sql if asked else ""}}
        if saved_pk := _number(request.GET.get("saved")):
            saved = history.saved_question(saved_pk, user=user)
            return {"opened_saved": saved, "form": {"question": "", "sql": saved.sql}}
    except AgnesError as error:
        return {"problem": error}
    return {}


def _shown(answer: Answer) -> dict[str, Any]:
    result = answer.result
    shown: dict[str, Any] = {"answer": answer, "opened": answer.asked}
    if result is None:
        # Refused text is shown as it stands: a parser may take any time for it.
        return shown
    numbers = [is_number(column) for column in result.columns]
    chart = chart_of(result)
    bars = chart if isinstance(chart, BarChart) else None
    rows = [
        Row(
            [
                Cell(cell_text(value), number, value is None, value)
                for value, number in zip(values, numbers, strict=True)
            ],
            (values[bars.at] or 0) if bars else None,
        )
        for values in result.rows
    ]
    return {
        **shown,
        "formatted": Checked(answer.asked.sql, (), ()).formatted,
        "columns": list(zip([column.name for column in result.columns], numbers, strict=True)),
        "rows": rows,
        "bars": bars,
        "bar_name": result.columns[bars.at].name if bars else "",
        "days": chart if isinstance(chart, DayChart) else None,
        "today": timezone.now().date(),
    }


def _page(request: HttpRequest, *, problem: AgnesError | None = None, **found: Any) -> HttpResponse:
    """With the status and the Retry-After of the problem, if there is one."""
    user = _user(request)
    provider = Provider.from_settings()
    verified = verified_questions()
    context: dict[str, Any] = {
        "provider": provider,
        "longest": LONGEST_QUESTION,
        "examples": verified[:SHOWN_EXAMPLES],
        "verified_groups": _by_language(verified),
        "history": history.questions_of(user)[:SHOWN_HISTORY],
        "saved": _saved(user),
        "form": {"question": "", "sql": ""},
        "problem": problem,
        "earlier": None,
        **found,
    }
    wait = problem.retry_after if problem else None
    return TemplateResponse(
        request,
        "ask/page.html",
        context,
        status=problem.status if problem else 200,
        headers=None if wait is None else {"Retry-After": str(wait)},
    )


def _by_language(
    questions: tuple[VerifiedQuestion, ...],
) -> list[tuple[str, str, list[VerifiedQuestion]]]:
    names = {"en": "English", "cs": "Česky"}
    return [(lang, name, [q for q in questions if q.lang == lang]) for lang, name in names.items()]


def _saved(user: User) -> list[tuple[SavedQuestion, bool]]:
    """Each with whether it is the person's own."""
    return [(saved, saved.user_id == user.pk) for saved in history.saved_for(user)]


def _asker(request: HttpRequest) -> Asker:
    return Asker(_user(request), audit.Door.PAGE, timezone.now(), request)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101 - admin_page saw to it
    return request.user


def _number(text: str | None) -> int | None:
    """A row's number as it comes in an address or a form; None for anything else."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
