"""Curated marketplaces in the admin: what a person there can do and see."""

from typing import Any

import pytest
from django.test import Client
from django_q.models import OrmQ

from accounts.models import AuditEvent, User
from marketplace.models import Marketplace, Plugin
from marketplace.tokens import token_of
from tests.marketplace.git_server import GitServer
from tests.marketplace.repositories import Repository
from tests.marketplace.syncing import CATALOGUE, catalogue, crane_files, register, sync

pytestmark = pytest.mark.django_db
LIST = "/admin/marketplace/marketplace/"
URL = "https://git.example/dock/quay.git"


@pytest.fixture
def page() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.org", username="root"))
    return client


def form(**fields: str) -> dict[str, str]:
    names = ("url", "slug", "ref", "pinned_sha", "token", "token_variable")
    return {**dict.fromkeys(names, ""), **fields}


def test_a_marketplace_is_added_with_its_address_alone_and_synced_by_the_worker(
    page: Client, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = page.post(f"{LIST}add/", form(url=URL, token="s3cret"))

    assert answer.status_code == 302, answer.context["errors"]
    row = Marketplace.objects.get()
    assert (row.slug, token_of(row)) == ("quay", "s3cret")
    assert OrmQ.objects.count() == 1
    event = AuditEvent.objects.get(action="marketplace.create")
    assert (event.door, event.actor_label) == ("page", "root")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"url": "ssh://git@git.example/x.git"}, "are not fetched from"),
        ({"url": URL, "token_variable": "AGNES_SECRET_KEY"}, "AGNES_MARKETPLACE_TOKEN_"),
        ({"url": URL, "slug": "taken"}, "There is a marketplace of this slug"),
        ({"url": URL, "pinned_sha": "abc"}, "40 hexadecimal digits"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field(
    fields: dict[str, str], told: str, page: Client
) -> None:
    register("taken", URL)
    answer = page.post(f"{LIST}add/", form(**fields))
    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert Marketplace.objects.count() == 1


def test_a_token_is_kept_replaced_or_removed_and_never_shown(page: Client) -> None:
    page.post(f"{LIST}add/", form(url=URL, token="s3cret"))
    row = Marketplace.objects.get()
    address = f"{LIST}{row.pk}/change/"

    assert "s3cret" not in page.get(address).content.decode()
    page.post(address, form(url=URL, ref="stable"))
    row.refresh_from_db()
    assert (row.ref, token_of(row)) == ("stable", "s3cret")
    page.post(address, {**form(url=URL), "drop_token": "on"})
    row.refresh_from_db()
    assert not row.has_token


def test_findings_and_errors_are_shown_as_text(page: Client) -> None:
    finding = {
        "rule": "json",
        "severity": "blocking",
        "file": "<script>a.json",
        "line": 3,
        "message": "<img src=x>",
    }
    row = register("quay", URL, findings=[finding], state="failed", error="<b>no</b>")
    shown = page.get(f"{LIST}{row.pk}/change/").content.decode()
    assert "&lt;script&gt;a.json:3 &lt;img src=x&gt;" in shown
    assert "<b>no</b>" not in shown


def test_sync_now_is_queued_for_those_chosen(page: Client) -> None:
    row = register("quay", URL)
    page.post(LIST, {"action": "sync_now", "_selected_action": [row.pk]})
    [task] = OrmQ.objects.all()
    assert task.task["args"] == ("quay", User.objects.get().pk)


def test_removing_one_closes_it_and_leaves_its_rows(page: Client, git_server: GitServer) -> None:
    Repository(git_server.root / "quay.git", {CATALOGUE: catalogue("crane"), **crane_files()})
    row = register("quay", f"{git_server.url}/quay.git")
    sync(row)

    asked = page.get(f"{LIST}{row.pk}/delete/").content.decode()
    page.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})

    assert "figures keep them" in asked
    row.refresh_from_db()
    assert row.removed_at is not None
    assert Plugin.objects.get().removed_at is not None
    page.get(LIST)  # tells once that it is done
    assert "quay" not in page.get(LIST).content.decode()


def test_plugins_and_items_are_read_only(page: Client, git_server: GitServer) -> None:
    Repository(git_server.root / "quay.git", {CATALOGUE: catalogue("crane"), **crane_files()})
    sync(register("quay", f"{git_server.url}/quay.git"))

    assert "quay/crane" in page.get("/admin/marketplace/plugin/").content.decode()
    assert "crane:review:rigger" in page.get("/admin/marketplace/item/").content.decode()
    assert page.get("/admin/marketplace/plugin/add/").status_code == 403
    plugin = Plugin.objects.get()
    assert page.post(f"/admin/marketplace/plugin/{plugin.pk}/delete/").status_code == 403
