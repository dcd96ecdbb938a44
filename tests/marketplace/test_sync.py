"""A marketplace follows its repository, keeps its past, and writes nothing when nothing is new."""

import os
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import audit
from accounts.models import AuditEvent
from marketplace.git_errors import RefUnknown
from marketplace.git_source import store_of
from marketplace.models import Item, Marketplace, Plugin
from telemetry.models import AttributionPlugin, AttributionSkill, PendingChange
from tests.marketplace.git_server import GitServer
from tests.marketplace.manifests.trees import skill
from tests.marketplace.repositories import Repository
from tests.marketplace.syncing import (
    CATALOGUE,
    LATER,
    NOW,
    catalogue,
    crane_files,
    register,
    sync,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def quay(git_server: GitServer) -> Repository:
    return Repository(
        git_server.root / "quay.git", {CATALOGUE: catalogue("crane"), **crane_files()}
    )


@pytest.fixture
def registered(git_server: GitServer, quay: Repository) -> Marketplace:
    return register("quay", f"{git_server.url}/quay.git")


def open_names(table: Any = AttributionSkill, column: str = "skill_name") -> set[tuple[str, str]]:
    rows = table.objects.filter(valid_to=None)
    return set(rows.values_list(column, "ref_id"))


def test_a_sync_stores_what_the_repository_offers(
    registered: Marketplace, quay: Repository
) -> None:
    report = sync(registered)

    row = Marketplace.objects.get()
    assert (row.name, row.owner, row.state) == ("quay-tools", "Dock", "ok")
    assert row.commit_sha == quay.git("rev-parse", "main") == report.commit
    plugin = Plugin.objects.get()
    assert (plugin.ref_id, plugin.served_name, plugin.version) == ("quay/crane", "crane", "1.4.0")
    assert list(Item.objects.values_list("kind", "name", "description")) == [
        ("agent", "crane:review:rigger", "Checks the ropes."),
        ("command", "crane:lower", "Lowers a load."),
        ("mcp", "plugin_crane_scales", "MCP server (stdio)"),
        ("skill", "crane:lift", "Lifts a load."),
    ]
    assert (report.plugins, report.items, report.changes.items_added) == (1, 4, 4)


def test_its_names_are_attributed_in_the_same_transaction(registered: Marketplace) -> None:
    sync(registered)

    assert open_names() == {("crane:lift", "quay/crane")}
    installed = AttributionPlugin.objects.values_list("plugin_name", "marketplace_name", "version")
    assert set(installed) == {("crane", "quay-tools", "1.4.0"), ("crane", "agnes", "1.4.0")}
    assert PendingChange.objects.filter(consumer="attribution").exists()


def test_an_unchanged_sync_writes_nothing(registered: Marketplace) -> None:
    sync(registered)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        report = sync(registered, now=LATER)

    assert report.changed is False
    written = [each["sql"] for each in queries if not each["sql"].startswith("SELECT")]
    assert [sql for sql in written if sql.split()[0] in {"INSERT", "UPDATE", "DELETE"}] == []


def test_a_commit_that_changes_no_plugin_touches_no_plugin(
    registered: Marketplace, quay: Repository
) -> None:
    sync(registered)
    before = list(Item.objects.values()), list(AttributionSkill.objects.values())
    quay.commit({"README.md": "New words."})

    report = sync(registered, now=LATER)

    assert report.changed
    assert set(report.changes.numbers().values()) <= {0, 1}
    assert (list(Item.objects.values()), list(AttributionSkill.objects.values())) == before
    assert Plugin.objects.get().changed_at == NOW


def test_what_goes_is_closed_and_what_returns_is_revived(
    registered: Marketplace, quay: Repository
) -> None:
    sync(registered)
    quay.commit({}, remove=("plugins/crane/skills/lift/SKILL.md",))
    gone = sync(registered, now=LATER)
    lift = Item.objects.get(name="crane:lift")

    assert gone.changes.items_removed == 1
    assert lift.removed_at == LATER
    assert open_names() == set()
    assert AttributionSkill.objects.get().valid_to == LATER

    quay.commit({"plugins/crane/skills/lift/SKILL.md": skill()})
    sync(registered, now=LATER)

    assert Item.objects.get(name="crane:lift").pk == lift.pk
    assert open_names() == {("crane:lift", "quay/crane")}


def test_a_plugin_that_is_taken_out_keeps_its_row(
    registered: Marketplace, quay: Repository
) -> None:
    sync(registered)
    quay.commit({CATALOGUE: catalogue("buoy"), "plugins/buoy/skills/ring/SKILL.md": skill()})

    report = sync(registered, now=LATER)

    assert (report.changes.plugins_added, report.changes.plugins_removed) == (1, 1)
    assert Plugin.objects.get(name="crane").removed_at == LATER
    assert [item.name for item in Item.objects.live()] == ["buoy:ring"]
    assert open_names() == {("buoy:ring", "quay/buoy")}


def test_a_renamed_plugin_keeps_its_past(registered: Marketplace, quay: Repository) -> None:
    sync(registered)
    winch = {path.replace("crane/", "winch/"): value for path, value in crane_files().items()}
    winch["plugins/winch/.claude-plugin/plugin.json"] = {"name": "winch"}
    quay.commit({CATALOGUE: catalogue("winch", renames={"crane": "winch"}), **winch})

    report = sync(registered, now=LATER)

    plugin = Plugin.objects.get()
    assert (plugin.ref_id, plugin.former_names) == ("quay/winch", ["crane"])
    assert report.changes.plugins_renamed == 1
    rows = AttributionSkill.objects.values_list("skill_name", "ref_id", "valid_to")
    assert set(rows) == {("crane:lift", "quay/winch", LATER), ("winch:lift", "quay/winch", None)}


def test_two_registrations_with_the_same_plugin_stay_apart(
    registered: Marketplace, git_server: GitServer
) -> None:
    Repository(
        git_server.root / "dock.git",
        {CATALOGUE: catalogue("crane", name="dock-tools"), **crane_files()},
    )
    sync(registered)
    sync(register("dock", f"{git_server.url}/dock.git"))

    served = dict(Plugin.objects.values_list("ref_id", "served_name"))
    assert served == {"quay/crane": "crane", "dock/crane": "dock--crane"}
    assert ("dock--crane:lift", "dock/crane") in open_names()
    assert {("crane:lift", "quay/crane"), ("crane:lift", "dock/crane")} <= open_names()
    paths = AttributionPlugin.objects.values_list("plugin_name", "marketplace_name", "ref_id")
    assert set(paths) == {
        ("crane", "quay-tools", "quay/crane"),
        ("crane", "agnes", "quay/crane"),
        ("crane", "dock-tools", "dock/crane"),
        ("dock--crane", "agnes", "dock/crane"),
    }


def test_a_branch_a_tag_and_a_commit_can_be_followed(
    git_server: GitServer, quay: Repository
) -> None:
    first = quay.git("rev-parse", "main")
    quay.git("tag", "-a", "v1", "-m", "one", first)
    quay.git("branch", "old", first)
    quay.commit({"README.md": "On."})
    url = f"{git_server.url}/quay.git"

    for slug, fields in (
        ("by-branch", {"ref": "old"}),
        ("by-tag", {"ref": "v1"}),
        ("by-commit", {"pinned_sha": first}),
    ):
        assert sync(register(slug, url, **fields)).commit == first


def test_a_branch_that_is_not_there_is_said(git_server: GitServer, quay: Repository) -> None:
    row = register("quay", f"{git_server.url}/quay.git", ref="nowhere")
    with pytest.raises(RefUnknown, match="no branch or tag 'nowhere'"):
        sync(row)


def test_a_failed_sync_keeps_the_last_good_state_and_shows_the_error(
    registered: Marketplace, quay: Repository
) -> None:
    sync(registered)
    before = list(Item.objects.values())
    quay.commit({CATALOGUE: '{\n"name": "quay-tools",\n oops'})

    with pytest.raises(Exception, match=r"marketplace\.json:3: The file is not JSON"):
        sync(registered, now=LATER)

    row = Marketplace.objects.get()
    assert (row.state, row.error_code, row.failed_at) == ("failed", "catalogue_unusable", LATER)
    assert "marketplace.json:3" in row.error
    assert row.synced_at == NOW
    assert list(Item.objects.values()) == before
    assert open_names() == {("crane:lift", "quay/crane")}
    event = AuditEvent.objects.first()
    assert event is not None
    assert (event.action, event.result, event.details) == (
        "marketplace.sync",
        "failed",
        {"code": "catalogue_unusable"},
    )


def test_a_sync_after_a_failure_clears_the_error(
    registered: Marketplace, quay: Repository, git_server: GitServer
) -> None:
    sync(registered)
    git_server.token = "now-private"
    with pytest.raises(Exception, match="does not let Agnes in"):
        sync(registered)
    git_server.token = ""

    sync(registered, now=LATER)

    row = Marketplace.objects.get()
    assert (row.state, row.error, row.failed_at) == ("ok", "", None)


def test_who_asks_for_a_sync_is_in_the_audit_trail(registered: Marketplace) -> None:
    sync(registered)
    sync(registered, door=audit.Door.COMMAND)
    sync(registered)

    events = AuditEvent.objects.filter(action="marketplace.sync").order_by("pk")
    assert [(event.door, event.details["changed"]) for event in events] == [
        ("system", True),
        ("command", False),
    ]


def test_old_copies_are_dropped_in_time(registered: Marketplace, quay: Repository) -> None:
    sync(registered)
    [first] = store_of("quay").iterdir()
    os.utime(first, (1, 1))
    quay.commit({"README.md": "On."})

    sync(registered)

    [second] = store_of("quay").iterdir()
    assert second != first
