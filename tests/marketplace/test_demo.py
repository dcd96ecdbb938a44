"""The demo's marketplaces are synced like any other, and stay as they are."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from accounts import audit
from marketplace.demo import register
from marketplace.models import Item, Marketplace
from marketplace.sync import sync_marketplace
from telemetry.demo import catalogue
from telemetry.demo.catalogue import PLUGINS
from telemetry.models import AttributionPlugin, AttributionSkill
from telemetry.taxonomy import Source

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Settings) -> None:
    settings.AGNES_MARKETPLACES_DIR = tmp_path


def test_the_catalogue_offers_what_the_stories_use() -> None:
    assert register(now=NOW) == len(PLUGINS)

    offered = set(Item.objects.live().filter(kind="skill").values_list("name", flat=True))
    live = [each for each in PLUGINS if each.source is Source.CURATED and not each.retired]
    assert offered == {name for each in live for name in each.skills}
    assert set(Marketplace.objects.values_list("state", flat=True)) == {"ok"}
    assert Item.objects.filter(name="release-crew:review:security", kind="agent").exists()


def test_its_names_keep_the_history_that_the_stories_have() -> None:
    register(now=NOW)
    dig = AttributionSkill.objects.get(skill_name="log-diver:dig")
    assert dig.valid_to is not None
    assert {row.valid_from for row in AttributionPlugin.objects.all()} == {
        NOW - catalogue.REGISTERED_BEFORE
    }


def test_registering_and_syncing_again_changes_nothing() -> None:
    register(now=NOW)
    before = list(AttributionSkill.objects.order_by("pk").values())

    register(now=NOW)
    reports = [
        sync_marketplace(row, by=None, door=audit.Door.SYSTEM, now=NOW)
        for row in Marketplace.objects.all()
    ]

    assert [report.changed for report in reports] == [False, False]
    assert list(AttributionSkill.objects.order_by("pk").values()) == before
