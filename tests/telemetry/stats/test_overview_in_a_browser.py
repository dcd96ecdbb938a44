"""The overview in a real browser: both themes, two widths, hostile names, no complaint."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from telemetry import mirror
from tests.browser import NARROW, WIDE, Visitor, visit
from tests.telemetry.usage_rows import (
    make_session,
    make_summary,
    make_user,
    mark,
    random_contributions,
    recompute_all,
)

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/admin/telemetry/"
HOSTILE = "<img src=x onerror=document.title='ran'>"


@pytest.fixture(autouse=True)
def mirror_folder(settings: Settings, tmp_path: Path) -> None:
    settings.AGNES_MIRROR_DIR = tmp_path
    mirror.close()


def fill() -> None:
    """Two weeks of two people; one project is named to run a script."""
    now = timezone.now()
    for name in ("ada", "bob"):
        session = make_session(make_user(name), f"{name}-1", at=now)
        make_summary(
            session,
            started_at=now - timedelta(days=3),
            prompts=4,
            responses=2,
            project=HOSTILE,
            primary_model="claude-opus-4-6",
            usage_final_share=0.5,
        )
        random_contributions(3, [(now - timedelta(days=i)).date() for i in range(14)], [session])
        mark("mirror", "session", session.pk)
    recompute_all(now)


def admin_at(browser: Browser, server: LiveServer, size: tuple[int, int], scheme: str) -> Visitor:
    mirror.sync(now=timezone.now())
    client = Client()
    client.force_login(User.objects.create_user("root@example.org", is_staff=True))
    visitor = visit(browser, server.url, size=size, scheme=scheme)
    visitor.sign_in(client.cookies["sessionid"].value)
    return visitor


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark")],
    ids=["wide light", "wide dark", "narrow light", "narrow dark"],
)
def test_the_overview_is_accessible_fits_and_runs_nothing_foreign(
    live_server: LiveServer, chromium: Browser, size: tuple[int, int], scheme: str
) -> None:
    fill()
    visitor = admin_at(chromium, live_server, size, scheme)
    assert visitor.open(PAGE).status == 200
    assert "\n".join(visitor.violations()) == ""
    assert not visitor.overflows()
    assert visitor.page.title() == "Overview · Agnes"
    assert visitor.page.get_by_text(HOSTILE).first.is_visible()
    visitor.page.get_by_text("Days and filters", exact=True).click()
    visitor.page.locator("summary", has_text="Views").click()
    assert "\n".join(visitor.violations()) == ""
    assert visitor.complaints == []
    visitor.context.close()


def test_an_empty_instance_says_what_to_do(live_server: LiveServer, chromium: Browser) -> None:
    visitor = admin_at(chromium, live_server, WIDE, "light")
    visitor.open(PAGE)
    assert visitor.page.get_by_text("No session has been read yet").is_visible()
    assert "\n".join(visitor.violations()) == ""
    assert visitor.complaints == []
    visitor.context.close()


def test_a_row_adds_its_filter_and_a_chip_takes_it_away(
    live_server: LiveServer, chromium: Browser
) -> None:
    fill()
    visitor = admin_at(chromium, live_server, WIDE, "light")
    page = visitor.page
    visitor.open(f"{PAGE}?days=30")
    page.get_by_role("region", name="People").get_by_role("link", name="ada").click()
    assert page.url.endswith("?days=30&person=ada")
    assert page.get_by_role("region", name="People").get_by_role("row").count() == 2
    page.get_by_role("link", name="person: ada").click()
    assert page.url.endswith("?days=30")
    visitor.context.close()


def test_days_chosen_by_hand_stand_in_the_address_without_empty_fields(
    live_server: LiveServer, chromium: Browser
) -> None:
    fill()
    visitor = admin_at(chromium, live_server, WIDE, "light")
    page = visitor.page
    visitor.open(PAGE)
    page.get_by_text("Days and filters", exact=True).click()
    first = (timezone.now() - timedelta(days=5)).date().isoformat()
    page.locator("#f-since").fill(first)
    page.locator("#f-tool").fill("Bash")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**since=*")
    assert page.url.endswith(f"?since={first}&tool=Bash")
    visitor.context.close()
