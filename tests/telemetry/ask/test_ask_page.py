"""The page where an admin asks: what the server sends without a script."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from telemetry.mirror import query_slots
from telemetry.mirror.worker_pool import pool
from telemetry.models import AskedQuestion, SavedQuestion
from tests.telemetry.ask.asking import BASH_YESTERDAY, fill, says
from tests.telemetry.ask.conftest import KEY
from tests.telemetry.ask.messages_server import MessagesServer, fails

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mirror_folder")]

ADDRESS = "/admin/telemetry/ask/"


@pytest.fixture(autouse=True)
def filled(mirror_folder: Path) -> None:
    fill()


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org", is_staff=True)


@pytest.fixture
def page(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def send(page: Client, **fields: Any) -> Any:
    return page.post(ADDRESS, fields)


def words(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_only_admins_see_it(client: Client) -> None:
    assert client.get(ADDRESS).status_code == 302
    client.force_login(User.objects.create_user("bob@example.org"))
    assert client.get(ADDRESS).status_code == 403
    assert send(client, question="Who?").status_code == 403
    assert client.post("/admin/telemetry/ask/save").status_code == 403
    assert not AskedQuestion.objects.exists()


def test_the_navigation_of_the_admin_leads_to_it(page: Client) -> None:
    assert f'href="{ADDRESS}"' in page.get("/admin/telemetry/askedquestion/").content.decode()


def test_opening_the_page_has_a_process_ready_also_when_the_last_one_ended(page: Client) -> None:
    pool.close()
    page.get(ADDRESS)
    [first] = pool._spare
    page.get(ADDRESS)
    assert pool._spare == [first]
    first.process.kill()
    first.process.wait()
    page.get(ADDRESS)
    [second] = pool._spare
    assert (second is first, second.process.poll()) == (False, None)


def test_it_offers_examples_and_all_verified_questions(page: Client) -> None:
    text = words(page.get(ADDRESS))
    assert "How many times was Bash invoked yesterday?" in text
    assert "Kdo za posledních 7 dní nepoužil žádný plugin?" in text


def test_without_a_key_it_says_so_and_verified_questions_run(
    page: Client, settings: Settings
) -> None:
    settings.AGNES_ANTHROPIC_API_KEY = ""
    assert "set AGNES_ANTHROPIC_API_KEY and restart Agnes" in words(page.get(ADDRESS))
    refused = send(page, question="How many?", do="ask")
    assert refused.status_code == 503
    assert "No language model is configured." in words(refused)
    answered = send(page, verified="bash-calls-yesterday")
    assert answered.status_code == 200
    assert "42" in words(answered)


def test_an_answer_shows_sql_rows_tables_dates_and_what_left(
    page: Client, server: MessagesServer
) -> None:
    server.then(says(sql=BASH_YESTERDAY, rationale="Counts Bash."))
    answer = send(page, question="How many?", do="ask")
    text = words(answer)
    assert "Counts Bash." in text
    assert "generated" in text
    assert "usage_tool_daily" in text
    assert "day = CURRENT_DATE - 1" in text
    assert "no rows of results" in text
    assert "Laid out for reading" in text
    assert '<td class="number" data-value="42">42</td>' in answer.content.decode()
    assert AuditEvent.objects.get(action="usage.ask").door == "page"


def test_refused_sql_stands_in_the_editor_with_the_reason(
    page: Client, server: MessagesServer
) -> None:
    server.default = says(sql="SELECT * FROM accounts_user")
    answer = send(page, question="Who?", do="ask")
    assert "This SQL may not run." in words(answer)
    assert "SELECT * FROM accounts_user</textarea>" in answer.content.decode()
    assert "Laid out for reading" not in words(answer)


def test_edited_sql_runs_again_without_the_model_and_keeps_the_thread(
    page: Client, server: MessagesServer
) -> None:
    server.then(says(sql=BASH_YESTERDAY))
    send(page, question="How many?", do="ask")
    first = AskedQuestion.objects.get()
    edited = BASH_YESTERDAY.replace("- 1", "- 2")
    answer = send(page, sql=edited, question="How many?", follows=first.pk, do="sql")
    assert "100" in words(answer)
    assert "your own SQL" in words(answer)
    assert AskedQuestion.objects.latest("pk").follows == first
    assert len(server.received) == 1


def test_a_provider_in_trouble_leaves_the_question_in_the_box(
    page: Client, server: MessagesServer
) -> None:
    server.default = fails(401)
    answer = send(page, question="Kolik?", do="ask")
    assert answer.status_code == 503
    assert ">Kolik?</textarea>" in answer.content.decode()
    assert KEY not in answer.content.decode()


@pytest.mark.parametrize("question", ["", "x" * 1001])
def test_what_is_no_question_says_why(page: Client, server: MessagesServer, question: str) -> None:
    assert send(page, question=question, do="ask").status_code == 400
    assert server.received == []


def test_the_preview_shows_the_request_and_sends_nothing(
    page: Client, server: MessagesServer
) -> None:
    text = words(send(page, question="How many?", do="preview"))
    assert "What would be sent" in text
    assert f"{server.url}/v1/messages" in text
    assert server.received == []


def test_preview_and_errors_keep_the_thread(page: Client, server: MessagesServer) -> None:
    server.then(says(sql=BASH_YESTERDAY), fails(401))
    send(page, question="How many?", do="ask")
    first = AskedQuestion.objects.get()
    kept = f'name="follows" value="{first.pk}" checked'
    for do in ("preview", "ask"):
        answer = send(page, question="And the day before?", follows=first.pk, do=do)
        assert kept in answer.content.decode()
        assert ">And the day before?</textarea>" in answer.content.decode()
    assert kept not in send(page, question="New", do="preview").content.decode()
    page.force_login(User.objects.create_user("bob@example.org", is_staff=True))
    foreign = send(page, question="Mine", follows=first.pk, do="preview")
    assert (foreign.status_code, kept in foreign.content.decode()) == (404, False)


def test_sql_that_got_no_turn_stands_in_the_editor(
    page: Client, server: MessagesServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AGNES_ASK_MAX_QUERIES = 1
    monkeypatch.setattr(query_slots, "PATIENCE", 0.0)
    server.then(says(sql=BASH_YESTERDAY, rationale="Counts Bash."))
    with query_slots.query_slot():
        answer = send(page, question="How many?", do="ask")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
    body = answer.content.decode()
    assert f"{BASH_YESTERDAY.replace(chr(39), '&#x27;')}</textarea>" in body
    assert ">How many?</textarea>" in body
    assert 'name="rationale" value="Counts Bash."' in body


def test_a_name_that_is_taken_loses_nothing_of_the_form(page: Client) -> None:
    fields = {"name": "Mine", "sql": "SELECT 1 AS n", "question": "How many?", "rationale": "One."}
    assert page.post(f"{ADDRESS}save", fields).status_code == 302
    answer = page.post(f"{ADDRESS}save", {**fields, "shared": "on"})
    body = answer.content.decode()
    assert answer.status_code == 409
    assert 'maxlength="100" value="Mine"' in body
    assert 'name="shared" checked' in body
    assert 'name="rationale" value="One."' in body
    assert body.count('name="question" value="How many?"') == 2
    assert '<details class="details" open>' in body


def test_hostile_names_in_rows_questions_and_errors_are_text(
    page: Client, server: MessagesServer
) -> None:
    hostile = "<script>alert(1)</script>"
    server.default = says(
        sql=f"SELECT '{hostile}' AS a, '</textarea>' AS \"<b>\"", rationale=hostile
    )
    body = send(page, question=hostile, do="ask").content.decode()
    assert hostile not in body
    assert "&lt;script&gt;" in body
    assert body.count("</textarea>") == 2
    refused = send(page, sql=f'TABLE "{hostile}"', do="sql").content.decode()
    assert hostile not in refused


def test_an_earlier_question_opens_without_running(page: Client, ada: User) -> None:
    send(page, verified="bash-calls-yesterday")
    asked = AskedQuestion.objects.get()
    text = words(page.get(f"{ADDRESS}?question={asked.pk}"))
    assert "Rows are not kept" in text
    assert AskedQuestion.objects.count() == 1
    page.force_login(User.objects.create_user("bob@example.org", is_staff=True))
    assert page.get(f"{ADDRESS}?question={asked.pk}").status_code == 404
    assert page.get(f"{ADDRESS}?question=1;drop").status_code == 200


def test_rows_come_as_csv(page: Client) -> None:
    send(page, sql="SELECT tool_name FROM usage_tool_daily GROUP BY 1 ORDER BY 1", do="sql")
    asked = AskedQuestion.objects.get()
    file = page.post(f"{ADDRESS}{asked.pk}/rows.csv")
    assert file.content.decode() == "tool_name\r\nBash\r\nRead\r\n"
    assert "attachment" in file.headers["Content-Disposition"]
    assert page.get(f"{ADDRESS}{asked.pk}/rows.csv").status_code == 405


def test_a_question_is_saved_shared_run_by_others_and_deleted(page: Client, ada: User) -> None:
    fields = {"name": "Bash", "sql": BASH_YESTERDAY, "question": "How many?", "shared": "on"}
    assert page.post(f"{ADDRESS}save", fields).status_code == 302
    saved = SavedQuestion.objects.get()
    assert (saved.user, saved.shared) == (ada, True)
    assert page.post(f"{ADDRESS}save", fields).status_code == 409

    other = Client()
    other.force_login(User.objects.create_user("bob@example.org", is_staff=True))
    text = words(other.get(ADDRESS))
    assert "Bash by ada" in text
    assert "42" in words(send(other, saved=saved.pk))
    assert BASH_YESTERDAY.split()[0] in words(other.get(f"{ADDRESS}?saved={saved.pk}"))
    assert other.post(f"{ADDRESS}saved/{saved.pk}", {"do": "delete"}).status_code == 404

    page.post(f"{ADDRESS}saved/{saved.pk}", {"do": "unshare"})
    assert send(other, saved=saved.pk).status_code == 404
    page.post(f"{ADDRESS}saved/{saved.pk}", {"do": "delete"})
    assert not SavedQuestion.objects.exists()


def test_no_rows_and_no_mirror_are_said_in_words(page: Client, settings: Settings) -> None:
    empty = send(page, sql="SELECT day FROM usage_tool_daily WHERE false", do="sql")
    assert "No rows" in words(empty)
    settings.AGNES_MIRROR_DIR = Path(settings.AGNES_MIRROR_DIR) / "elsewhere"
    answer = send(page, sql="SELECT day FROM usage_tool_daily", do="sql")
    assert answer.status_code == 503
    assert "usage_mirror rebuild" in words(answer)


def test_a_chart_by_day_is_drawn_and_bars_for_names(page: Client) -> None:
    days = "SELECT day, tool_name, sum(invocations) AS n FROM usage_tool_daily GROUP BY ALL"
    assert "n by day" in send(page, sql=days, do="sql").content.decode()
    names = "SELECT tool_name, sum(invocations) AS n FROM usage_tool_daily GROUP BY ALL"
    assert "n as a bar" in words(send(page, sql=names, do="sql"))
