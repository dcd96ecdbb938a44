"""Questions over HTTP: the answer's shape, the errors' statuses, who may."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from telemetry import mirror
from telemetry.mirror import query_slots
from tests.telemetry.api.uploading import token
from tests.telemetry.ask.asking import BASH_YESTERDAY, fill, says
from tests.telemetry.ask.conftest import KEY
from tests.telemetry.ask.messages_server import (
    MessagesServer,
    Step,
    answers,
    fails,
    hangs,
    messages_server,
    sends,
)

pytestmark = pytest.mark.django_db

QUESTION = "How many times was Bash invoked yesterday?"


@pytest.fixture(autouse=True)
def filled(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    fill()
    yield
    mirror.close()


@pytest.fixture
def server(settings: Settings) -> Iterator[MessagesServer]:
    with messages_server() as running:
        running.key = KEY
        settings.AGNES_ANTHROPIC_API_KEY = KEY
        settings.AGNES_ANTHROPIC_BASE_URL = running.url
        yield running


@pytest.fixture
def admin() -> User:
    return User.objects.create_user("ada@example.org", is_staff=True)


@pytest.fixture
def bearer(admin: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(admin, 'admin')}"}


def send(method: str, path: str, bearer: dict[str, str], body: Any = None) -> Any:
    return Client().generic(
        method,
        f"/api/admin/usage/ask{path}",
        json.dumps(body or {}),
        content_type="application/json",
        headers=bearer,
    )


def ask(bearer: dict[str, str], question: str = QUESTION) -> Any:
    return send("POST", "", bearer, {"question": question})


def test_an_answer_has_question_sql_rows_and_timings(
    server: MessagesServer, bearer: dict[str, str], admin: User
) -> None:
    server.then(says(sql=BASH_YESTERDAY, rationale="Counts."))
    answer = ask(bearer)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["question"], body["sql"], body["rationale"]) == (
        QUESTION,
        BASH_YESTERDAY,
        "Counts.",
    )
    assert body["rows"] == [{"calls": 42}]
    assert (body["row_count"], body["truncated"], body["rejected"]) == (1, False, False)
    assert {"total", "model", "guard", "query"} <= set(body["duration_ms"])
    event = AuditEvent.objects.get(action="usage.ask")
    assert (event.actor, event.door, event.resource_id) == (admin, "api", str(body["id"]))


def test_the_sql_is_returned_when_it_is_rejected(
    server: MessagesServer, bearer: dict[str, str]
) -> None:
    server.default = says(sql="SELECT * FROM duckdb_settings()")
    body = ask(bearer).json()
    assert (body["sql"], body["rejected"]) == ("SELECT * FROM duckdb_settings()", True)
    assert body["error"]["code"] == "sql_refused"
    assert body["error"]["fix"]


@pytest.mark.parametrize(
    ("step", "status", "code"),
    [
        (fails(401), 503, "llm_credentials"),
        (fails(429, retry_after="7200"), 429, "llm_rate_limited"),
        (fails(529), 503, "llm_unavailable"),
        (hangs(), 503, "llm_timeout"),
        (fails(404), 502, "llm_bad_request"),
        (sends(b"<html>"), 502, "llm_bad_output"),
        (answers("{", stop="max_tokens"), 502, "llm_truncated"),
    ],
)
def test_what_goes_wrong_with_the_model_has_a_status_and_a_code(
    server: MessagesServer,
    bearer: dict[str, str],
    settings: Settings,
    step: Step,
    status: int,
    code: str,
) -> None:
    settings.AGNES_ASK_SECONDS = 2
    server.default = step
    answer = ask(bearer)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["fix"]
    assert KEY not in answer.content.decode()
    assert answer.headers.get("Retry-After") == ("60" if status == 429 else None)


@pytest.mark.parametrize("question", ["", "   ", "x" * 1001, "a\x07b"])
def test_a_question_that_is_none_is_a_bad_request(
    server: MessagesServer, bearer: dict[str, str], question: str
) -> None:
    answer = ask(bearer, question)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_question")
    assert server.received == []


def test_no_key_is_503_with_the_setting(bearer: dict[str, str], settings: Settings) -> None:
    settings.AGNES_ANTHROPIC_API_KEY = ""
    answer = ask(bearer)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ask_not_configured")
    assert "AGNES_ANTHROPIC_API_KEY" in answer.json()["error"]["fix"]


def test_verified_questions_are_listed_and_run_without_a_key(
    bearer: dict[str, str], settings: Settings
) -> None:
    settings.AGNES_ANTHROPIC_API_KEY = ""
    listed = send("GET", "/verified", bearer).json()
    assert {"id", "lang", "text", "sql"} == set(listed[0])
    answer = send("POST", "/verified/bash-calls-yesterday", bearer).json()
    assert (answer["rows"], answer["origin"]) == ([{"calls": 42}], "verified")
    assert send("POST", "/verified/none", bearer).status_code == 404


def test_own_sql_runs_through_the_guard(bearer: dict[str, str]) -> None:
    assert send("POST", "/sql", bearer, {"sql": BASH_YESTERDAY}).json()["rows"] == [{"calls": 42}]
    assert send("POST", "/sql", bearer, {"sql": "DROP TABLE usage_events"}).json()["rejected"]


def test_the_preview_shows_the_request(server: MessagesServer, bearer: dict[str, str]) -> None:
    seen = send("POST", "/preview", bearer, {"question": QUESTION}).json()
    assert seen["address"] == f"{server.url}/v1/messages"
    assert seen["body"]["model"] == seen["model"]
    assert seen["bytes"] > 10_000
    assert server.received == []


def test_sql_that_got_no_turn_is_told_with_when_to_come_again(
    bearer: dict[str, str],
    server: MessagesServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.AGNES_ASK_MAX_QUERIES = 1
    monkeypatch.setattr(query_slots, "PATIENCE", 0.0)
    server.then(says(sql=BASH_YESTERDAY, rationale="Counts Bash."))
    with query_slots.query_slot():
        answer = send("POST", "", bearer, {"question": QUESTION})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
    details = answer.json()["error"]["details"]
    assert (details["sql"], details["rationale"]) == (BASH_YESTERDAY, "Counts Bash.")


def test_the_history_is_ones_own_and_its_rows_come_as_csv(
    bearer: dict[str, str], admin: User
) -> None:
    sql = "SELECT tool_name, sum(invocations) AS n FROM usage_tool_daily GROUP BY 1 ORDER BY 1"
    asked = send("POST", "/sql", bearer, {"sql": sql, "question": "By tool?"}).json()["id"]
    [entry] = send("GET", "/history", bearer).json()
    assert (entry["id"], entry["question"], entry["outcome"]) == (asked, "By tool?", "ok")
    file = send("GET", f"/history/{asked}/csv", bearer)
    assert file.content.decode() == "tool_name,n\r\nBash,145\r\nRead,7\r\n"
    assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
    bob = User.objects.create_user("bob@example.org", is_staff=True)
    other = {"Authorization": f"Bearer {token(bob, 'admin')}"}
    assert send("GET", "/history", other).json() == []
    assert send("GET", f"/history/{asked}/csv", other).status_code == 404


def test_a_question_without_rows_is_no_csv(bearer: dict[str, str]) -> None:
    asked = send("POST", "/sql", bearer, {"sql": "SELECT secret"}).json()["id"]
    answer = send("GET", f"/history/{asked}/csv", bearer)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "no_rows")


def test_questions_are_saved_shared_run_and_deleted(bearer: dict[str, str], admin: User) -> None:
    bob = User.objects.create_user("bob@example.org", is_staff=True)
    other = {"Authorization": f"Bearer {token(bob, 'admin')}"}
    made = send("POST", "/saved", bearer, {"name": " Bash  calls ", "sql": BASH_YESTERDAY})
    assert (made.status_code, made.json()["name"], made.json()["owner"]) == (
        201,
        "Bash calls",
        "ada",
    )
    saved = made.json()["id"]

    assert send("POST", f"/saved/{saved}/run", other).status_code == 404
    assert send("PATCH", f"/saved/{saved}", bearer, {"shared": True}).json()["shared"]
    assert send("POST", f"/saved/{saved}/run", other).json()["rows"] == [{"calls": 42}]
    assert [one["id"] for one in send("GET", "/saved", other).json()] == [saved]
    assert send("DELETE", f"/saved/{saved}", other).status_code == 404
    assert send("DELETE", f"/saved/{saved}", bearer).status_code == 204
    assert send("GET", "/saved", bearer).json() == []

    done = AuditEvent.objects.filter(resource_type="saved_question").values_list("action")
    assert sorted(done) == [("question.delete",), ("question.save",), ("question.share",)]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "", "sql": BASH_YESTERDAY}, 400, "bad_name"),
        ({"name": "x" * 101, "sql": BASH_YESTERDAY}, 400, "bad_name"),
        ({"name": "a\x00b", "sql": BASH_YESTERDAY}, 400, "bad_name"),
        ({"name": "Taken", "sql": BASH_YESTERDAY}, 409, "name_taken"),
        ({"name": "Bad", "sql": "SELECT * FROM accounts_user"}, 400, "sql_refused"),
        ({"name": "Long", "sql": BASH_YESTERDAY, "question": "x" * 1001}, 400, "bad_question"),
    ],
)
def test_what_cannot_be_saved_is_refused(
    bearer: dict[str, str], body: dict[str, str], status: int, code: str
) -> None:
    send("POST", "/saved", bearer, {"name": "Taken", "sql": BASH_YESTERDAY})
    answer = send("POST", "/saved", bearer, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ""),
        ("POST", "/preview"),
        ("POST", "/sql"),
        ("GET", "/verified"),
        ("POST", "/verified/bash-calls-yesterday"),
        ("GET", "/history"),
        ("GET", "/history/1/csv"),
        ("GET", "/saved"),
        ("POST", "/saved"),
        ("POST", "/saved/1/run"),
        ("PATCH", "/saved/1"),
        ("DELETE", "/saved/1"),
    ],
)
def test_only_admins_may(method: str, path: str, server: MessagesServer) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "": {"question": QUESTION},
        "/preview": {"question": QUESTION},
        "/sql": {"sql": BASH_YESTERDAY},
        "/saved": {"name": "n", "sql": BASH_YESTERDAY, "shared": True},
        "/saved/1": {"shared": True},
    }
    body = bodies.get(path, {})
    assert send(method, path, {}, body).status_code == 401
    bob = User.objects.create_user("bob@example.org")
    boss = User.objects.create_user("boss@example.org", is_staff=True)
    for text in (token(bob, "push", "read"), token(boss, "read")):
        answer = send(method, path, {"Authorization": f"Bearer {text}"}, body)
        assert answer.status_code == 403
    assert server.received == []
