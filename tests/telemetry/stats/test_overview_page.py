"""The overview as a page, its numbers beside the API's, its exports and saved views."""

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from agnes_project.templatetags.figures import THIN, compact, number, share_of, usd
from telemetry import mirror
from telemetry.mirror_trouble import mirror_trouble
from telemetry.models import SavedView
from telemetry.stats.files import TABLES
from telemetry.stats.filters import Filters
from telemetry.stats.overview import overview
from telemetry.stats.windows import Window
from tests.telemetry.stats.conftest import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("usage")]

PAGE = "/admin/telemetry/"
SUMMARY = "/api/admin/usage/summary"
QUERIES = ["", "?days=7", "?person=bob", "?tool=Bash&days=30", "?model=unheard-of", "?source=flea"]


@pytest.fixture(autouse=True)
def at_that_time() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_user("root@example.org", is_staff=True))
    return client


@pytest.mark.parametrize("query", QUERIES)
def test_page_and_api_show_the_same_numbers(admin: Client, query: str) -> None:
    page = admin.get(PAGE + query)
    answer = admin.get(SUMMARY + query).json()
    assert page.status_code == 200
    text = page.content.decode()
    whole = answer["totals"]["window"]
    for shown in (
        number(whole["people"]),
        compact(whole["prompts"]),
        compact(whole["tokens"]),
        share_of(whole["errors"], whole["tool_calls"]),
        usd(whole["known_cost"]),
    ):
        assert f'<div class="stat-value">{shown}</div>' in text
    for row in answer["people"]["rows"]:
        assert f'data-value="{row["tool_calls"]}">{number(row["tool_calls"])}</td>' in text
    for row in answer["top"]["tool"]["rows"]:
        assert f'data-value="{row["uses"]}">{number(row["uses"])}</td>' in text


def test_the_api_gives_what_the_reads_give(admin: Client) -> None:
    answer = admin.get(f"{SUMMARY}?days=30&plugin=shop/lint").json()
    found = overview(Window.parse(days="30", now=NOW), Filters(plugin="shop/lint"))
    assert answer["totals"]["before"] == json.loads(json.dumps(found.totals["before"].as_json()))
    assert answer["figures_of_sessions_with_such_an_event"] is True
    assert len(answer["daily"]) == 31
    assert answer["since"] == "2026-05-16"


def test_only_admins_get_in(client: Client) -> None:
    assert client.get(PAGE).status_code == 302
    assert client.get(SUMMARY).status_code == 401
    client.force_login(User.objects.create_user("eve@example.org"))
    for address in (PAGE, reverse("overview_export") + "?table=people"):
        assert client.get(address).status_code == 403
    assert client.post(reverse("overview_save"), {"name": "x"}).status_code == 403
    assert client.get(SUMMARY).status_code == 403


def test_nobody_is_kept_by_a_cache(admin: Client) -> None:
    assert "no-store" in admin.get(PAGE).headers["Cache-Control"]


def test_the_number_of_queries_does_not_depend_on_filters(admin: Client) -> None:
    mirror_trouble()
    counts = set()
    for query in QUERIES:
        with CaptureQueriesContext(connection) as queries:
            admin.get(PAGE + query)
        counts.add(len(queries))
    assert len(counts) == 1


def test_a_row_leads_to_the_page_with_its_filter_added(admin: Client) -> None:
    text = admin.get(f"{PAGE}?days=30&person=bob").content.decode()
    assert "?days=30&amp;person=bob&amp;tool=Bash" in text
    assert "?days=30&amp;person=bob&amp;plugin=shop%2Flint&amp;source=curated" in text
    assert 'href="?days=30" title="Remove this filter"' in text


def test_names_from_transcripts_are_shown_as_text(admin: Client) -> None:
    text = admin.get(f"{PAGE}?project=%3Cscript%3Ealert(1)%3C%2Fscript%3E").content.decode()
    assert "<script>alert" not in text
    assert "<b>harbour</b>" not in admin.get(PAGE).content.decode()


def test_a_window_that_cannot_be_is_said_with_the_fix_on_page_and_api(admin: Client) -> None:
    query = "?since=2026-06-05&until=2026-06-01"
    page = admin.get(PAGE + query)
    assert page.status_code == 400
    assert "is not before until=2026-06-01" in page.content.decode()
    answer = admin.get(SUMMARY + query)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "summary_refused"
    assert admin.get(f"{SUMMARY}?top=0").status_code == 422


def test_an_empty_window_offers_the_one_with_data(admin: Client) -> None:
    text = admin.get(f"{PAGE}?since=2020-01-01&until=2020-02-01").content.decode()
    assert "Nothing happened in these days" in text
    with mirror.reader() as cursor:
        ((last,),) = cursor.execute("SELECT max(day) FROM usage_user_daily").fetchall()
    assert f"until={last.replace(day=last.day + 1)}" in text
    text = admin.get(f"{PAGE}?person=nobody").content.decode()
    assert "Nothing matches these filters" in text


def test_without_a_mirror_the_page_says_how_to_make_one(
    admin: Client, settings: Settings, tmp_path: Any
) -> None:
    settings.AGNES_MIRROR_DIR = tmp_path
    page = admin.get(PAGE)
    assert page.status_code == 503
    assert "usage_mirror rebuild" in page.content.decode()
    assert admin.get(SUMMARY).status_code == 503


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_exported_whole_as_csv_and_parquet_and_audited(
    admin: Client, table: str
) -> None:
    address = f"{reverse('overview_export')}?days=30&person=ada&table={table}"
    text = admin.get(f"{address}&format=csv").content.decode()
    parquet = pq.read_table(io.BytesIO(admin.get(f"{address}&format=parquet").content))
    assert max(len(text.splitlines()) - 1, 0) == parquet.num_rows
    event = AuditEvent.objects.filter(action="usage.export").latest("pk")
    assert event.details["table"] == table
    assert event.details["row_count"] == parquet.num_rows
    assert event.details["filters"]["person"] == "ada"


def test_an_export_that_is_none_leads_back_with_the_reason(admin: Client) -> None:
    address = reverse("overview_export")
    page = admin.get(f"{address}?table=passwords", follow=True)
    assert "There is no table" in page.content.decode()
    page = admin.get(f"{address}?table=people&format=exe", follow=True)
    assert "Use csv or parquet" in page.content.decode()
    assert not AuditEvent.objects.filter(action="usage.export").exists()


def test_a_view_is_kept_opened_replaced_and_removed(admin: Client) -> None:
    query = "days=7&person=bob&csrfmiddlewaretoken=x"
    said = admin.post(reverse("overview_save"), {"name": " Bob's  week ", "query": query})
    assert said.headers["Location"] == f"{PAGE}?days=7&person=bob"
    view = SavedView.objects.get()
    assert (view.name, view.query) == ("Bob's week", "days=7&person=bob")
    assert 'href="?days=7&amp;person=bob">Bob&#x27;s week</a>' in admin.get(PAGE).content.decode()
    admin.post(reverse("overview_save"), {"name": "Bob's week", "query": "days=30"})
    assert SavedView.objects.get().query == "days=30"
    other = Client()
    other.force_login(User.objects.create_user("other@example.org", is_staff=True))
    other.post(reverse("overview_remove", args=[view.pk]))
    assert SavedView.objects.count() == 1
    assert "Bob&#x27;s week" not in other.get(PAGE).content.decode()
    admin.post(reverse("overview_remove", args=[view.pk]))
    assert not SavedView.objects.exists()
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    wanted = ["usage.view_save", "usage.view_save", "usage.view_remove"]
    assert [action for action in actions if "view" in action] == wanted


def test_a_view_without_a_name_is_refused(admin: Client) -> None:
    page = admin.post(reverse("overview_save"), {"name": "  "}, follow=True)
    assert "The view has no name. Give it one." in page.content.decode()
    assert THIN in page.content.decode()
