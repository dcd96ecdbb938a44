from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from telemetry.attribution import (
    catalogue_version,
    explode_plugin,
    rename_plugin,
    retire_plugin,
)
from telemetry.models import AttributionPlugin, AttributionSkill, PendingChange
from telemetry.resolver import Resolver
from telemetry.taxonomy import ItemKind, Source

pytestmark = pytest.mark.django_db

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def explode(
    now: datetime = MARCH, skills: Iterable[str] = ("ledger:reconcile",), **more: Any
) -> bool:
    given: dict[str, Any] = {
        "source": Source.CURATED,
        "ref_id": "till/ledger",
        "marketplace": "till",
        "plugin": "ledger",
        "version": "1.4.0",
        "marketplace_names": ["till-market"],
        "agents": ["ledger:auditor"],
        "commands": ["ledger:close"],
        "mcp_servers": ["plugin_ledger_books"],
    }
    return explode_plugin(**{**given, **more}, skills=skills, now=now)


def ref(
    name: str, at: datetime | None = None, kind: ItemKind = ItemKind.SKILL, **more: Any
) -> str | None:
    return Resolver.load().resolve(kind, name, at=at, **more).ref_id


def skill_rows() -> list[tuple[str, datetime, datetime | None]]:
    rows = AttributionSkill.objects.order_by("pk")
    return list(rows.values_list("skill_name", "valid_from", "valid_to"))


def test_every_kind_of_name_is_found_after_explode() -> None:
    explode()
    resolver = Resolver.load()
    found = [
        resolver.resolve(ItemKind.SKILL, "ledger:reconcile"),
        resolver.resolve(ItemKind.AGENT, "ledger:auditor"),
        resolver.resolve(ItemKind.COMMAND, "ledger:close"),
        resolver.resolve(ItemKind.MCP, "mcp__plugin_ledger_books__list"),
        resolver.resolve(ItemKind.SKILL, "ledger:x", path="till-market/ledger/1/x"),
    ]
    assert [(each.ref_id, each.marketplace, each.plugin) for each in found] == [
        ("till/ledger", "till", "ledger")
    ] * 5


def test_exploding_the_same_again_touches_nothing() -> None:
    explode()
    version = catalogue_version()
    PendingChange.objects.all().delete()
    assert explode(MAY) is False
    assert catalogue_version() == version
    assert not PendingChange.objects.exists()


def test_a_vanished_name_is_closed_and_a_returned_one_gets_a_new_row() -> None:
    explode(MARCH)
    explode(MAY, skills=[])
    explode(JULY)
    assert skill_rows() == [("ledger:reconcile", MARCH, MAY), ("ledger:reconcile", JULY, None)]


def test_a_removed_name_keeps_its_events() -> None:
    explode(MARCH)
    explode(MAY, skills=[])
    assert ref("ledger:reconcile", MARCH + DAY) == "till/ledger"
    assert ref("ledger:reconcile", JULY) == "till/ledger"


def test_the_rest_of_a_plugin_is_untouched_when_one_name_goes() -> None:
    explode(MARCH, skills=["ledger:post", "ledger:reconcile"])
    explode(MAY, skills=["ledger:post"])
    assert ("ledger:post", MARCH, None) in skill_rows()


def test_a_retired_plugin_keeps_its_past_and_frees_its_name() -> None:
    explode(MARCH)
    assert retire_plugin(source=Source.CURATED, ref_id="till/ledger", now=MAY)
    explode(MAY, ref_id="other/ledger", marketplace="other", marketplace_names=["other-market"])
    assert ref("ledger:reconcile", MARCH) == "till/ledger"
    assert ref("ledger:reconcile", JULY) == "other/ledger"


def test_retiring_twice_changes_nothing_the_second_time() -> None:
    explode(MARCH)
    retire_plugin(source=Source.CURATED, ref_id="till/ledger", now=MAY)
    assert retire_plugin(source=Source.CURATED, ref_id="till/ledger", now=JULY) is False
    assert skill_rows() == [("ledger:reconcile", MARCH, MAY)]


def rename_to_accounts() -> None:
    explode(MARCH)
    item = {"marketplace": "till", "plugin": "accounts"}
    rename_plugin(source=Source.CURATED, ref_id="till/ledger", new_ref_id="till/accounts", **item)
    explode(MAY, skills=["accounts:reconcile"], ref_id="till/accounts", **item)


def test_after_a_rename_old_and_new_names_are_the_renamed_plugin() -> None:
    rename_to_accounts()
    assert ref("ledger:reconcile", MARCH + DAY) == "till/accounts"
    assert ref("accounts:reconcile", JULY) == "till/accounts"
    assert ref("old:x", MARCH, path="till-market/ledger/1.0/x") == "till/accounts"


def test_a_rename_closes_the_old_names_when_the_new_ones_come() -> None:
    rename_to_accounts()
    assert skill_rows() == [("ledger:reconcile", MARCH, MAY), ("accounts:reconcile", MAY, None)]


def test_a_rename_alone_changes_the_version() -> None:
    explode()
    before = catalogue_version()
    rename_plugin(
        source=Source.CURATED,
        ref_id="till/ledger",
        new_ref_id="till/accounts",
        marketplace="till",
        plugin="accounts",
    )
    assert catalogue_version() != before


def test_a_new_plugin_version_keeps_the_old_one_as_evidence() -> None:
    explode(MARCH)
    explode(MAY, version="2.0.0")
    versions = AttributionPlugin.objects.order_by("pk").values_list("version", "valid_to")
    assert list(versions) == [("1.4.0", MAY), ("2.0.0", None)]


def test_two_marketplaces_of_one_name_stay_two_items() -> None:
    explode(version="1.0")
    explode(ref_id="twin/ledger", marketplace="twin", version="2.0")
    resolver = Resolver.load()
    found = resolver.resolve(ItemKind.SKILL, "ledger:reconcile")
    assert found.candidates == ("till/ledger", "twin/ledger")
    assert ref("ledger:reconcile", path="till-market/ledger/2.0/reconcile") == "twin/ledger"


def test_a_flea_skill_is_known_by_its_public_name_and_its_entitys_id() -> None:
    explode(
        source=Source.FLEA,
        ref_id="17",
        marketplace="",
        plugin="flea",
        marketplace_names=["agnes-flea"],
        skills=["flea:greet-by-mira"],
        agents=[],
        commands=[],
        mcp_servers=[],
    )
    found = Resolver.load().resolve(ItemKind.SKILL, "flea:greet-by-mira")
    assert (found.source, found.ref_id, found.marketplace) == (Source.FLEA, "17", None)


def test_a_change_queues_reattribution_and_the_mirrored_tables() -> None:
    explode()
    PendingChange.objects.all().delete()
    explode(MAY, skills=[])
    assert list(
        PendingChange.objects.order_by("consumer").values_list("consumer", "kind", "key")
    ) == [
        ("attribution", "all", ""),
        ("mirror", "table", "usage_attribution_skills"),
    ]


def test_what_the_callers_transaction_takes_back_is_gone() -> None:
    with transaction.atomic():
        explode()
        transaction.set_rollback(True)
    assert not AttributionSkill.objects.exists()
    assert not PendingChange.objects.exists()


def test_loading_costs_two_queries_a_table(django_assert_num_queries: Any) -> None:
    explode()
    with django_assert_num_queries(10):
        Resolver.load()
