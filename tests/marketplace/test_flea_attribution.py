"""From an upload to the events of a transcript: what people share is known by its public name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from accounts.models import User
from marketplace.models import FleaItem, Plugin
from marketplace.serving.repository import build_current
from telemetry import mirror
from telemetry.models import AttributionSkill
from tests.marketplace.git_server import GitServer
from tests.marketplace.manifests.trees import skill
from tests.marketplace.market import NOW, act, put
from tests.marketplace.repositories import Repository
from tests.marketplace.syncing import CATALOGUE, catalogue, register, sync
from tests.marketplace.test_curated_attribution import Known, Session, events, seen
from tests.marketplace.uploads import AGENT, plugin_zip
from tests.telemetry.processed_sessions import empty_storage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield
    mirror.close()


@pytest.fixture
def items(ada: User, bob: User) -> dict[str, str]:
    """ref_ids by public name; Bob shares a skill of the same name as Ada."""
    put(ada)
    put(bob)
    put(ada, AGENT.encode(), kind="agent", file_name="a.md")
    put(ada, plugin_zip())
    return {item.public_name: item.ref_id for item in FleaItem.objects.all()}


def test_each_way_to_use_a_shared_item_is_its_own(items: dict[str, str], bob: User) -> None:
    name = "chase-invoices-by-ada"
    version = build_current(now=NOW).commit[:12]
    base = f"/home/bob/.claude/plugins/cache/agnes/flea/{version}/skills/{name}"
    session = Session()
    seen(
        bob,
        session.typed(f"flea:{name}"),
        session.typed("flea:chase-invoices-by-bob"),
        session.call("Skill", skill=f"flea:{name}"),
        session.call("Skill", skill=name),
        session.call("Agent", subagent_type="flea:bookkeeper-by-ada", prompt="x"),
        session.call("Skill", skill="books-by-ada:close-month"),
        session.call("Agent", subagent_type="books-by-ada:bookkeeper", prompt="x"),
        session.call("mcp__plugin_books-by-ada_ledger__list"),
        session.call("Skill", skill="flea:chase-invoices-by-eve"),
        session.call("Skill", body_path=base, skill=f"flea:{name}"),
    )
    by_ada, by_bob, agent, books = (
        items[each] for each in (name, "chase-invoices-by-bob", "bookkeeper-by-ada", "books-by-ada")
    )

    assert events() == [
        Known("flea", by_ada, "skill", "qualified"),
        Known("flea", by_bob, "skill", "qualified"),
        Known("flea", by_ada, "skill", "qualified"),
        Known("flea", by_ada, "skill", "unique_name"),
        Known("flea", agent, "agent", "qualified"),
        Known("flea", books, "skill", "qualified"),
        Known("flea", books, "agent", "qualified"),
        Known("flea", books, "mcp", "qualified"),
        Known("unattributed", None, "skill", ""),
        Known("flea", by_ada, "skill", "path", version),
    ]


def test_curated_wins_over_flea_and_is_served_under_another_name(
    items: dict[str, str], bob: User, git_server: GitServer
) -> None:
    files = {"plugins/books-by-ada/skills/close-month/SKILL.md": skill()}
    Repository(git_server.root / "quay.git", {CATALOGUE: catalogue("books-by-ada"), **files})
    sync(register("quay", f"{git_server.url}/quay.git"))
    assert Plugin.objects.get().served_name == "quay--books-by-ada"

    session = Session()
    seen(
        bob,
        session.call("Skill", skill="books-by-ada:close-month"),
        session.call("Skill", skill="quay--books-by-ada:close-month"),
        session.call(
            "Skill",
            body_path="/b/plugins/cache/agnes/books-by-ada/1.2.0/skills/close-month",
            skill="books-by-ada:close-month",
        ),
        session.call("Agent", subagent_type="books-by-ada:bookkeeper", prompt="x"),
    )

    flea = items["books-by-ada"]
    assert events() == [
        Known("curated", "quay/books-by-ada", "skill", "qualified"),
        Known("curated", "quay/books-by-ada", "skill", "qualified"),
        Known("flea", flea, "skill", "path", "1.2.0"),
        Known("flea", flea, "agent", "qualified"),
    ]


def test_what_was_removed_keeps_its_past(items: dict[str, str], bob: User, root: User) -> None:
    item = FleaItem.objects.get(public_name="chase-invoices-by-ada")
    act(item, "remove", root, "gone")
    session = Session()
    seen(bob, session.call("Skill", skill="flea:chase-invoices-by-ada"))

    assert events() == [Known("flea", item.ref_id, "skill", "qualified")]


def test_a_rebuild_writes_the_names_of_the_flea_market_again(items: dict[str, str]) -> None:
    before = set(AttributionSkill.objects.values_list("skill_name", "ref_id"))
    AttributionSkill.objects.all().delete()

    call_command("attribution_rebuild")

    assert set(AttributionSkill.objects.values_list("skill_name", "ref_id")) == before
