"""manage.py usage_ask: what stands on the terminal, and what scripts get."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent
from telemetry.management.text_table import text_table
from telemetry.mirror import query_slots
from telemetry.models import AskedQuestion
from tests.telemetry.ask.asking import BASH_YESTERDAY, fill, says
from tests.telemetry.ask.messages_server import MessagesServer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mirror_folder")]


@pytest.fixture(autouse=True)
def filled(mirror_folder: Path) -> None:
    fill()


def told(*arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command("usage_ask", *arguments, stdout=out, **options)
    return out.getvalue()


def test_sql_that_got_no_turn_is_printed(
    server: MessagesServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AGNES_ASK_MAX_QUERIES = 1
    monkeypatch.setattr(query_slots, "PATIENCE", 0.0)
    server.then(says(sql=BASH_YESTERDAY))
    out = StringIO()
    with query_slots.query_slot(), pytest.raises(CommandError, match="Ask again"):
        call_command("usage_ask", "How many?", stdout=out)
    assert BASH_YESTERDAY in out.getvalue()


def test_a_question_prints_sql_rationale_and_a_table(server: MessagesServer) -> None:
    server.then(says(sql=BASH_YESTERDAY, rationale="Counts Bash."))
    text = told("How many times was Bash invoked yesterday?")
    assert text.startswith(
        f"{BASH_YESTERDAY}\n\nCounts Bash.\n\ncalls\n─────\n   42\n\n1 row; read "
    )
    assert "usage_tool_daily (20" in text
    assert "written by a model" in text
    assert "bytes sent to claude-haiku-4-5" in text
    event = AuditEvent.objects.get(action="usage.ask")
    assert (event.door, event.actor_label) == ("command", "system")


def test_refused_sql_is_printed_and_the_command_fails(server: MessagesServer) -> None:
    server.default = says(sql="SELECT * FROM accounts_user")
    out = StringIO()
    with pytest.raises(CommandError, match="accounts_user"):
        call_command("usage_ask", "Who?", stdout=out)
    assert out.getvalue() == "SELECT * FROM accounts_user\n\n"


def test_own_sql_and_verified_questions_need_no_model(settings: Settings) -> None:
    settings.AGNES_ANTHROPIC_API_KEY = ""
    assert "42" in told(sql=BASH_YESTERDAY)
    text = told("--verified", "bash-calls-yesterday")
    assert "42" in text
    assert "verified; nothing left this server" in text


def test_no_key_is_said_with_the_setting(settings: Settings) -> None:
    settings.AGNES_ANTHROPIC_API_KEY = ""
    with pytest.raises(CommandError, match="Set AGNES_ANTHROPIC_API_KEY"):
        told("How many?")


def test_json_is_one_object_for_scripts(server: MessagesServer) -> None:
    server.then(says(sql=BASH_YESTERDAY))
    answer = json.loads(told("How many?", json=True))
    assert answer["rows"] == [{"calls": 42}]
    assert answer["tables"][0]["first_day"] < answer["tables"][0]["last_day"]


def test_csv_is_the_rows_only() -> None:
    sql = "SELECT tool_name, sum(invocations) AS calls FROM usage_tool_daily GROUP BY 1 ORDER BY 1"
    assert told(sql=sql, csv=True) == "tool_name,calls\r\nBash,145\r\nRead,7\r\n"


def test_the_list_names_every_verified_question() -> None:
    assert "bash-calls-yesterday          How many times" in told("--list")
    assert len(json.loads(told("--list", "--json"))) >= 30


def test_the_preview_sends_and_keeps_nothing(server: MessagesServer) -> None:
    body = json.loads(told("How many?", "--preview", stderr=StringIO()))
    assert body["messages"] == [{"role": "user", "content": '{"question": "How many?"}'}]
    assert server.received == []
    assert not AskedQuestion.objects.exists()


def test_a_follow_up_names_the_earlier_question(server: MessagesServer) -> None:
    server.then(says(sql=BASH_YESTERDAY), says(sql=BASH_YESTERDAY))
    told("First")
    first = AskedQuestion.objects.get()
    told("Second", "--follow", str(first.pk))
    assert len(server.received[1].body["messages"]) == 3
    with pytest.raises(CommandError, match="no question 999"):
        told("Third", "--follow", "999")


@pytest.mark.parametrize(
    "options", [{"sql": "SELECT 1", "verified": "x"}, {"question": "q", "verified": "x"}]
)
def test_two_ways_to_ask_at_once_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(CommandError, match="one of them"):
        told(**options)


def test_an_empty_question_says_what_to_do() -> None:
    with pytest.raises(CommandError, match="The question is empty"):
        told()


def test_a_table_stands_in_columns_and_moves_no_cursor() -> None:
    lines = list(
        text_table(["name", "n"], [["a\x1b[2Jb", "5"], ["x" * 70, "1234"]], right=[False, True])
    )
    assert lines[0].split() == ["name", "n"]
    assert "\x1b" not in "".join(lines)
    assert lines[2].endswith("     5")
    assert lines[3] == f"{'x' * 59}…  1234"
