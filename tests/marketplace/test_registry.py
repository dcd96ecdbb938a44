"""Registering, changing and removing marketplaces, and what becomes of their tokens."""

import pytest
from pytest_django.fixtures import Settings

from accounts import audit
from accounts.models import AuditEvent, User
from marketplace.addresses import AddressRefused
from marketplace.git_source import store_of
from marketplace.models import Item, Marketplace, Plugin
from marketplace.registry import (
    MarketplaceInvalid,
    Registration,
    SlugTaken,
    change_marketplace,
    register_marketplace,
    remove_marketplace,
)
from marketplace.tokens import TokenUnreadable, token_of
from telemetry.models import AttributionSkill
from tests.marketplace.git_server import GitServer
from tests.marketplace.repositories import Repository
from tests.marketplace.syncing import CATALOGUE, LATER, NOW, catalogue, crane_files, sync

pytestmark = pytest.mark.django_db
URL = "https://git.example/dock/quay-tools.git"
TOKEN = "s3cret-t0ken"


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("ada@example.org", "x")


def add(admin: User, url: str = URL, **fields: str) -> Marketplace:
    return register_marketplace(Registration(url, **fields), by=admin, door=audit.Door.API, now=NOW)


def change(admin: User, row: Marketplace, **fields: str) -> Marketplace:
    given = Registration(**{"url": row.url, **fields})
    return change_marketplace(row, given, by=admin, door=audit.Door.API)


def test_a_slug_is_made_from_the_address(admin: User) -> None:
    assert add(admin).slug == "quay-tools"
    assert add(admin, slug="other").slug == "other"


def test_a_slug_belongs_to_one_marketplace(admin: User) -> None:
    add(admin)
    with pytest.raises(SlugTaken):
        add(admin)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"slug": "Not A Slug"}, "slug"),
        ({"ref": "--x"}, "ref"),
        ({"pinned_sha": "abc"}, "pinned_sha"),
        ({"ref": "main", "pinned_sha": "a" * 40}, "pinned_sha"),
        ({"token": "a\nb"}, "token"),
        ({"token_variable": "AGNES_SECRET_KEY"}, "token_variable"),
        ({"token": "a", "token_variable": "AGNES_MARKETPLACE_TOKEN_A"}, "token_variable"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    fields: dict[str, str], named: str, admin: User
) -> None:
    with pytest.raises(MarketplaceInvalid) as refused:
        add(admin, **fields)
    assert refused.value.details == {"field": named}
    assert not Marketplace.objects.exists()


def test_an_address_that_is_not_fetched_from_is_not_registered(admin: User) -> None:
    with pytest.raises(AddressRefused):
        add(admin, url="ssh://git@git.example/quay.git")


def test_a_token_is_encrypted_and_never_told(admin: User) -> None:
    row = add(admin, token=TOKEN)
    stored = Marketplace.objects.values().get()

    assert token_of(row) == TOKEN
    assert TOKEN not in str(stored)
    assert TOKEN not in str(list(AuditEvent.objects.values()))
    assert row.has_token


def test_a_token_of_another_secret_key_has_to_be_given_again(
    admin: User, settings: Settings
) -> None:
    row = add(admin, token=TOKEN)
    settings.SECRET_KEY = "another-" * 8
    with pytest.raises(TokenUnreadable, match="Give the token again"):
        token_of(row)
    settings.SECRET_KEY_FALLBACKS = ["only-for-tests-0123456789-0123456789-0123456789-01"]
    assert token_of(row) == TOKEN


def test_a_variable_that_is_not_set_is_said(admin: User) -> None:
    row = add(admin, token_variable="AGNES_MARKETPLACE_TOKEN_QUAY")
    with pytest.raises(TokenUnreadable, match="AGNES_MARKETPLACE_TOKEN_QUAY is not set"):
        token_of(row)


def test_a_token_stays_with_its_host(admin: User) -> None:
    row = add(admin, token=TOKEN)

    same = change(admin, row, url="https://git.example/dock/moved.git")
    assert token_of(same) == TOKEN

    other = change(admin, row, url="https://git.elsewhere.example/dock/moved.git")
    assert not other.has_token


def test_a_token_can_be_replaced_and_removed(admin: User) -> None:
    row = add(admin, token=TOKEN)
    assert token_of(change(admin, row, token="new")) == "new"
    assert token_of(change(admin, row)) == "new"
    assert not change(admin, row, token="").has_token


def test_what_an_admin_does_is_in_the_audit_trail(admin: User) -> None:
    row = add(admin)
    change(admin, row, ref="stable", token=TOKEN)
    change(admin, row, ref="stable")
    remove_marketplace(row, by=admin, door=audit.Door.PAGE, now=LATER)

    events = AuditEvent.objects.order_by("pk").values_list("action", "resource_id", "details")
    assert list(events) == [
        ("marketplace.create", "quay-tools", {"url": URL}),
        (
            "marketplace.change",
            "quay-tools",
            {"changed": {"ref": ["", "stable"], "token": ["***", "***"]}},
        ),
        ("marketplace.remove", "quay-tools", {"url": URL}),
    ]


@pytest.mark.django_db(transaction=True)
def test_a_removed_marketplace_closes_what_it_offered_and_can_come_back(
    admin: User, git_server: GitServer
) -> None:
    Repository(git_server.root / "quay.git", {CATALOGUE: catalogue("crane"), **crane_files()})
    row = add(admin, f"{git_server.url}/quay.git")
    sync(row)

    remove_marketplace(row, by=admin, door=audit.Door.API, now=LATER)

    assert Plugin.objects.get().removed_at == LATER
    assert not Item.objects.live().exists()
    assert AttributionSkill.objects.get().valid_to == LATER
    assert not store_of("quay").exists()

    back = add(admin, f"{git_server.url}/quay.git")
    sync(back, now=LATER)

    assert back.pk == row.pk
    assert Item.objects.live().count() == 4
    assert AttributionSkill.objects.filter(valid_to=None).get().ref_id == "quay/crane"
