"""The page of the catalogue's gaps."""

from datetime import date

import pytest
from django.test import Client

from accounts.models import User
from telemetry.models import UsageUserDaily
from tests.marketplace.git_server import GitServer
from tests.marketplace.repositories import Repository
from tests.marketplace.syncing import CATALOGUE, catalogue, crane_files, register, sync

pytestmark = pytest.mark.django_db
PAGE = "/admin/marketplace/gaps/"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("root@example.org", username="root")


def test_it_is_for_admins(admin: User) -> None:
    ada = User.objects.create_user("ada@example.org")
    assert Client().get(PAGE).status_code == 302
    assert client_of(ada).get(PAGE).status_code == 403
    assert client_of(admin).get(PAGE).status_code == 200


def test_it_shows_names_as_text(admin: User) -> None:
    UsageUserDaily.objects.create(
        day=date(2026, 5, 1),
        user=admin,
        username="root",
        event_type="tool_use",
        source="unattributed",
        item_kind="skill",
        name="<script>x",
        calls=12_345,
        invocations=1,
        errors=0,
        rejected=0,
        interrupted=0,
        sessions=1,
    )
    shown = client_of(admin).get(PAGE).content.decode()
    assert "&lt;script&gt;x" in shown
    assert "2026-05-01" in shown
    assert "Nothing is missing" in client_of(admin).get(f"{PAGE}?days=30").content.decode()


def test_it_lists_what_nobody_uses(admin: User, git_server: GitServer) -> None:
    assert "Nothing is idle" in client_of(admin).get(f"{PAGE}?tab=unused").content.decode()
    Repository(git_server.root / "quay.git", {CATALOGUE: catalogue("crane"), **crane_files()})
    sync(register("quay", f"{git_server.url}/quay.git"))

    shown = client_of(admin).get(f"{PAGE}?tab=unused&days=junk&page=x").content.decode()

    assert "crane:review:rigger" in shown
    assert "quay/crane" in shown
