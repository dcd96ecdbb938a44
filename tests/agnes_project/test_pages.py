"""The frame and components of our own pages, in a real browser and by what the server sends."""

from copy import deepcopy
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Browser
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests.browser import NARROW, WIDE, visit

TEMPLATES = Path(__file__).parent / "templates"
SIZES = {"wide": WIDE, "narrow": NARROW}


@pytest.fixture(autouse=True)
def specimen(settings: Settings) -> None:
    templates = deepcopy(settings.TEMPLATES)
    templates[0]["DIRS"] += [TEMPLATES]
    settings.TEMPLATES = templates
    settings.ROOT_URLCONF = "tests.agnes_project.specimen"


def signed_in(*, is_staff: bool = False) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("ada@example.org", is_staff=is_staff))
    return client


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_component_is_accessible_and_fits_the_window(
    live_server: LiveServer, chromium: Browser, scheme: str, size: str
) -> None:
    visitor = visit(chromium, live_server.url, size=SIZES[size], scheme=scheme)
    visitor.sign_in(signed_in(is_staff=True).cookies["sessionid"].value)
    visitor.open("/specimen")
    assert "\n".join(visitor.violations()) == ""
    assert not visitor.overflows()
    assert visitor.complaints == []
    visitor.context.close()


@pytest.mark.django_db(transaction=True)
def test_the_keyboard_reaches_content_search_and_sorting(
    live_server: LiveServer, chromium: Browser
) -> None:
    visitor = visit(chromium, live_server.url)
    visitor.open("/specimen")
    page = visitor.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "person"
    head = page.get_by_role("button", name="Calls")
    head.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    first = page.locator("table[data-sortable] tbody tr").first
    assert "never-ends" in first.inner_text()
    visitor.context.close()


@pytest.mark.django_db(transaction=True)
def test_the_theme_follows_the_system_until_it_is_chosen(
    live_server: LiveServer, chromium: Browser
) -> None:
    visitor = visit(chromium, live_server.url, scheme="dark")
    page = visitor.page
    background = "getComputedStyle(document.body).backgroundColor"
    visitor.open("/specimen")
    dark = page.evaluate(background)
    page.locator("[data-theme-switch]").click()
    light = page.evaluate(background)
    assert light == "rgb(255, 255, 255)" != dark
    page.reload()
    assert page.evaluate(background) == light
    assert page.evaluate("JSON.parse(localStorage.adminTheme)") == "light"
    page.locator("[data-theme-switch]").click()
    assert page.evaluate(background) == dark
    visitor.context.close()


@pytest.mark.django_db(transaction=True)
def test_the_navigation_of_a_narrow_window_opens_and_closes_by_keyboard(
    live_server: LiveServer, chromium: Browser
) -> None:
    visitor = visit(chromium, live_server.url, size=NARROW)
    visitor.open("/specimen")
    navigation = visitor.page.locator("#navigation")
    assert not navigation.is_visible()
    visitor.page.get_by_role("button", name="Navigation").press("Enter")
    assert navigation.is_visible()
    visitor.page.keyboard.press("Escape")
    assert not navigation.is_visible()
    visitor.context.close()


@pytest.mark.django_db(transaction=True)
def test_inline_script_and_foreign_files_are_refused_by_the_browser(
    live_server: LiveServer, chromium: Browser
) -> None:
    visitor = visit(chromium, live_server.url)
    visitor.open("/specimen")
    visitor.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')"
    )
    visitor.page.wait_for_timeout(200)
    assert visitor.page.evaluate("window.ran === undefined")
    assert any("Content Security Policy" in complaint for complaint in visitor.complaints)
    visitor.context.close()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "There is no page at this address"),
        ("/forbidden", 403, "An admin of this Agnes can give you access"),
        ("/broken", 500, "Agnes failed to answer"),
    ],
)
def test_errors_wear_the_same_dress(path: str, status: int, words: str) -> None:
    client = Client(raise_request_exception=False)
    answer = client.get(path)
    text = answer.content.decode()
    assert (answer.status_code, words in text) == (status, True)
    assert "agnes/components.css" in text
    assert 'href="/"' in text


@pytest.mark.django_db
def test_messages_are_shown_as_text() -> None:
    text = signed_in().get("/specimen").content.decode()
    assert "Something &lt;b&gt;failed&lt;/b&gt;." in text
    assert "notice-bad" in text
