"""The one list of places, for whom it is meant and where one is."""

from pathlib import Path

import pytest
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import User
from agnes_project.navigation import Entry, groups_for
from telemetry import mirror

pytestmark = pytest.mark.django_db


def entries(path: str, *, is_staff: bool) -> list[Entry]:
    request: HttpRequest = RequestFactory().get(path)
    request.user = User(email="ada@example.org", is_staff=is_staff)
    return [entry for group in groups_for(request) for entry in group.entries]


def test_admins_find_every_task_and_others_only_theirs() -> None:
    titles = {entry.title for entry in entries("/", is_staff=True)}
    assert {"People", "Sessions", "Marketplaces", "Operations", "Audit"} <= titles
    mine = entries("/", is_staff=False)
    assert "People" not in {entry.title for entry in mine}
    assert not any(entry.address.startswith("/admin/") for entry in mine)


def test_every_entry_leads_somewhere(settings: Settings, tmp_path: Path) -> None:
    settings.AGNES_MIRROR_DIR = tmp_path
    mirror.sync(now=timezone.now())
    client = Client()
    client.force_login(User.objects.create_user("ada@example.org", is_staff=True))
    for entry in entries("/", is_staff=True):
        for one in (entry, *entry.more):
            assert client.get(one.address, follow=True).status_code == 200, one.title


def test_one_entry_is_where_one_is_and_its_group_is_open() -> None:
    found = entries("/admin/telemetry/usageevent/5/change/", is_staff=True)
    here = [one.title for entry in found for one in (entry, *entry.more) if one.is_here]
    assert here == ["Events"]
    assert [entry.title for entry in found if entry.is_open] == ["Sessions"]


def test_strangers_get_a_way_to_sign_in_and_nothing_else() -> None:
    text = Client().get("/nowhere").content.decode()
    assert "/admin/accounts" not in text
