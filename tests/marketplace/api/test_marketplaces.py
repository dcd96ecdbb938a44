"""Curated marketplaces over HTTP: who may do what, what is answered, and that nothing secret is."""

import json
from datetime import date
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, User
from marketplace.models import Marketplace
from telemetry.models import UsageUserDaily
from tests.marketplace.git_server import GitServer
from tests.marketplace.repositories import Repository
from tests.marketplace.syncing import CATALOGUE, catalogue, crane_files
from tests.telemetry.api.uploading import error, token

pytestmark = pytest.mark.django_db
PATH = "/api/marketplaces"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org", username="ada")


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("root@example.org", username="root")


@pytest.fixture
def url(git_server: GitServer) -> str:
    Repository(git_server.root / "quay.git", {CATALOGUE: catalogue("crane"), **crane_files()})
    return f"{git_server.url}/quay.git"


def ask(user: User, method: str, path: str = "", body: Any = None, scope: str = "") -> Any:
    scope = scope or ("admin" if user.is_staff else "read")
    return Client().generic(
        method,
        PATH + path,
        "" if body is None else json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token(user, scope)}"},
    )


def test_a_token_of_the_environment_stays_with_its_host(admin: User, url: str) -> None:
    variable = "AGNES_MARKETPLACE_TOKEN_QUAY"
    ask(admin, "POST", body={"url": url, "token_variable": variable})

    assert ask(admin, "PATCH", "/quay", {"ref": "main"}).status_code == 200
    assert Marketplace.objects.get().token_variable == variable
    moved = ask(admin, "PATCH", "/quay", {"url": "https://git.example/quay.git"})
    assert moved.status_code == 200
    assert Marketplace.objects.get().token_variable == ""


def test_a_marketplace_is_registered_synced_read_changed_and_removed(admin: User, url: str) -> None:
    made = ask(admin, "POST", body={"url": url, "token": "s3cret"})
    assert made.status_code == 201
    assert (made.json()["slug"], made.json()["state"]) == ("quay", "new")
    assert made.json()["has_token"] is True

    synced = ask(admin, "POST", "/quay/sync").json()
    assert (synced["changed"], synced["plugins"], synced["items"]) == (True, 1, 4)

    read = ask(admin, "GET", "/quay").json()
    assert (read["name"], read["state"], read["items"]) == ("quay-tools", "ok", 4)
    assert read["findings"] == []

    changed = ask(admin, "PATCH", "/quay", {"ref": "main", "token": ""}).json()
    assert (changed["ref"], changed["has_token"], changed["url"]) == ("main", False, url)

    assert ask(admin, "DELETE", "/quay").status_code == 204
    assert error(ask(admin, "GET", "/quay"), 404)["code"] == "unknown_marketplace"
    assert ask(admin, "GET").json() == []
    actions = AuditEvent.objects.filter(door="api").order_by("pk")
    assert [event.action for event in actions if event.action.startswith("marketplace")] == [
        "marketplace.create",
        "marketplace.sync",
        "marketplace.change",
        "marketplace.remove",
    ]


def test_plugins_and_items_can_be_listed_by_anyone_signed_in(
    ada: User, admin: User, url: str
) -> None:
    ask(admin, "POST", body={"url": url})
    ask(admin, "POST", "/quay/sync")

    plugins = ask(ada, "GET", "/quay/plugins").json()
    items = ask(ada, "GET", "/quay/items?kind=skill&plugin=crane").json()

    assert [each["ref_id"] for each in plugins["plugins"]] == ["quay/crane"]
    assert items["count"] == 1
    assert items["items"][0]["name"] == "crane:lift"
    assert [each["slug"] for each in ask(ada, "GET").json()] == ["quay"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ""),
        ("PATCH", "/quay"),
        ("DELETE", "/quay"),
        ("POST", "/quay/sync"),
        ("GET", "/reports/unlisted"),
        ("GET", "/reports/unused"),
    ],
)
def test_only_an_admin_may_change_sync_and_see_reports(
    method: str, path: str, ada: User, admin: User, url: str
) -> None:
    ask(admin, "POST", body={"url": url})
    body = {"url": url} if method in {"POST", "PATCH"} else None

    assert error(ask(ada, method, path, body), 403)["code"] == "admin_only"
    assert error(ask(admin, method, path, body, "read"), 403)["code"] == "missing_scope"
    assert Client().generic(method, PATH + path).status_code == 401
    assert Marketplace.objects.get().state == "new"


def test_a_secret_is_in_no_answer(admin: User, url: str) -> None:
    body = {"url": url, "token": "s3cret-t0ken"}
    answers = [
        ask(admin, "POST", body=body),
        ask(admin, "POST", body=body),
        ask(admin, "POST", body={"url": "https://u:s3cret-t0ken@git.example/x.git"}),
        ask(admin, "PATCH", "/quay", {"token": "s3cret-t0ken\n2"}),
        ask(admin, "POST", "/quay/sync"),
        ask(admin, "GET", "/quay"),
    ]
    assert [each.status_code for each in answers] == [201, 409, 422, 422, 200, 200]
    assert not any("s3cret" in each.content.decode() for each in answers)


def test_a_sync_that_fails_says_why_in_the_envelope(
    admin: User, url: str, git_server: GitServer
) -> None:
    ask(admin, "POST", body={"url": url})
    git_server.token = "needed"

    told = error(ask(admin, "POST", "/quay/sync"), 422)

    assert told["code"] == "repository_access_denied"
    shown = ask(admin, "GET", "/quay").json()
    assert (shown["state"], shown["error_code"]) == ("failed", "repository_access_denied")


def test_the_reports_tell_what_is_missing_and_what_is_idle(
    admin: User, ada: User, url: str
) -> None:
    ask(admin, "POST", body={"url": url})
    ask(admin, "POST", "/quay/sync")
    fact = {"day": date(2026, 5, 1), "user": ada, "username": "ada", "sessions": 1}
    zero = {"errors": 0, "rejected": 0, "interrupted": 0, "invocations": 1}
    for source, ref_id, kind, name, calls in (
        ("unattributed", None, "skill", "my-checklist", 7),
        ("unattributed", None, "tool", "Mystery", 9),  # a tool is no plugin's
        ("unattributed", None, "skill", "crane:lift", 5),  # ambiguous: it is in the catalogue
        ("curated", "quay/crane", "skill", "lift", 2),  # by its bare name
        ("builtin", None, "command", "clear", 3),
    ):
        UsageUserDaily.objects.create(
            event_type="tool_use",
            source=source,
            ref_id=ref_id,
            item_kind=kind,
            name=name,
            calls=calls,
            **fact,
            **zero,
        )

    unlisted = ask(admin, "GET", "/reports/unlisted").json()
    unused = ask(admin, "GET", "/reports/unused?limit=2").json()

    assert unlisted["count"] == 1
    assert unlisted["names"][0]["name"] == "my-checklist"
    assert (unlisted["names"][0]["calls"], unlisted["names"][0]["people"]) == (7, 1)
    assert unused["count"] == 3
    assert [each["name"] for each in unused["items"]] == ["crane:review:rigger", "crane:lower"]
    assert ask(admin, "GET", "/reports/unlisted?days=1").json()["count"] == 0
