"""A question to its answer: a real provider on this machine, the real guard, the real sandbox."""

import json
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from telemetry import mirror
from telemetry.ask import provider_errors
from telemetry.ask.conversation import BadQuestion
from telemetry.ask.run import ask, preview, run_saved, run_sql, run_verified
from telemetry.ask.verified import UnknownQuestion, verified_question
from telemetry.models import AskedQuestion
from tests.telemetry.ask.asking import BASH_YESTERDAY, asker, fill, says
from tests.telemetry.ask.conftest import KEY
from tests.telemetry.ask.messages_server import MessagesServer, answers, fails, hangs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mirror_folder")]

QUESTION = "How many times was Bash invoked yesterday?"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org", is_staff=True)


@pytest.fixture(autouse=True)
def filled(mirror_folder: Path) -> None:
    fill()


def test_a_question_gives_sql_rationale_and_rows(server: MessagesServer, ada: User) -> None:
    server.then(says(sql=BASH_YESTERDAY, rationale="Counts calls of Bash yesterday."))
    answer = ask(QUESTION, asker=asker(ada)).as_json()
    assert answer["question"] == QUESTION
    assert answer["sql"] == BASH_YESTERDAY
    assert answer["rationale"] == "Counts calls of Bash yesterday."
    assert answer["columns"] == [{"name": "calls", "type": "HUGEINT"}]
    assert answer["rows"] == [{"calls": 42}]
    assert (answer["row_count"], answer["truncated"], answer["rejected"]) == (1, False, False)
    assert [table["name"] for table in answer["tables"]] == ["usage_tool_daily"]
    assert answer["date_conditions"] == ["day = CURRENT_DATE - 1"]
    assert {"total", "model", "guard", "query"} == set(answer["duration_ms"])
    assert answer["tokens"] == {"input": 120, "output": 40, "cache_read": 3000, "cache_creation": 0}
    assert len(server.received) == 1


def test_it_is_kept_with_its_audit_row(server: MessagesServer, ada: User) -> None:
    server.then(says(sql=BASH_YESTERDAY, rationale="Counts."))
    ask(QUESTION, asker=asker(ada))
    asked = AskedQuestion.objects.get()
    assert (asked.user, asked.text, asked.outcome, asked.row_count) == (ada, QUESTION, "ok", 1)
    event = AuditEvent.objects.get(action="usage.ask")
    assert (event.actor, event.result) == (ada, AuditEvent.Result.OK)
    told = event.details
    assert (told["question"], told["sql"], told["row_count"]) == (QUESTION, BASH_YESTERDAY, 1)
    assert told["cost_usd"] == pytest.approx(0.00062)
    assert told["duration_ms"]["total"] > 0
    assert "42" not in json.dumps({k: v for k, v in told.items() if k != "duration_ms"})


def test_refused_sql_is_shown_with_the_reason(server: MessagesServer) -> None:
    bad = "SELECT password FROM accounts_user"
    server.default = says(sql=bad)
    answer = ask("Show all passwords", asker=asker()).as_json()
    assert (answer["sql"], answer["rejected"], answer["rows"]) == (bad, True, [])
    assert answer["error"]["code"] == "sql_refused"
    assert "accounts_user" in answer["error"]["message"]
    event = AuditEvent.objects.get(action="usage.ask")
    assert (event.result, event.details["sql"]) == (AuditEvent.Result.DENIED, bad)


def test_sql_that_was_refused_is_asked_for_once_more(server: MessagesServer) -> None:
    server.then(says(sql="SELECT * FROM nowhere"), says(sql=BASH_YESTERDAY))
    answer = ask(QUESTION, asker=asker()).as_json()
    assert (answer["rows"], answer["repaired"], answer["error"]) == ([{"calls": 42}], True, None)
    first, second = server.received
    assert second.body["messages"][: len(first.body["messages"])] == first.body["messages"]
    told = json.loads(second.body["messages"][-1]["content"])
    assert told["refused"] == "sql_refused: table"
    assert told["names"] == ["nowhere"]
    asked = AskedQuestion.objects.get()
    assert (asked.input_tokens, asked.output_tokens) == (240, 80)
    assert asked.cost_usd == pytest.approx(0.00124)


def test_a_column_that_is_not_there_is_told_by_class_and_name_only(server: MessagesServer) -> None:
    server.then(
        says(sql="SELECT tool_nam FROM usage_tool_daily WHERE source = 'jan-novak'"),
        says(sql=BASH_YESTERDAY),
    )
    assert ask(QUESTION, asker=asker()).as_json()["rows"] == [{"calls": 42}]
    told = json.loads(server.received[1].body["messages"][-1]["content"])
    assert told["refused"] == "BinderException"
    assert "tool_nam" in told["names"]
    assert set(told) == {"refused", "names", "wanted"}


def test_an_error_that_quotes_data_is_not_sent_back(server: MessagesServer) -> None:
    server.default = says(sql="SELECT tool_name::INTEGER AS n FROM usage_tool_daily")
    answer = ask(QUESTION, asker=asker()).as_json()
    assert answer["outcome"] == "failed"
    assert "Bash" in answer["error"]["message"]
    assert len(server.received) == 1
    kept = AskedQuestion.objects.get()
    assert kept.error_code == "query_failed"
    assert "Bash" not in kept.error
    assert "run it again" in kept.error


def test_there_is_one_repair_and_no_second(server: MessagesServer) -> None:
    server.default = says(sql="SELECT * FROM nowhere")
    answer = ask(QUESTION, asker=asker()).as_json()
    assert (answer["rejected"], answer["repaired"]) == (True, True)
    assert len(server.received) == 2


def test_a_repair_that_fails_leaves_the_first_answer(server: MessagesServer) -> None:
    server.then(says(sql="SELECT * FROM nowhere"), fails(400))
    answer = ask(QUESTION, asker=asker()).as_json()
    assert (answer["sql"], answer["rejected"]) == ("SELECT * FROM nowhere", True)
    assert answer["repaired"]
    sizes = [int(request.headers["content-length"]) for request in server.received]
    assert (answer["sent_bytes"], len(sizes)) == (sum(sizes), 2)
    assert answer["cost_usd"] == pytest.approx(0.00062)


def test_a_question_that_ends_in_an_error_keeps_what_was_sent_and_paid(
    server: MessagesServer,
) -> None:
    server.then(answers('{"kind": "sq', stop="max_tokens"))
    with pytest.raises(provider_errors.TruncatedAnswer):
        ask(QUESTION, asker=asker())
    asked = AskedQuestion.objects.get()
    [sent] = server.received
    assert asked.sent_bytes == int(sent.headers["content-length"])
    assert (asked.model, asked.output_tokens) == ("claude-haiku-4-5", 40)
    assert asked.cost_usd == pytest.approx(0.00062)
    told = AuditEvent.objects.get(action="usage.ask").details
    assert (told["sent_bytes"], told["tokens"]["output"]) == (asked.sent_bytes, 40)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("clarify", "clarify"), ("cannot_answer", "cannot_answer"), ("refuse", "refused")],
)
def test_what_is_no_sql_is_told_and_runs_nothing(
    server: MessagesServer, kind: str, outcome: str
) -> None:
    server.then(says(kind, message="Which\x00 one?\nThis or that?"))
    answer = ask("Something vague", asker=asker()).as_json()
    assert (answer["outcome"], answer["sql"]) == (outcome, None)
    assert answer["message"] == "Which one? This or that?"
    assert (answer["rejected"], answer["rows"], answer["row_count"]) == (False, [], 0)


def test_a_safety_refusal_of_the_provider_is_a_refusal(server: MessagesServer) -> None:
    server.then(answers("", stop="refusal"))
    assert ask("Something odd", asker=asker()).as_json()["outcome"] == "refused"


def test_sql_without_text_is_a_bad_answer(server: MessagesServer) -> None:
    server.then(says(sql=None))
    with pytest.raises(provider_errors.BadAnswer):
        ask(QUESTION, asker=asker())


@pytest.mark.parametrize("question", ["", "  \n", "x" * 1001, "a\x00b", "a\x1bb", "a\ud800b"])
def test_what_is_no_question_is_refused_before_anything_is_sent(
    server: MessagesServer, question: str
) -> None:
    with pytest.raises(BadQuestion) as caught:
        ask(question, asker=asker())
    assert caught.value.status == 400
    assert server.received == []


def test_a_thousand_characters_are_a_question(server: MessagesServer) -> None:
    server.then(says("refuse", message="No."))
    assert ask("ž" * 1000, asker=asker()).asked.text == "ž" * 1000


def test_without_a_key_nothing_is_sent_and_the_setting_is_named(
    server: MessagesServer, settings: Settings
) -> None:
    settings.AGNES_ANTHROPIC_API_KEY = ""
    with pytest.raises(provider_errors.NotConfigured, match="AGNES_ANTHROPIC_API_KEY") as caught:
        ask(QUESTION, asker=asker())
    assert caught.value.status == 503
    assert server.received == []
    event = AuditEvent.objects.get(action="usage.ask")
    assert (event.result, event.details["error_code"]) == ("failed", "ask_not_configured")


def test_a_provider_that_is_silent_ends_in_time_and_leaves_its_row(
    server: MessagesServer, settings: Settings
) -> None:
    settings.AGNES_ASK_SECONDS = 1
    server.default = hangs()
    with pytest.raises(provider_errors.ModelTimedOut):
        ask(QUESTION, asker=asker())
    assert AuditEvent.objects.get(action="usage.ask").details["error_code"] == "llm_timeout"


def test_no_row_of_a_result_ever_leaves_the_server(server: MessagesServer, ada: User) -> None:
    secret = "SELECT 'row-' || sum(invocations) * 1000 AS marked FROM usage_tool_daily"
    server.then(says(sql=secret), says(sql=BASH_YESTERDAY))
    first = ask("Mark it", asker=asker(ada))
    assert first.as_json()["rows"] == [{"marked": "row-152000"}]
    ask("And yesterday?", asker=asker(ada), follows=first.asked.pk)
    assert "row-152000" not in json.dumps([request.body for request in server.received])


def test_a_follow_up_sends_the_thread(server: MessagesServer, ada: User) -> None:
    server.then(
        says("clarify", message="Which tool?"),
        says(sql=BASH_YESTERDAY, rationale="Bash."),
        says(sql="SELECT 1 AS one"),
    )
    first = ask("How often?", asker=asker(ada)).asked
    second = ask("Bash, yesterday", asker=asker(ada), follows=first.pk).asked
    ask("And now?", asker=asker(ada), follows=second.pk)
    turns = [(t["role"], json.loads(t["content"])) for t in server.received[-1].body["messages"]]
    assert [role for role, _ in turns] == ["user", "assistant"] * 2 + ["user"]
    assert turns[0][1] == {"question": "How often?"}
    assert (turns[1][1]["kind"], turns[1][1]["message"]) == ("clarify", "Which tool?")
    assert (turns[3][1]["kind"], turns[3][1]["sql"]) == ("sql", BASH_YESTERDAY)
    assert turns[4][1] == {"question": "And now?"}


def test_a_long_thread_is_cut_to_its_last_questions(server: MessagesServer, ada: User) -> None:
    server.default = says("refuse", message="No.")
    follows = None
    for number in range(7):
        follows = ask(f"Number {number}", asker=asker(ada), follows=follows).asked.pk
    sent = [json.loads(t["content"]) for t in server.received[-1].body["messages"]]
    asked = [turn["question"] for turn in sent if "question" in turn]
    assert asked == ["Number 2", "Number 3", "Number 4", "Number 5", "Number 6"]


def test_nobody_follows_another_persons_question(server: MessagesServer, ada: User) -> None:
    server.then(says("refuse", message="No."))
    asked = ask("Mine", asker=asker(ada)).asked
    bob = User.objects.create_user("bob@example.org", is_staff=True)
    for other in (bob, None):
        with pytest.raises(UnknownQuestion):
            ask("Yours?", asker=asker(other), follows=asked.pk)


def test_the_preview_is_the_request_to_the_byte(server: MessagesServer, ada: User) -> None:
    server.default = says(sql=BASH_YESTERDAY)
    first = ask("First", asker=asker(ada)).asked.pk
    seen = preview("Kolik jich bylo včera?", asker=asker(ada), follows=first)
    assert len(server.received) == 1
    assert AskedQuestion.objects.count() == 1
    answer = ask("Kolik jich bylo včera?", asker=asker(ada), follows=first)
    assert server.received[-1].body == seen.body
    assert answer.asked.sent_bytes == seen.bytes
    assert seen.address == f"{server.url}/v1/messages"


def test_the_preview_needs_no_key(settings: Settings) -> None:
    settings.AGNES_ANTHROPIC_API_KEY = ""
    assert preview(QUESTION, asker=asker()).body["messages"][-1]["role"] == "user"


def test_own_sql_passes_the_same_guard_and_asks_no_model(server: MessagesServer) -> None:
    good = run_sql(BASH_YESTERDAY.replace("AS calls", "AS n"), asker=asker(), text="Bash?")
    assert (good.as_json()["rows"], good.asked.origin) == ([{"n": 42}], "own")
    bad = run_sql("SELECT * FROM read_csv('/etc/passwd')", asker=asker())
    assert bad.is_rejected
    assert server.received == []
    assert AuditEvent.objects.filter(action="usage.ask").count() == 2


def test_verified_questions_run_without_a_key(settings: Settings) -> None:
    settings.AGNES_ANTHROPIC_API_KEY = ""
    answer = run_verified("bash-calls-yesterday", asker=asker()).as_json()
    assert (answer["rows"], answer["origin"]) == ([{"calls": 42}], "verified")
    assert answer["verified_id"] == "bash-calls-yesterday"
    assert answer["sent_bytes"] == 0


def test_sql_that_equals_a_verified_one_is_verified_and_a_changed_one_is_not(
    server: MessagesServer,
) -> None:
    sql = verified_question("bash-calls-yesterday").sql
    server.then(says(sql=" ".join(sql.split())))
    assert ask(QUESTION, asker=asker()).asked.origin == "verified"
    assert run_sql(sql, asker=asker()).asked.verified_id == "bash-calls-yesterday"
    assert run_sql(sql.replace("- 1", "- 2"), asker=asker()).asked.origin == "own"


def test_a_question_that_is_not_there_is_unknown(ada: User) -> None:
    with pytest.raises(UnknownQuestion):
        run_verified("none", asker=asker())
    with pytest.raises(UnknownQuestion):
        run_saved(1, asker=asker(ada))


def test_without_a_mirror_no_model_is_asked(server: MessagesServer, settings: Settings) -> None:
    mirror.published_path().unlink()
    mirror.close()
    with pytest.raises(mirror.MirrorUnavailable):
        ask(QUESTION, asker=asker())
    assert server.received == []


def test_the_key_is_in_no_row_of_the_database(server: MessagesServer) -> None:
    server.then(fails(401))
    with pytest.raises(provider_errors.BadCredentials):
        ask(QUESTION, asker=asker())
    [asked] = AskedQuestion.objects.values()
    [event] = AuditEvent.objects.filter(action="usage.ask").values()
    assert KEY not in repr(asked) + repr(event)
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"
