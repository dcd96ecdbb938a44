"""What the tables of the catalogue hold apart."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from marketplace.models import Item, Marketplace, Plugin

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def marketplace(slug: str = "quay", **fields: object) -> Marketplace:
    return Marketplace.objects.create(
        slug=slug, url="https://git.example/quay.git", created_at=NOW, **fields
    )


def plugin(of: Marketplace, name: str, **fields: object) -> Plugin:
    values = {"served_name": name, "created_at": NOW, "changed_at": NOW, **fields}
    return Plugin.objects.create(marketplace=of, name=name, ref_id=f"{of.slug}/{name}", **values)


def test_a_slug_is_registered_once() -> None:
    marketplace()
    with pytest.raises(IntegrityError), transaction.atomic():
        marketplace()


@pytest.mark.parametrize("slug", ["", "Quay", "a b", "a/b", "-a", "a--b", "x" * 61, "a\n"])
def test_a_slug_has_one_form(slug: str) -> None:
    row = Marketplace(slug=slug, url="https://git.example/quay.git", created_at=NOW)
    with pytest.raises(ValidationError) as refused:
        row.full_clean()
    assert set(refused.value.message_dict) == {"slug"}


@pytest.mark.parametrize("name", ["AGNES_SECRET_KEY", "PATH", "AGNES_MARKETPLACE_TOKEN_", "x"])
def test_no_variable_but_a_marketplaces_own_can_be_named_for_its_token(name: str) -> None:
    row = Marketplace(
        slug="quay", url="https://git.example/quay.git", created_at=NOW, token_variable=name
    )
    with pytest.raises(ValidationError) as refused:
        row.full_clean()
    assert set(refused.value.message_dict) == {"token_variable"}


def test_two_live_plugins_are_never_served_under_one_name() -> None:
    quay, dock = marketplace(), marketplace("dock")
    plugin(quay, "crane")
    with pytest.raises(IntegrityError), transaction.atomic():
        plugin(dock, "crane")
    plugin(dock, "crane", removed_at=NOW)


def test_live_items_are_those_of_live_plugins() -> None:
    quay = marketplace()
    live, gone = plugin(quay, "crane"), plugin(quay, "raft", removed_at=NOW)
    for of, removed_at in ((live, None), (live, NOW), (gone, None)):
        Item.objects.create(
            plugin=of,
            kind="skill",
            name=f"{of.name}:{'old' if removed_at else 'lift'}",
            title="lift",
            created_at=NOW,
            removed_at=removed_at,
        )
    assert [item.name for item in Item.objects.live()] == ["crane:lift"]
    assert [each.name for each in Plugin.objects.live()] == ["crane"]
