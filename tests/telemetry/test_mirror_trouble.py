"""What pages say when figures are missing or old."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import User
from telemetry import mirror, processing
from telemetry.mirror_trouble import LAG, SETTLING, find_trouble, mirror_trouble
from telemetry.models import PendingChange

pytestmark = pytest.mark.django_db
PAGES = (
    "/admin/",
    "/admin/telemetry/usageevent/",
    "/admin/accounts/user/",
    "/admin/django_q/ormq/",
)


@pytest.fixture(autouse=True)
def published(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    cache.clear()
    mirror.close()
    mirror.sync(now=timezone.now())
    yield tmp_path / "mirror" / "agnes.duckdb"
    mirror.close()
    cache.clear()


@pytest.fixture
def ada(client: Client) -> User:
    ada = User.objects.create_user("ada@example.org", is_staff=True)
    client.force_login(ada)
    return ada


def say() -> str:
    trouble = find_trouble(now=timezone.now())
    return f"{trouble.message} {trouble.fix}" if trouble else ""


def make_old(path: Path) -> None:
    old = timezone.now().timestamp() - 2 * LAG.total_seconds()
    os.utime(path, (old, old))


def test_a_mirror_that_was_published_is_no_trouble() -> None:
    assert say() == ""


def test_a_missing_mirror_names_the_command(published: Path) -> None:
    published.unlink()
    assert "There is no mirror" in say()
    assert "usage_mirror rebuild" in say()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 1000])
def test_a_broken_mirror_says_why_and_names_the_command(published: Path, content: bytes) -> None:
    mirror.close()
    published.write_bytes(content)
    assert "The mirror is broken" in say()
    assert "usage_mirror rebuild" in say()


def test_a_publication_that_failed_is_told_until_a_later_one_succeeds(published: Path) -> None:
    (published.parent / "writer.lock").unlink()
    (published.parent / "writer.lock").mkdir()  # nobody can take this lock
    PendingChange.objects.create(consumer="mirror", kind="table", key="usage_tool_daily")
    processing.catch_up(now=timezone.now())
    assert "could not be brought up to date: IsADirectoryError" in say()

    (published.parent / "writer.lock").rmdir()
    # By the command, which knows nothing of the heartbeat.
    mirror.rebuild(now=timezone.now())
    assert say() == ""


def test_changes_that_wait_too_long_are_told(published: Path) -> None:
    make_old(published)
    PendingChange.objects.create(consumer="rollups", kind="day", key="2026-05-01")
    now = timezone.now()
    assert find_trouble(now=now) is None  # an old mirror without changes is a quiet one

    PendingChange.objects.create(consumer="mirror", kind="day", key="2026-05-01")
    assert find_trouble(now=now) is None  # it came just now
    assert find_trouble(now=now + SETTLING / 2) is None
    trouble = find_trouble(now=now + SETTLING)
    assert trouble is not None
    assert "The mirror is behind" in trouble.message
    assert "qcluster" in trouble.fix
    assert "usage_mirror rebuild" in trouble.fix


def test_changes_that_come_and_go_are_no_trouble(published: Path) -> None:
    make_old(published)
    now = timezone.now()
    for minute in range(3):
        PendingChange.objects.all().delete()
        PendingChange.objects.create(consumer="mirror", kind="day", key="2026-05-01")
        PendingChange.objects.create(consumer="mirror", kind="day", key="2026-05-02")
        # The oldest one is another at each look.
        PendingChange.objects.order_by("pk")[0].delete()
        assert find_trouble(now=now + timedelta(minutes=minute)) is None


@pytest.mark.parametrize("page", PAGES)
def test_every_admin_page_says_so(client: Client, ada: User, published: Path, page: str) -> None:
    assert "mirror" not in client.get(page).content.decode()
    published.unlink()
    cache.clear()
    text = client.get(page).content.decode()
    assert "There is no mirror" in text
    assert "manage.py usage_mirror rebuild" in text


def test_the_sign_in_page_keeps_it_to_itself(client: Client, published: Path) -> None:
    published.unlink()
    assert "There is no mirror" not in client.get("/admin/login/").content.decode()


def test_looking_costs_one_query_and_then_none_for_a_while() -> None:
    with CaptureQueriesContext(connection) as first:
        mirror_trouble()
    with CaptureQueriesContext(connection) as second:
        mirror_trouble()
    assert (len(first), len(second)) == (1, 0)
