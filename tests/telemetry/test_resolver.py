"""The resolver over catalogues made by hand; each test is one rule of docs/attribution.md."""

import pickle
from datetime import UTC, datetime

from telemetry.event_names import Attribution, CatalogueRow, mcp_server_name
from telemetry.resolver import Resolver
from telemetry.taxonomy import Evidence, ItemKind, Source

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)
LEDGER = "till/ledger"


def row(
    kind: ItemKind,
    name: str,
    ref_id: str = LEDGER,
    *,
    source: Source = Source.CURATED,
    since: datetime = MARCH,
    until: datetime | None = None,
    market: str = "",
    version: str = "",
) -> CatalogueRow:
    marketplace, _, plugin = ref_id.rpartition("/")
    return CatalogueRow(
        kind, name, source, ref_id, marketplace, plugin, since, until, market, version
    )


def skill(name: str, ref_id: str = LEDGER, **more: object) -> CatalogueRow:
    return row(ItemKind.SKILL, name, ref_id, **more)  # type: ignore[arg-type]


def plugin(name: str, ref_id: str, market: str, version: str = "", **more: object) -> CatalogueRow:
    return row(ItemKind.PLUGIN, name, ref_id, market=market, version=version, **more)  # type: ignore[arg-type]


def of(
    resolver: Resolver, name: str, kind: ItemKind = ItemKind.SKILL, **more: object
) -> Attribution:
    return resolver.resolve(kind, name, **more)  # type: ignore[arg-type]


def shown(found: Attribution) -> tuple[str, str | None, str]:
    return found.source.value, found.ref_id, found.evidence.value


# Builtin


def test_a_builtin_name_is_builtin_even_with_a_path_of_a_plugin() -> None:
    resolver = Resolver(
        [plugin("tidy", "till/tidy", "till-market"), skill("tidy:simplify", "till/tidy")]
    )
    found = of(resolver, "simplify", path="till-market/tidy/1.0/simplify")
    assert shown(found) == ("builtin", None, "builtin")


def test_a_qualified_name_is_the_plugins_though_its_bare_name_is_builtin() -> None:
    resolver = Resolver([skill("tidy:simplify", "till/tidy")])
    assert shown(of(resolver, "tidy:simplify")) == ("curated", "till/tidy", "qualified")


def test_an_unknown_tool_is_unattributed() -> None:
    assert shown(of(Resolver([]), "Frobnicate", ItemKind.TOOL)) == ("unattributed", None, "")


# Path


def test_a_skill_of_ones_own_is_nobodys_though_a_plugin_has_one_of_that_name() -> None:
    resolver = Resolver([plugin("ledger", LEDGER, "till-market"), skill("ledger:reconcile")])

    assert shown(of(resolver, "reconcile")) == ("curated", LEDGER, "unique_name")
    assert of(resolver, "reconcile", path="~/~//reconcile").source is Source.UNATTRIBUTED


def test_a_path_names_marketplace_plugin_and_version() -> None:
    resolver = Resolver([plugin("ledger", LEDGER, "till-market"), skill("ledger:reconcile")])
    found = of(resolver, "ledger:reconcile", path="till-market/ledger/1.4.0/reconcile")
    assert found == Attribution(
        Source.CURATED, ItemKind.SKILL, LEDGER, "till", "ledger", Evidence.PATH, "1.4.0"
    )


def test_a_path_proves_a_skill_that_the_catalogue_does_not_list() -> None:
    resolver = Resolver([plugin("ledger", LEDGER, "till-market")])
    found = of(resolver, "ledger:old", ItemKind.COMMAND, path="till-market/ledger/0.9/old")
    assert shown(found) == ("curated", LEDGER, "path")
    assert found.item_kind is ItemKind.SKILL


def test_a_path_of_an_unknown_marketplace_is_unattributed_whatever_the_name_fits() -> None:
    resolver = Resolver([plugin("ledger", LEDGER, "till-market"), skill("ledger:reconcile")])
    found = of(resolver, "ledger:reconcile", path="elsewhere/ledger/1.4.0/reconcile")
    assert shown(found) == ("unattributed", None, "")


TWINS = [
    plugin("ledger", "a/ledger", "till-market", "1.0"),
    plugin("ledger", "b/ledger", "till-market", "2.0"),
    skill("ledger:reconcile", "a/ledger"),
    skill("ledger:reconcile", "b/ledger"),
    skill("ledger:close", "b/ledger"),
]


def test_two_marketplaces_of_one_name_are_ambiguous_and_keep_their_candidates() -> None:
    found = of(Resolver(TWINS), "ledger:reconcile", path="till-market/ledger/3.0/reconcile")
    assert shown(found) == ("unattributed", None, "ambiguous")
    assert found.candidates == ("a/ledger", "b/ledger")


def test_the_version_decides_between_two_marketplaces_of_one_name() -> None:
    found = of(Resolver(TWINS), "ledger:reconcile", path="till-market/ledger/2.0/reconcile")
    assert shown(found) == ("curated", "b/ledger", "path")


def test_the_item_decides_between_two_marketplaces_of_one_name() -> None:
    found = of(Resolver(TWINS), "ledger:close", path="till-market/ledger/3.0/close")
    assert shown(found) == ("curated", "b/ledger", "path")


def test_a_bare_name_with_a_path_is_looked_for_in_that_plugin() -> None:
    found = of(Resolver(TWINS), "close", ItemKind.COMMAND, path="till-market/ledger/3.0/close")
    assert shown(found) == ("curated", "b/ledger", "path")


def test_flea_skills_share_one_plugin_folder_and_the_item_decides() -> None:
    flea = [
        plugin("flea", "17", "agnes-flea", source=Source.FLEA),
        plugin("flea", "18", "agnes-flea", source=Source.FLEA),
        skill("flea:greet-by-mira", "17", source=Source.FLEA),
        skill("flea:sum-by-odo", "18", source=Source.FLEA),
    ]
    found = of(Resolver(flea), "flea:sum-by-odo", path="agnes-flea/flea/1/sum-by-odo")
    assert shown(found) == ("flea", "18", "path")


# Field


def test_a_field_tells_the_plugin_of_a_bare_name() -> None:
    catalogue = [
        plugin("ledger", LEDGER, "till-market"),
        skill("ledger:reconcile"),
        plugin("books", "x/books", "x-market"),
        skill("books:reconcile", "x/books"),
    ]
    found = of(Resolver(catalogue), "reconcile", field_plugin="ledger")
    assert shown(found) == ("curated", LEDGER, "field")


def test_a_field_with_a_marketplace_tells_twins_apart() -> None:
    catalogue = [
        plugin("ledger", "a/ledger", "one"),
        plugin("ledger", "b/ledger", "two"),
        skill("ledger:reconcile", "a/ledger"),
        skill("ledger:reconcile", "b/ledger"),
    ]
    found = of(Resolver(catalogue), "ledger:reconcile", field_plugin="ledger@two")
    assert shown(found) == ("curated", "b/ledger", "field")


def test_a_field_of_an_unregistered_plugin_keeps_a_bare_name_from_being_guessed() -> None:
    resolver = Resolver([plugin("ledger", LEDGER, "m"), skill("ledger:reconcile")])
    assert shown(of(resolver, "reconcile", field_plugin="other")) == ("unattributed", None, "")


# Qualified names


def test_a_qualified_name_of_one_registration_is_its_item() -> None:
    resolver = Resolver([row(ItemKind.AGENT, "ledger:review:auditor")])
    found = of(resolver, "ledger:review:auditor", ItemKind.AGENT)
    assert shown(found) == ("curated", LEDGER, "qualified")
    assert found.item_kind is ItemKind.AGENT


def test_a_qualified_name_of_two_registrations_is_ambiguous() -> None:
    found = of(Resolver(TWINS), "ledger:reconcile")
    assert shown(found) == ("unattributed", None, "ambiguous")


def test_curated_wins_over_flea_for_a_qualified_name() -> None:
    catalogue = [
        skill("ledger:reconcile", "17", source=Source.FLEA),
        skill("ledger:reconcile"),
    ]
    assert shown(of(Resolver(catalogue), "ledger:reconcile")) == ("curated", LEDGER, "qualified")


def test_a_typed_name_says_whether_it_was_a_skill_or_a_command() -> None:
    resolver = Resolver([skill("ledger:reconcile"), row(ItemKind.COMMAND, "ledger:close")])
    assert of(resolver, "ledger:reconcile", ItemKind.COMMAND).item_kind is ItemKind.SKILL
    assert of(resolver, "ledger:close", ItemKind.SKILL).item_kind is ItemKind.COMMAND


def test_an_unregistered_qualified_name_is_unattributed() -> None:
    assert shown(of(Resolver(TWINS), "superpowers:brainstorm")) == ("unattributed", None, "")


# MCP


def mcp(plugin_name: str, server: str, ref_id: str) -> CatalogueRow:
    return row(ItemKind.MCP, mcp_server_name(plugin_name, server), ref_id)


def test_an_mcp_tool_belongs_to_the_longest_known_server() -> None:
    resolver = Resolver([mcp("a", "b", "m/a"), mcp("a", "b__c", "m/longer")])
    assert of(resolver, "mcp__plugin_a_b__c__list", ItemKind.MCP).ref_id == "m/longer"
    assert of(resolver, "mcp__plugin_a_b__list", ItemKind.MCP).ref_id == "m/a"


def test_an_mcp_tool_whose_server_two_plugins_could_mean_is_ambiguous() -> None:
    resolver = Resolver([mcp("a", "b_c", "m/a"), mcp("a_b", "c", "m/a_b")])
    found = of(resolver, "mcp__plugin_a_b_c__list", ItemKind.MCP)
    assert found.candidates == ("m/a", "m/a_b")


def test_other_signs_in_server_names_become_underscores() -> None:
    assert mcp_server_name("my.plugin", "the server") == "plugin_my_plugin_the_server"


def test_a_hand_configured_mcp_server_is_unattributed() -> None:
    found = of(Resolver([mcp("a", "b", "m/a")]), "mcp__github__list_prs", ItemKind.MCP)
    assert shown(found) == ("unattributed", None, "")


def test_a_typed_mcp_prompt_belongs_to_its_server() -> None:
    resolver = Resolver([mcp("a", "b", "m/a")])
    found = of(resolver, "mcp__plugin_a_b__review", ItemKind.COMMAND)
    assert (found.ref_id, found.item_kind) == ("m/a", ItemKind.MCP)


def test_a_typed_prompt_of_an_unknown_mcp_server_is_an_mcp_call_too() -> None:
    found = of(Resolver([]), "mcp__github__review", ItemKind.COMMAND)
    assert (found.source, found.item_kind) == (Source.UNATTRIBUTED, ItemKind.MCP)


# Bare names


def test_a_bare_name_that_is_unique_in_the_catalogue_is_its_item() -> None:
    resolver = Resolver([skill("ledger:reconcile"), skill("ledger:post")])
    assert shown(of(resolver, "reconcile")) == ("curated", LEDGER, "unique_name")


def test_a_bare_name_of_two_plugins_is_ambiguous_even_between_curated_and_flea() -> None:
    catalogue = [skill("ledger:reconcile"), skill("x-by-odo:reconcile", "17", source=Source.FLEA)]
    found = of(Resolver(catalogue), "reconcile")
    assert found.evidence is Evidence.AMBIGUOUS
    assert found.candidates == ("17", LEDGER)


def test_a_personal_skill_is_unattributed() -> None:
    assert shown(of(Resolver([skill("ledger:reconcile")]), "my-notes")) == (
        "unattributed",
        None,
        "",
    )


# Time


def test_an_event_older_than_the_registration_belongs_to_it() -> None:
    resolver = Resolver([skill("ledger:reconcile", since=MAY)])
    assert of(resolver, "ledger:reconcile", at=MARCH).ref_id == LEDGER


def test_an_event_after_a_removal_still_belongs_to_the_item() -> None:
    resolver = Resolver([skill("ledger:reconcile", until=MAY)])
    assert of(resolver, "ledger:reconcile", at=JULY).ref_id == LEDGER
    assert of(resolver, "ledger:reconcile").ref_id == LEDGER


def test_a_name_that_changed_hands_belongs_to_who_had_it_then() -> None:
    resolver = Resolver(
        [
            skill("ledger:reconcile", "a/ledger", until=MAY),
            skill("ledger:reconcile", "b/ledger", since=MAY),
        ]
    )
    before = of(resolver, "ledger:reconcile", at=MARCH)
    after = of(resolver, "ledger:reconcile", at=MAY)
    assert (before.ref_id, after.ref_id) == ("a/ledger", "b/ledger")


def test_a_name_that_changed_hands_is_the_present_holders_where_no_time_is_told() -> None:
    resolver = Resolver(
        [
            skill("ledger:reconcile", "a/ledger", until=MAY),
            skill("ledger:reconcile", "b/ledger", since=MAY),
        ]
    )
    assert of(resolver, "ledger:reconcile").ref_id == "b/ledger"


def test_a_name_that_changed_hands_is_ambiguous_when_nobody_had_it() -> None:
    resolver = Resolver(
        [
            skill("ledger:reconcile", "a/ledger", until=MAY),
            skill("ledger:reconcile", "b/ledger", since=JULY),
        ]
    )
    between = of(resolver, "ledger:reconcile", at=datetime(2026, 6, 1, tzinfo=UTC))
    assert between.candidates == ("a/ledger", "b/ledger")


def test_a_resolver_can_be_handed_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(Resolver(TWINS, "v1")))  # noqa: S301 - our own bytes
    assert again.version == "v1"
    assert of(again, "ledger:close").ref_id == "b/ledger"
