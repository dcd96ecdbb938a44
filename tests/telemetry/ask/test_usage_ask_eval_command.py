"""manage.py usage_ask_eval: a set of questions, scored, with a model that errs on purpose."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent
from telemetry.ask.evaluation import OWN_SET, read_set
from telemetry.ask.guard import check
from telemetry.ask.verified import verified_questions
from telemetry.management.commands import usage_ask_eval
from telemetry.models import AskedQuestion
from tests.telemetry.ask.asking import BASH_YESTERDAY, fill, says
from tests.telemetry.ask.conftest import KEY
from tests.telemetry.ask.messages_server import MessagesServer, fails

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mirror_folder")]

SET = """
[[question]]
id = "bash"
lang = "en"
kind = "sql"
difficulty = "easy"
text = "Bash yesterday?"
gold = "BASH"

[[question]]
id = "nastroje"
lang = "cs"
kind = "sql"
difficulty = "easy"
text = "Které nástroje?"
gold = "SELECT tool_name, sum(invocations) AS n FROM usage_tool_daily GROUP BY 1"
also = ["SELECT DISTINCT tool_name FROM usage_tool_daily"]

[[question]]
id = "prompts"
lang = "en"
kind = "cannot_answer"
difficulty = "negative"
text = "What did they write?"
"""


@pytest.fixture(autouse=True)
def filled(mirror_folder: Path) -> None:
    fill()


@pytest.fixture
def own_set(tmp_path: Path) -> Path:
    path = tmp_path / "set.toml"
    path.write_text(SET.replace("BASH", BASH_YESTERDAY))
    return path


def told(**options: Any) -> str:
    out = StringIO()
    call_command("usage_ask_eval", stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def report(own_set: Path, **options: Any) -> Any:
    return json.loads(told(set=own_set, here=True, json=True, **options))


def hits(found: Any) -> dict[str, bool]:
    return {score["id"]: score["hit"] for score in found["scores"]}


def test_right_rows_are_hits_whatever_the_columns_are_called(
    server: MessagesServer, own_set: Path
) -> None:
    server.then(
        says(sql=BASH_YESTERDAY.replace("AS calls", "AS n, 'x' AS more")),
        says(sql="SELECT tool_name AS t FROM usage_tool_daily GROUP BY tool_name"),
        says("cannot_answer", message="No prompts."),
    )
    found = report(own_set)
    assert hits(found) == {"bash": True, "nastroje": True, "prompts": True}
    assert found["match"] == {
        "all": 1,
        "lang en": 1,
        "lang cs": 1,
        "difficulty easy": 1,
        "difficulty negative": 1,
        "kind sql": 1,
        "kind cannot_answer": 1,
    }
    assert (found["ran"], found["tokens"]) == (1, 3 * 3160)
    assert found["cost_usd"] == pytest.approx(3 * 0.00062)


def test_wrong_rows_refused_sql_and_wrong_kinds_are_misses(
    server: MessagesServer, own_set: Path
) -> None:
    server.then(
        says(sql=BASH_YESTERDAY.replace("- 1", "- 2")),
        says(sql="SELECT * FROM accounts_user"),
        says(sql="SELECT * FROM accounts_user"),
        says(sql="SELECT 1 AS n"),
    )
    found = report(own_set)
    assert hits(found) == {"bash": False, "nastroje": False, "prompts": False}
    assert found["match"]["all"] == 0
    assert (found["ran"], found["repaired"]) == (0.5, 1)
    assert [score["problem"] for score in found["scores"]] == [None, "sql_refused", None]


def test_a_provider_in_trouble_is_a_miss_and_the_set_goes_on(
    server: MessagesServer, own_set: Path
) -> None:
    server.then(fails(400), says(sql="SELECT DISTINCT tool_name FROM usage_tool_daily"))
    server.default = says("cannot_answer", message="No.")
    found = report(own_set)
    assert hits(found) == {"bash": False, "nastroje": True, "prompts": True}
    assert found["scores"][0]["problem"] == "llm_bad_request"


def test_rounds_ask_again(server: MessagesServer, own_set: Path) -> None:
    server.default = says("cannot_answer", message="No.")
    found = report(own_set, rounds=3)
    assert found["questions"] == len(server.received) == 9
    assert found["match"]["all"] == pytest.approx(1 / 3)


def test_the_table_shows_each_question_and_the_groups(own_set: Path) -> None:
    text = told(set=own_set, here=True, provider="gold")
    assert "nastroje  cs" in text
    assert "lang cs                  1  100 %" in text
    assert AuditEvent.objects.get(action="usage.ask_eval").details["match"]["all"] == 1


def test_evaluation_leaves_no_history(server: MessagesServer, own_set: Path) -> None:
    server.default = says("cannot_answer", message="No.")
    report(own_set)
    assert not AskedQuestion.objects.exists()


def test_another_provider_is_named_by_its_address(
    server: MessagesServer, own_set: Path, settings: Settings
) -> None:
    settings.AGNES_ANTHROPIC_BASE_URL = "http://127.0.0.1:9"
    server.default = says("cannot_answer", message="No.")
    assert report(own_set, provider=server.url)["match"]["kind cannot_answer"] == 1
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"


def test_demos_are_made_for_it_and_every_gold_answer_is_right_on_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usage_ask_eval, "DAYS", 9)
    monkeypatch.setattr(usage_ask_eval, "PEOPLE", 3)
    found = json.loads(told(provider="gold", seeds=1, json=True))
    assert [id for id, hit in hits(found).items() if not hit] == []


def test_the_own_set_has_both_languages_and_shares_nothing_with_the_examples() -> None:
    questions = read_set(OWN_SET)
    assert {question.lang for question in questions} == {"en", "cs"}
    assert {question.kind for question in questions} == {
        "sql",
        "clarify",
        "cannot_answer",
        "refuse",
    }
    examples = {question.text for question in verified_questions()}
    assert not examples & {question.text for question in questions}
    for question in questions:
        for sql in filter(None, (question.gold, *question.also)):
            check(sql)


@pytest.mark.parametrize(
    "text",
    [
        "not toml [",
        "",
        '[[question]]\nid = "a"',
        '[[question]]\nid = "a"\nlang = "en"\nkind = "sql"\ntext = "x"',
        '[[question]]\nid = "a"\nlang = "en"\nkind = "odd"\ntext = "x"',
        '[[question]]\nid = "a"\nlang = "en"\nkind = "refuse"\ntext = "x"\nodd = 1',
    ],
)
def test_what_is_no_set_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "set.toml"
    path.write_text(text)
    with pytest.raises(CommandError, match=r"set\.toml"):
        told(set=path, here=True, provider="gold")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"provider": "gpt"}, "settings, gold or an http address"),
        ({"rounds": 0}, "at least 1"),
        ({"set": Path("/nowhere.toml")}, "nowhere"),
        ({}, "AGNES_ANTHROPIC_API_KEY"),
    ],
)
def test_what_cannot_be_evaluated_is_said(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        told(here=True, **options)
