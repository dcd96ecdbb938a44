"""With a person go the questions of theirs and those that name them."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations import RunPython
from django.db.migrations.executor import MigrationExecutor
from pytest_django.fixtures import Settings

from accounts import audit
from accounts.models import AuditEvent, User
from telemetry import mirror
from telemetry.database_scrub import scrubbed_tables
from telemetry.erasure import Target, erase, plan_erasure
from telemetry.models import AskedQuestion, SavedQuestion
from telemetry.named_questions import find_questions
from tests.telemetry.processed_sessions import NOW, empty_storage, store_session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def mirror_folder(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield
    mirror.close()


@pytest.fixture
def jan() -> User:
    return User.objects.create_user("jan.novak@example.org", name="Jan Novák")


@pytest.fixture
def boss() -> User:
    return User.objects.create_user("boss@example.org", is_staff=True)


def asked(user: User | None, text: str = "How many?", sql: str = "SELECT 1") -> AskedQuestion:
    row = AskedQuestion.objects.create(
        user=user, text=text, sql=sql, origin="own", outcome="ok", door="page", asked_at=NOW
    )
    audit.record(
        action="usage.ask",
        door=audit.Door.PAGE,
        actor=user,
        resource_id=str(row.pk),
        details={"question": text, "sql": sql, "outcome": "ok"},
    )
    return row


def saved(user: User, name: str, sql: str = "SELECT 1") -> SavedQuestion:
    return SavedQuestion.objects.create(
        user=user, name=name, sql=sql, created_at=NOW, updated_at=NOW, shared=True
    )


@pytest.mark.parametrize(
    "text",
    [
        "What did jan-novak do?",
        "what did JAN NOVAK do",
        "co dělal Jan\n Novák.",
        "SELECT 1 WHERE username = 'jan-novak'",
        "mail jan.novak@example.org",
    ],
)
def test_a_question_that_names_the_person_whole_is_found(jan: User, boss: User, text: str) -> None:
    row = asked(boss, text)
    assert find_questions(jan).asked == [row.pk]


@pytest.mark.parametrize(
    "text", ["jan-novak-2", "old-jan-novak", "Jan", "janáček", "Jana Nováková"]
)
def test_another_name_is_not_taken_for_it(jan: User, boss: User, text: str) -> None:
    asked(boss, text)
    assert find_questions(jan).asked == []


def test_a_persons_questions_go_and_the_trail_keeps_that_they_were_asked(
    jan: User, boss: User
) -> None:
    asked(jan, "my own")
    first = asked(boss, "How many calls of jan-novak?", "SELECT 'jan-novak'")
    other = asked(boss, "How many calls?", "SELECT 2")
    AskedQuestion.objects.filter(pk=other.pk).update(follows=first)
    saved(jan, "mine")
    saved(boss, "about him", "SELECT 'jan-novak'")

    plan = erase(Target(jan), by=boss, door=audit.Door.COMMAND, now=NOW)

    assert (plan.questions, plan.saved_questions, plan.audit_texts) == (2, 1, 2)
    assert plan.others_saved == ["boss: about him"]
    assert list(AskedQuestion.objects.values_list("pk", "follows")) == [(other.pk, None)]
    assert [one.name for one in SavedQuestion.objects.all()] == ["about him"]
    trail = AuditEvent.objects.filter(action="usage.ask").order_by("pk")
    assert [event.details for event in trail] == [
        {"question": "", "sql": "", "outcome": "ok"},
        {"question": "", "sql": "", "outcome": "ok"},
        {"question": "How many calls?", "sql": "SELECT 2", "outcome": "ok"},
    ]
    assert trail[0].actor == jan


def test_a_dry_run_counts_them_and_changes_nothing(jan: User, boss: User) -> None:
    asked(jan)
    saved(jan, "mine")
    saved(boss, "about jan-novak")
    told, shown = StringIO(), StringIO()

    call_command("usage_erase", "--user", "jan-novak", "--json", stdout=told)
    call_command("usage_erase", "--user", "jan-novak", stdout=shown)

    plan = json.loads(told.getvalue())
    assert (plan["questions"], plan["saved_questions"], plan["audit_texts"]) == (1, 1, 1)
    assert plan["others_saved"] == ["boss: about jan-novak"]
    assert "1 questions of or about them" in shown.getvalue()
    assert "boss: about jan-novak" in shown.getvalue()
    assert AskedQuestion.objects.get().text == "How many?"
    assert SavedQuestion.objects.count() == 2
    assert AuditEvent.objects.get(action="usage.ask").details["sql"] == "SELECT 1"


def test_erasing_a_session_leaves_questions(jan: User) -> None:
    session = store_session(jan, "one", 1)
    asked(jan)
    target = Target(jan, session.session_id)
    assert plan_erasure(Target(jan)).questions == 1
    assert plan_erasure(target).questions == 0
    erase(target, by=None, door=audit.Door.COMMAND, now=NOW)
    assert AskedQuestion.objects.exists()


def test_the_audit_trail_is_rewritten_on_disk_too() -> None:
    assert {"accounts_auditevent", "telemetry_askedquestion"} <= set(scrubbed_tables())


def test_stored_sentences_of_the_engine_are_forgotten_by_the_migration(boss: User) -> None:
    row = asked(boss)
    AskedQuestion.objects.filter(pk=row.pk).update(
        outcome="failed", error_code="query_failed", error="Could not convert 'Jan Novák'"
    )
    kept = asked(boss)
    AskedQuestion.objects.filter(pk=kept.pk).update(error_code="llm_timeout", error="In no time.")
    executor = MigrationExecutor(connection)
    here = [("telemetry", "0012_forget_sentences_of_the_engine")]
    before = executor.loader.project_state([("telemetry", "0011_saved_views")]).apps
    [forget] = executor.loader.get_migration(*here[0]).operations
    assert isinstance(forget, RunPython)
    with connection.schema_editor() as editor:
        forget.code(before, editor)
    assert "Novák" not in AskedQuestion.objects.get(pk=row.pk).error
    assert AskedQuestion.objects.get(pk=kept.pk).error == "In no time."
