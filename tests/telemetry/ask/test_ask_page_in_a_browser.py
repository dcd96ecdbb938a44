"""The page in a real browser: keyboard, policy, contrast, widths."""

from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests.browser import NARROW, WIDE, visit
from tests.telemetry.ask.asking import fill, says
from tests.telemetry.ask.messages_server import MessagesServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("mirror_folder")]

SQL = "SELECT tool_name, sum(invocations) AS calls FROM usage_tool_daily GROUP BY 1 ORDER BY 1"


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", WIDE), ("dark", NARROW)], ids=["light wide", "dark narrow"]
)
def test_asking_by_keyboard_gives_an_accessible_answer(
    live_server: LiveServer,
    chromium: Browser,
    server: MessagesServer,
    mirror_folder: Path,
    scheme: str,
    size: tuple[int, int],
) -> None:
    fill()
    server.then(says(sql=SQL, rationale="Counts calls by tool."))
    client = Client()
    client.force_login(User.objects.create_user("ada@example.org", is_staff=True))
    visitor = visit(chromium, live_server.url, size=size, scheme=scheme)
    visitor.sign_in(client.cookies["sessionid"].value)

    visitor.open("/admin/telemetry/ask/")
    page = visitor.page
    assert visitor.violations() == []
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.type("Calls by tool?")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#answer")

    assert page.locator("#answer td.number").all_text_contents() == ["145", "7"]
    assert page.locator("#sql").input_value() == SQL
    assert visitor.violations() == []
    assert not visitor.overflows()
    assert visitor.complaints == []
    visitor.context.close()
