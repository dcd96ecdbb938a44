"""The Django admin as a browser shows it: its theme works under the policy it is given."""

import pytest
from django.test import Client
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests.browser import NARROW, WIDE, Visitor, visit
from tests.telemetry.usage_rows import fill_session, make_session, make_user

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = (
    "/admin/",
    "/admin/accounts/user/",
    "/admin/telemetry/usageevent/",
    "/admin/telemetry/session/",
    "/admin/telemetry/tombstone/",
    "/admin/django_q/schedule/",
)


def admin_at(
    browser: Browser, server: LiveServer, size: tuple[int, int] = WIDE, scheme: str = "light"
) -> Visitor:
    fill_session(make_session(make_user("bob"), "<img src=x onerror=alert(1)>"))
    client = Client()
    client.force_login(User.objects.create_user("ada@example.org", is_staff=True))
    visitor = visit(browser, server.url, size=size, scheme=scheme)
    visitor.sign_in(client.cookies["sessionid"].value)
    return visitor


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_lists_open_without_a_complaint_and_fit_the_window(
    live_server: LiveServer, chromium: Browser, size: tuple[int, int]
) -> None:
    visitor = admin_at(chromium, live_server, size)
    for path in PAGES:
        visitor.open(path)
        assert visitor.page.locator("h1").first.is_visible()
        assert not visitor.overflows(), path
    assert visitor.complaints == []
    visitor.context.close()


def test_filters_open_and_an_empty_list_says_what_to_do(
    live_server: LiveServer, chromium: Browser
) -> None:
    visitor = admin_at(chromium, live_server)
    visitor.open("/admin/telemetry/usageevent/")
    visitor.page.locator("#changelist a", has_text="Filters").first.click()
    assert visitor.page.get_by_text("By outcome").is_visible()
    visitor.open("/admin/django_q/schedule/")
    assert visitor.page.get_by_text("Run manage.py ensure_schedules.").is_visible()
    visitor.open("/admin/telemetry/usageevent/?q=nothing-of-this-name")
    assert visitor.page.get_by_text("Nothing matches").is_visible()
    visitor.context.close()


def test_the_theme_is_the_one_chosen_on_our_own_pages(
    live_server: LiveServer, chromium: Browser
) -> None:
    visitor = admin_at(chromium, live_server, scheme="light")
    visitor.open("/admin/")
    page = visitor.page
    switch = page.locator("[data-theme-switch]")
    switch.click()
    switch.click()
    assert page.evaluate("JSON.parse(localStorage.adminTheme)") == "dark"
    page.wait_for_selector("html.dark")
    page.reload()
    page.wait_for_selector("html.dark[data-theme=dark]")
    visitor.context.close()


def test_the_navigation_of_a_narrow_window_opens_and_closes(
    live_server: LiveServer, chromium: Browser
) -> None:
    visitor = admin_at(chromium, live_server, NARROW)
    visitor.open("/admin/accounts/user/")
    people = visitor.page.get_by_role("link", name="People", exact=True)
    assert not people.is_visible()
    visitor.page.get_by_text("dock_to_right").last.click()
    people.wait_for(state="visible")
    visitor.page.get_by_role("button", name="Close the navigation").click()
    people.wait_for(state="hidden")
    visitor.context.close()
