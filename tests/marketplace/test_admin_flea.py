"""Flea items in the Django admin: looked at, and judged by the same function as over the API."""

from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from marketplace.models import FleaInstall, FleaItem, FleaState
from tests.marketplace.market import NOW, put, renew
from tests.marketplace.uploads import SKILL, skill_zip

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
LIST = "/admin/marketplace/fleaitem/"


@pytest.fixture
def browser(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def act(browser: Client, action: str, items: list[FleaItem], reason: str = "") -> Any:
    chosen = {"action": action, "_selected_action": [item.pk for item in items], "reason": reason}
    return browser.post(LIST, chosen, follow=True)


def test_lists_and_pages_open(browser: Client, ada: User) -> None:
    version = put(ada, skill_zip(SKILL, {"a&b.bin": b"\0"}))
    FleaInstall.objects.create(item=version.item, user=ada, first_at=NOW, last_at=NOW)

    for page in ("fleaitem", "fleaversion", "fleainstall"):
        assert browser.get(f"/admin/marketplace/{page}/").status_code == 200
    page = browser.get(f"{LIST}{version.item.pk}/change/").content.decode()
    assert "a&amp;b.bin" in page
    assert "a&b.bin" not in page


def test_what_waits_is_found_and_approved(browser: Client, ada: User, settings: Settings) -> None:
    settings.AGNES_FLEA_REVIEW = "admin"
    item = put(ada).item

    assert item.public_name in browser.get(f"{LIST}?waiting=yes").content.decode()
    act(browser, "approve", [item])
    item.refresh_from_db()

    assert item.state == FleaState.LIVE
    assert AuditEvent.objects.get(action="store.approve").door == "page"
    assert item.public_name not in browser.get(f"{LIST}?waiting=yes").content.decode()


def test_a_reason_goes_with_the_action_and_one_that_fails_stops_no_other(
    browser: Client, ada: User, bob: User
) -> None:
    one, other = put(ada).item, put(bob).item
    assert "A reason is missing." in act(browser, "remove", [one]).content.decode()
    act(browser, "remove", [one], "Spam.")

    page = act(browser, "remove", [one, other], "Spam.").content.decode()
    one.refresh_from_db()
    other.refresh_from_db()

    assert "is removed already" in page
    assert (one.state_reason, other.state) == ("Spam.", FleaState.REMOVED)
    act(browser, "restore", [one, other])
    assert FleaItem.objects.live().count() == 2


def test_rejecting_leaves_the_live_version(browser: Client, ada: User, settings: Settings) -> None:
    first = put(ada)
    settings.AGNES_FLEA_REVIEW = "admin"
    second = renew(first.item, ada)
    act(browser, "reject", [first.item], "Too long.")
    second.refresh_from_db()

    assert (second.state, second.state_reason) == (FleaState.REJECTED, "Too long.")
    assert FleaItem.objects.get().live_version == first


def test_nothing_is_added_changed_or_deleted_there(browser: Client, ada: User) -> None:
    item = put(ada).item

    for path in (f"{LIST}add/", f"{LIST}{item.pk}/delete/"):
        assert browser.get(path).status_code == 403
    browser.post(f"{LIST}{item.pk}/change/", {"public_name": "other"})
    item.refresh_from_db()
    assert item.public_name == "chase-invoices-by-ada"
