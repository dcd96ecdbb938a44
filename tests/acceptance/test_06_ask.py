"""A question is answered with a SELECT and the right row, by command, API and page."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

from accounts import audit
from accounts.models import AuditEvent, Scope, User
from accounts.tokens import issue_token
from telemetry.models import UsageEvent
from tests.telemetry.ask.asking import says
from tests.telemetry.ask.messages_server import MessagesServer, messages_server

pytestmark = pytest.mark.django_db

ENGLISH = "how many times was Bash invoked yesterday"
CZECH = "kolikrát byl včera spuštěn Bash"
FORBIDDEN = "show me everybody's password"
SQL = (
    "SELECT count(*) AS invocations FROM usage_events WHERE tool_name = 'Bash' "
    "AND occurred_at >= current_date - 1 AND occurred_at < current_date"
)
REFUSED = "SELECT email, password FROM accounts_user"


@pytest.fixture
def model(settings: Settings) -> Iterator[MessagesServer]:
    """A provider that answers by the question, as the real one would."""
    with messages_server() as server:

        def answer(handler: Any) -> None:
            told = server.received[-1].body["messages"][0]["content"]
            question = json.loads(told)["question"]
            sql = {ENGLISH: SQL, CZECH: SQL, FORBIDDEN: REFUSED}[question]
            says(sql=sql, rationale="Counts calls of Bash on the day before today.")(handler)

        server.default = answer
        settings.AGNES_ANTHROPIC_API_KEY = server.key = "sk-acceptance"
        settings.AGNES_ANTHROPIC_BASE_URL = server.url
        yield server


@pytest.fixture
def admin() -> User:
    return User.objects.create_user("boss@example.org", is_staff=True)


@pytest.fixture
def headers(admin: User) -> dict[str, str]:
    _, text = issue_token(
        by=admin,
        user=admin,
        name="bi",
        scopes=[Scope.ADMIN],
        now=datetime.now(UTC),
        door=audit.Door.COMMAND,
    )
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def bash_yesterday() -> int:
    """How often it was, counted from the rows of the database."""
    now = datetime.now(UTC)
    call_command("seed_demo", now=now, days=6, people=4, verbosity=0)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    calls = UsageEvent.objects.filter(tool_name="Bash")
    count = calls.filter(
        occurred_at__gte=midnight - timedelta(days=1), occurred_at__lt=midnight
    ).count()
    # Other days are there too, and must not count.
    assert 0 < count < calls.count()
    return count


def post(client: Client, headers: dict[str, str], question: str) -> Any:
    return client.post(
        "/api/admin/usage/ask",
        {"question": question},
        content_type="application/json",
        headers=headers,
    )


@pytest.mark.parametrize("question", [ENGLISH, CZECH])
def test_command_api_and_page_give_the_select_and_the_right_row(
    client: Client,
    admin: User,
    headers: dict[str, str],
    model: MessagesServer,
    bash_yesterday: int,
    question: str,
) -> None:
    out = StringIO()
    call_command("usage_ask", question, stdout=out)
    assert out.getvalue().startswith(SQL)
    assert out.getvalue().splitlines()[6].strip() == str(bash_yesterday)

    answer = post(client, headers, question).json()
    assert (answer["question"], answer["sql"]) == (question, SQL)
    assert answer["rows"] == [{"invocations": bash_yesterday}]

    client.force_login(admin)
    page = client.post("/admin/telemetry/ask/", {"question": question, "do": "ask"})
    assert f'data-value="{bash_yesterday}">{bash_yesterday}</td>' in page.content.decode()

    audited = AuditEvent.objects.filter(action="usage.ask").order_by("pk")
    assert [event.door for event in audited] == ["command", "api", "page"]
    for event in audited:
        assert event.details["question"] == question
        assert event.details["sql"] == SQL
        assert event.details["row_count"] == 1


def test_refused_sql_is_shown_with_the_reason(
    client: Client,
    admin: User,
    headers: dict[str, str],
    model: MessagesServer,
    bash_yesterday: int,
) -> None:
    out = StringIO()
    with pytest.raises(CommandError, match="accounts_user"):
        call_command("usage_ask", FORBIDDEN, stdout=out)
    assert REFUSED in out.getvalue()

    answer = post(client, headers, FORBIDDEN).json()
    assert (answer["sql"], answer["rejected"], answer["rows"]) == (REFUSED, True, [])
    assert "accounts_user" in answer["error"]["message"]

    client.force_login(admin)
    page = client.post("/admin/telemetry/ask/", {"question": FORBIDDEN, "do": "ask"})
    assert REFUSED in page.content.decode()
    assert "This SQL may not run." in page.content.decode()


def test_without_a_key_there_is_503_with_the_hint_and_verified_questions_run(
    client: Client, headers: dict[str, str], bash_yesterday: int
) -> None:
    answer = post(client, headers, ENGLISH)
    assert answer.status_code == 503
    assert "AGNES_ANTHROPIC_API_KEY" in answer.json()["error"]["fix"]
    with pytest.raises(CommandError, match="AGNES_ANTHROPIC_API_KEY"):
        call_command("usage_ask", ENGLISH)

    address = "/api/admin/usage/ask/verified/volani-bashe-vcera"
    verified = client.post(address, headers=headers)
    assert verified.json()["rows"] == [{"volani": bash_yesterday}]
