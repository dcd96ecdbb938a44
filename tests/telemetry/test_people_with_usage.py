"""A person whose sessions are stored is not deleted: their usage has to be erased first."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import UsageStored, User
from telemetry import mirror
from telemetry.models import Session, TranscriptFile, UsageEvent
from tests.telemetry.processed_sessions import empty_storage, process, store_session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield
    mirror.close()


@pytest.fixture
def admin(client: Client) -> User:
    eve = User.objects.create_user("eve@example.org", is_staff=True)
    client.force_login(eve)
    return eve


@pytest.fixture
def ada() -> User:
    ada = User.objects.create_user("ada@example.org")
    store_session(ada, "one", 3)
    process()
    return ada


@pytest.mark.parametrize("way", [User.delete, lambda ada: User.objects.filter(pk=ada.pk).delete()])
def test_a_person_with_usage_cannot_be_deleted(ada: User, way: object) -> None:
    assert callable(way)

    with pytest.raises(UsageStored, match="usage_erase --user ada --yes"):
        way(ada)

    assert Session.objects.get().user == ada
    assert UsageEvent.objects.filter(user=ada).count() == 2


def test_files_alone_keep_a_person_too(ada: User) -> None:
    Session.objects.all().delete()
    assert TranscriptFile.objects.filter(user=ada).exists()

    with pytest.raises(UsageStored):
        ada.delete()


def test_after_the_erasure_the_account_can_go(ada: User) -> None:
    call_command("usage_erase", "--user", "ada", "--yes")

    ada.delete()

    assert not User.objects.filter(username="ada").exists()


def test_the_admin_says_what_to_do(client: Client, admin: User, ada: User) -> None:
    page = client.post(f"/admin/accounts/user/{ada.pk}/delete/", {"post": "yes"})

    assert "usage_erase --user ada --yes" in page.content.decode()
    assert User.objects.filter(pk=ada.pk).exists()


def test_the_admins_list_names_each_person_with_usage(
    client: Client, admin: User, ada: User
) -> None:
    bob = User.objects.create_user("bob@example.org")
    form = {"action": "delete_selected", "_selected_action": [ada.pk, bob.pk], "post": "yes"}

    page = client.post("/admin/accounts/user/", form).content.decode()

    assert "usage_erase --user ada --yes" in page
    assert "usage_erase --user bob" not in page
    assert User.objects.filter(pk__in=[ada.pk, bob.pk]).count() == 2
