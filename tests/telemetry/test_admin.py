"""The lists and pages of telemetry in the Django admin, over a small demo."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.management import call_command
from django.db import connection, models, transaction
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoDbBlocker

from accounts.models import AuditEvent, User
from telemetry import mirror
from telemetry.admin import base
from telemetry.mirror_trouble import mirror_trouble
from telemetry.models import (
    AskedQuestion,
    DoomedBlob,
    IdentityKey,
    ImportedFile,
    PendingChange,
    PrivateLine,
    PrivateMark,
    ProcessorState,
    SavedQuestion,
    SavedView,
    Session,
    SessionIdentity,
    Tombstone,
    TranscriptFile,
    UsageEvent,
    UsageResponse,
    UsageSessionSummary,
    Watermark,
)
from telemetry.tombstones import erased_sessions, leave_tombstone, session_digest
from telemetry.worker_trouble import worker_trouble

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)
MODELS = sorted(apps.get_app_config("telemetry").get_models(), key=lambda model: model.__name__)
Status = ProcessorState.Status


@pytest.fixture(scope="module", autouse=True)
def seeded(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("mirror")
    with (
        override_settings(AGNES_MIRROR_DIR=folder),
        django_db_blocker.unblock(),
        transaction.atomic(),
    ):
        call_command("seed_demo", now=NOW, days=9, people=3, verbosity=0)
        add_rows_that_no_seed_leaves()
        yield
        transaction.set_rollback(True)
        mirror.close()


def add_rows_that_no_seed_leaves() -> None:
    user = User.objects.get(username="edda-lindqvist")
    for number in range(20):
        leave_tombstone(Tombstone.Kind.SESSION, f"{number:064x}", now=NOW)
        mark = PrivateMark.objects.create(user=user, session_id=f"private {number}", created_at=NOW)
        PrivateLine.objects.create(mark=mark, digest=f"{number:064x}")
        DoomedBlob.objects.create(blob=f"blob {number}", created_at=NOW)
        PendingChange.objects.create(consumer="nobody", kind="day", key=str(number))
        Watermark.objects.create(name=f"mark {number}", day=NOW.date(), updated_at=NOW)
        ImportedFile.objects.create(
            user=user,
            path=f"/home/edda/{number}.jsonl",
            path_key=str(number),
            size=1,
            mtime_ns=1,
            inode=1,
            rules=1,
            seen_at=NOW,
        )
        AskedQuestion.objects.create(
            user=user, text="Who?", origin="generated", outcome="ok", door="page", asked_at=NOW
        )
        SavedView.objects.create(user=user, name=f"view {number}", created_at=NOW)
        SavedQuestion.objects.create(
            user=user, name=f"saved {number}", sql="SELECT 1", created_at=NOW, updated_at=NOW
        )


@pytest.fixture
def ada(client: Client) -> User:
    ada = User.objects.create_user("ada@example.org", is_staff=True)
    client.force_login(ada)
    return ada


def list_of(model: type[models.Model], query: str = "") -> str:
    return reverse(f"admin:telemetry_{model._meta.model_name}_changelist") + query


def page_of(row: models.Model) -> str:
    return reverse(f"admin:telemetry_{row._meta.model_name}_change", args=[row.pk])


def queries_of_list(client: Client, model: type[models.Model], rows: int) -> int:
    # Looked up once in a while and then remembered.
    mirror_trouble()
    worker_trouble()
    with pytest.MonkeyPatch.context() as patch, CaptureQueriesContext(connection) as queries:
        patch.setattr(admin.site.get_model_admin(model), "list_per_page", rows)
        page = client.get(list_of(model))
    assert page.status_code == 200
    shown = len(page.context["cl"].result_list)
    assert shown == min(rows, model._default_manager.count())
    return len(queries)


def test_every_table_has_a_list() -> None:
    tables = [model for model in MODELS if not model._meta.auto_created]
    assert [model.__name__ for model in tables if not admin.site.is_registered(model)] == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_takes_as_many_queries_for_twenty_rows_as_for_two(
    client: Client, ada: User, model: type[models.Model]
) -> None:
    assert queries_of_list(client, model, 20) == queries_of_list(client, model, 2)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_row_opens_and_offers_no_change(
    client: Client, ada: User, model: type[models.Model]
) -> None:
    row = model._default_manager.first()
    if row is None:
        pytest.fail(f"nothing to look at in {model.__name__}")
    page = client.get(page_of(row))
    assert page.status_code == 200
    text = page.content.decode()
    assert 'name="_save"' not in text
    assert "/delete/" not in text
    assert client.post(page_of(row), {}).status_code == 403
    address = reverse(f"admin:telemetry_{model._meta.model_name}_delete", args=[row.pk])
    assert client.post(address, {"post": "yes"}).status_code == 403
    assert client.get(reverse(f"admin:telemetry_{model._meta.model_name}_add")).status_code == 403


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_filter_of_a_list_works(client: Client, ada: User, model: type[models.Model]) -> None:
    changes = client.get(list_of(model)).context["cl"]
    # The first choice of each is "all", the last one stands for the others.
    queries = [list(spec.choices(changes))[-1]["query_string"] for spec in changes.filter_specs]
    for query in queries:
        # A filter that the list does not take leads back to the whole list.
        assert client.get(list_of(model, query)).status_code == 200, query


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_search_box_takes_any_words(
    client: Client, ada: User, model: type[models.Model]
) -> None:
    assert client.get(list_of(model, "?q=edda-lindqvist")).status_code == 200
    assert client.get(list_of(model, "?q=no+such+%27thing%27")).status_code == 200


def found(client: Client, model: type[models.Model], query: str) -> int:
    count: int = client.get(list_of(model, query)).context["cl"].result_count
    return count


def test_events_are_found_by_person_session_call_and_name(client: Client, ada: User) -> None:
    event = UsageEvent.objects.filter(tool_name="Bash").first()
    assert event is not None
    of_person = UsageEvent.objects.filter(username=event.username).count()
    assert found(client, UsageEvent, f"?q={event.username}") == of_person
    of_session = UsageEvent.objects.filter(session_id=event.session_id).count()
    assert found(client, UsageEvent, f"?q={event.session_id}") == of_session
    assert found(client, UsageEvent, f"?q={event.tool_use_id}") == 1
    bash = UsageEvent.objects.filter(tool_name="Bash").count()
    assert found(client, UsageEvent, "?q=Bash") == bash


def test_a_response_is_found_by_its_message_id(client: Client, ada: User) -> None:
    response = UsageResponse.objects.first()
    assert response is not None
    assert found(client, UsageResponse, f"?q={response.message_id}") == 1
    assert found(client, IdentityKey, f"?q={response.message_id}") == 1


def test_token_counts_that_are_lower_bounds_say_so(client: Client, ada: User) -> None:
    summary = UsageSessionSummary.objects.filter(responses__gt=0).latest("started_at")
    shares = {1.0: None, 0.996: "99.6 %", 0.25: "25 %", 0.0: "0 %"}
    for share, text in shares.items():
        UsageSessionSummary.objects.filter(pk=summary.pk).update(usage_final_share=share)
        for address in (list_of(UsageSessionSummary), page_of(summary)):
            cells = client.get(address).content.decode()
            said = f"lower bound: {text} of the responses have final counts"
            assert (said in cells) == (text is not None), (share, address)


def test_a_session_leads_to_all_that_hangs_on_it(client: Client, ada: User) -> None:
    session = Session.objects.filter(files__kind=TranscriptFile.Kind.SUBAGENT).first()
    assert session is not None
    text = client.get(page_of(session)).content.decode()
    assert "usage_erase" in text
    assert reverse("admin:accounts_user_change", args=[session.user_id]) in text
    for file in session.files.all():
        assert page_of(file) in text
    own = f"?session_row__id__exact={session.pk}"
    assert list_of(UsageEvent, own) in text
    assert found(client, UsageEvent, own) == UsageEvent.objects.filter(session_row=session).count()
    states = f"?session__id__exact={session.pk}"
    assert list_of(ProcessorState, states) in text
    assert found(client, ProcessorState, states) == 2


def test_a_session_is_not_deleted_from_the_list_and_the_page_says_how_to_erase(
    client: Client, ada: User
) -> None:
    page = client.get(list_of(Session))
    assert "usage_erase" in page.content.decode()
    assert not page.context["cl"].model_admin.get_actions(page.wsgi_request)


def test_no_raw_bytes_are_shown(client: Client, ada: User) -> None:
    identity = SessionIdentity.objects.first()
    assert identity is not None
    text = client.get(page_of(identity)).content.decode()
    assert str(bytes(identity.keys)[:12]) not in text
    assert f">{len(identity.keys) // 8}<" in text


def test_a_long_list_says_where_it_ends(
    client: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "MOST_LISTED", 60)
    page = client.get(list_of(UsageEvent))
    assert page.context["cl"].result_count == 60
    assert "The list ends after 60 rows" in page.content.decode()
    assert "The list ends" not in client.get(list_of(Tombstone)).content.decode()


def test_filters_look_through_the_newest_rows_and_say_so(
    client: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = UsageEvent.objects.filter(tool_name="Bash").earliest("occurred_at")
    oldest = f"?session_row__id__exact={event.session_row_id}&event_type__exact=tool_use"
    everything = found(client, UsageEvent, "?event_type__exact=tool_use")
    of_session = found(client, UsageEvent, oldest)
    monkeypatch.setattr(base, "MOST_SEARCHED", 40)

    page = client.get(list_of(UsageEvent, "?event_type__exact=tool_use"))
    assert 0 < page.context["cl"].result_count < everything
    assert "Only the newest rows" in page.content.decode()
    assert found(client, UsageEvent, "?q=Bash") <= 41
    # What an index finds is found however old it is.
    assert found(client, UsageEvent, oldest) == of_session > 0
    assert found(client, UsageEvent, f"?q={event.tool_use_id}") == 1
    assert "Only the newest rows" not in client.get(list_of(UsageEvent)).content.decode()


def test_opening_the_list_of_events_never_counts_or_sorts_the_whole_table(
    client: Client, ada: User
) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get(list_of(UsageEvent))
    read = [query["sql"] for query in queries if "usage_events" in query["sql"]]
    assert len(read) == 2
    assert all("LIMIT" in sql for sql in read)
    assert not any("DISTINCT" in sql or "JOIN" in sql for sql in read)


def run_action(
    client: Client,
    model: type[models.Model],
    action: str,
    rows: list[models.Model],
    query: str = "",
) -> str:
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(list_of(model, query), data, follow=True).content.decode()


def test_failed_and_quarantined_sessions_are_tried_again(client: Client, ada: User) -> None:
    states = list(ProcessorState.objects.order_by("pk")[:4])
    for state, status, claimed_by in zip(
        states,
        (Status.FAILED, Status.QUARANTINED, Status.DONE, Status.FAILED),
        ("", "", "", "elsewhere:1:abcd"),
        strict=True,
    ):
        ProcessorState.objects.filter(pk=state.pk).update(
            status=status, claimed_by=claimed_by, attempts=5, due_at=None, error="x"
        )
    said = run_action(client, ProcessorState, "try_again", list(states))
    assert "2 will be tried again soon. 2 had not failed" in said
    due = ProcessorState.objects.filter(status=Status.DUE, attempts=0, error="").exclude(
        due_at=None
    )
    assert set(due) == set(states[:2])
    event = AuditEvent.objects.get(action="usage.process", actor=ada)
    assert event.details == {"retried": 2}


def test_what_was_done_is_told_where_the_list_is_filtered_by_it(client: Client, ada: User) -> None:
    state = ProcessorState.objects.latest("pk")
    ProcessorState.objects.filter(pk=state.pk).update(status=Status.FAILED)
    said = run_action(client, ProcessorState, "try_again", [state], "?status__exact=failed")
    assert "1 will be tried again soon." in said
    assert "had not failed" not in said
    tombstone = Tombstone.objects.latest("pk")
    said = run_action(client, Tombstone, "lift", [tombstone], "?lifted_at__isempty=1")
    assert "Lifted 1 of 1." in said


def test_a_lifted_tombstone_lets_the_session_in_again(client: Client, ada: User) -> None:
    leave_tombstone(Tombstone.Kind.SESSION, session_digest(ada.pk, "s1"), now=NOW)
    tombstone = Tombstone.objects.get(digest=session_digest(ada.pk, "s1"))
    assert erased_sessions(ada.pk, ["s1"]) == {"s1"}
    assert "Lifted 1 of 1." in run_action(client, Tombstone, "lift", [tombstone])
    assert erased_sessions(ada.pk, ["s1"]) == set()
    assert AuditEvent.objects.get(action="usage.erase", actor=ada).resource_id == tombstone.digest
    assert "Lifted 0 of 1." in run_action(client, Tombstone, "lift", [tombstone])


def test_the_site_is_called_agnes(client: Client, ada: User) -> None:
    page = client.get(reverse("admin:index")).content.decode()
    assert "Agnes" in page
    assert "Django administration" not in page
