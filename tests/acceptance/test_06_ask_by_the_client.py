"""The same questions by `agnes admin ask`: the client against a running server and a provider."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from telemetry.mirror import query_slots
from tests.acceptance.conftest import LaptopOf
from tests.agnes_cli.laptop import Laptop
from tests.telemetry.ask.asking import BASH_YESTERDAY, fill, says
from tests.telemetry.ask.messages_server import MessagesServer, messages_server

pytestmark = pytest.mark.django_db(transaction=True)

ENGLISH = "how many times was Bash invoked yesterday"
CZECH = "kolikrát byl včera spuštěn Bash"
REFUSED = "SELECT email, password FROM accounts_user"


@pytest.fixture
def model(settings: Settings) -> Iterator[MessagesServer]:
    with messages_server() as server:
        settings.AGNES_ANTHROPIC_API_KEY = server.key = "sk-acceptance"
        settings.AGNES_ANTHROPIC_BASE_URL = server.url
        yield server


@pytest.fixture
def laptop(laptop_of: LaptopOf) -> Laptop:
    fill()
    return laptop_of(User.objects.create_superuser("root@example.org", username="root"))


def ask(laptop: Laptop, *words: str) -> tuple[int, str, str]:
    return laptop.run("admin", "ask", *words)


def asked_of(model: MessagesServer) -> Any:
    return json.loads(model.received[-1].body["messages"][-1]["content"])["question"]


@pytest.mark.parametrize("question", [ENGLISH, CZECH])
def test_the_client_shows_the_select_why_and_the_right_row(
    laptop: Laptop, model: MessagesServer, question: str
) -> None:
    model.default = says(sql=BASH_YESTERDAY, rationale="Counts Bash on the day before today.")
    code, out, err = ask(laptop, *question.split())
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == [BASH_YESTERDAY, "-- Counts Bash on the day before today."]
    assert "calls" in [line.strip() for line in lines]
    assert lines[-1].strip() == "42"
    assert asked_of(model) == question
    assert AuditEvent.objects.get(action="usage.ask").door == "api"


def test_refused_sql_is_shown_and_the_reason_with_its_fix_ends_it(
    laptop: Laptop, model: MessagesServer
) -> None:
    model.default = says(sql=REFUSED)
    code, out, err = ask(laptop, "show me everybody's password")
    assert (code, out.strip()) == (5, REFUSED)
    assert "accounts_user" in err
    assert "Traceback" not in err
    told = laptop.ask("admin", "ask", "once more", code=5)
    assert told["error"]["code"] == "sql_refused"
    assert told["error"]["fix"] in err


def test_sql_that_fails_on_the_data_ends_with_the_engines_reason(
    laptop: Laptop, model: MessagesServer
) -> None:
    model.default = says(sql="SELECT tool_name::INTEGER AS n FROM usage_tool_daily")
    code, out, err = ask(laptop, "which number has each tool")
    assert (code, out.startswith("SELECT tool_name")) == (5, True)
    assert "Correct the SQL" in err


@pytest.mark.parametrize("kind", ["clarify", "cannot_answer", "refuse"])
def test_what_the_model_says_instead_of_sql_is_an_answer(
    laptop: Laptop, model: MessagesServer, kind: str
) -> None:
    model.default = says(kind, message="Lunches are not recorded.")
    code, out, err = ask(laptop, "who had which lunch")
    assert (code, out, err) == (0, "Lunches are not recorded.\n", "")


def test_without_a_key_the_setting_is_named(laptop: Laptop, settings: Settings) -> None:
    settings.AGNES_ANTHROPIC_API_KEY = ""
    code, out, err = ask(laptop, *ENGLISH.split())
    assert (code, out) == (4, "")
    assert "AGNES_ANTHROPIC_API_KEY" in err


def test_sql_that_got_no_turn_is_shown(
    laptop: Laptop, model: MessagesServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AGNES_ASK_MAX_QUERIES = 1
    monkeypatch.setattr(query_slots, "PATIENCE", 0.0)
    model.default = says(sql=BASH_YESTERDAY)
    with query_slots.query_slot():
        code, out, err = ask(laptop, *ENGLISH.split())
    assert (code, out.strip()) == (4, BASH_YESTERDAY)
    assert "Ask again" in err


def test_who_is_no_admin_is_refused(laptop_of: LaptopOf, model: MessagesServer) -> None:
    bob = User.objects.create_user("bob@example.org", username="bob")
    code, out, _ = ask(laptop_of(bob), *ENGLISH.split())
    assert (code, out, model.received) == (5, "", [])
