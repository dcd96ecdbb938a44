"""People reach what is theirs over the API, and nobody else's."""

import json
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from telemetry.models import Session
from telemetry.transcript_store import accept
from tests.telemetry.api.uploading import error, token
from tests.telemetry.processed_sessions import empty_storage
from tests.telemetry.transcript_lines import line, session_of, transcript

pytestmark = pytest.mark.django_db(transaction=True)

OWN, OTHERS = session_of("me own"), session_of("me others")
SECRET = "AKIA" + "Y7QWERTZUIOPASDF"


@pytest.fixture(autouse=True)
def _storage() -> None:
    empty_storage()


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob@example.org")


def store(user: User, session_id: str, content: bytes | None = None) -> None:
    now: datetime = timezone.now()
    content = transcript(session_id, range(4)) if content is None else content
    accept(user=user, name=f"{session_id}.jsonl", content=content, now=now)


class Caller:
    def __init__(self, user: User, *scopes: str) -> None:
        self.headers = {"Authorization": f"Bearer {token(user, *(scopes or ('push', 'read')))}"}
        self.client = Client()

    def __call__(self, method: str, path: str, data: object = None) -> Any:
        body = json.dumps(data) if data is not None else ""
        return self.client.generic(
            method, f"/api/me{path}", body, "application/json", headers=self.headers
        )


@pytest.fixture
def ask(ada: User) -> Caller:
    return Caller(ada)


def test_me_tells_who_and_what_the_token_may(ask: Caller, ada: User) -> None:
    told = ask("GET", "").json()
    assert (told["username"], told["scopes"]) == (ada.username, ["push", "read"])
    assert Client().get("/api/me").status_code == 401


def test_own_sessions_are_listed_with_figures_and_others_are_not(
    ask: Caller, ada: User, bob: User
) -> None:
    store(ada, OWN)
    store(bob, OTHERS)
    assert [one["prompts"] for one in ask("GET", "/sessions").json()["sessions"]] == [None]
    call_command("usage_process", "--processes", "1", stdout=StringIO())
    told = ask("GET", "/sessions?limit=1").json()
    assert (told["total"], told["sessions"][0]["session_id"]) == (1, OWN)
    assert ask("GET", f"/sessions/{OWN}").json()["prompts"] == 4


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("GET", "/download"), ("DELETE", "")])
def test_anothers_session_is_not_there(ask: Caller, bob: User, method: str, rest: str) -> None:
    store(bob, OTHERS)
    assert error(ask(method, f"/sessions/{OTHERS}{rest}"), 404)["code"] == "no_such_session"
    assert Session.objects.filter(user=bob).exists()


def test_a_download_has_all_lines_without_secrets_and_is_audited(ask: Caller, ada: User) -> None:
    store(ada, OWN, transcript(OWN, range(3)) + line(OWN, 3, f"key {SECRET}"))
    answer = ask("GET", f"/sessions/{OWN}/download")
    lines = answer.getvalue().splitlines()
    assert len(lines) == 4
    assert json.loads(lines[3])["message"]["content"] == "key [REDACTED:aws-access-token]"
    assert AuditEvent.objects.get(action="session.download").subject == ada


def test_an_erased_session_of_ones_own_is_gone_and_stays_away(ask: Caller, ada: User) -> None:
    store(ada, OWN)
    assert ask("DELETE", f"/sessions/{OWN}").status_code == 204
    assert not Session.objects.exists()
    assert AuditEvent.objects.get(action="usage.erase").actor == ada
    assert ask("DELETE", f"/sessions/{OWN}").status_code == 404


def test_private_sessions_are_marked_listed_and_taken_back(ask: Caller) -> None:
    body = {"lines": ["ab" * 32], "purge": False}
    told = ask("PUT", f"/private-sessions/{OWN}", body).json()
    assert told == {"session_id": OWN, "stored": False, "purged": []}
    assert ask("GET", "/private-sessions").json() == {"sessions": [OWN]}
    assert ask("DELETE", f"/private-sessions/{OWN}").status_code == 204
    assert error(ask("DELETE", f"/private-sessions/{OWN}"), 404)["code"] == "not_private"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"/private-sessions/{OWN}", {"lines": ["x"]}, 422),
        (f"/private-sessions/{OWN}", {"lines": ["ab" * 32] * 51}, 422),
        ("/private-sessions/%00", {}, 422),
        ("/private-sessions/" + "a" * 300, {}, 422),
        ("/opt-out", {"telemetry_opt_out": "perhaps"}, 422),
    ],
)
def test_what_cannot_be_is_refused(ask: Caller, path: str, body: object, status: int) -> None:
    assert error(ask("PUT", path, body), status)


def test_a_token_that_only_reads_marks_nothing(ada: User) -> None:
    ask = Caller(ada, "read")
    assert error(ask("PUT", f"/private-sessions/{OWN}", {}), 403)["code"] == "missing_scope"
    assert error(ask("PUT", "/opt-out", {"telemetry_opt_out": True}), 403)


def test_an_opt_out_is_kept_audited_and_refuses_uploads(ask: Caller, ada: User) -> None:
    told = ask("PUT", "/opt-out", {"telemetry_opt_out": True}).json()
    assert told["telemetry_opt_out"] is True
    ask("PUT", "/opt-out", {"telemetry_opt_out": True})
    answer = ask.client.post(
        f"/api/sessions?name={OWN}.jsonl",
        transcript(OWN, range(2)),
        content_type="application/x-ndjson",
        headers=ask.headers,
    )
    assert error(answer, 403)["code"] == "opted_out"
    assert AuditEvent.objects.filter(action="user.opt_out", subject=ada).count() == 1
