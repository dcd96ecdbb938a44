"""Plugins that lie in repositories of their own are fetched too, each once, pinned where asked."""

import pytest
from pytest_django.fixtures import Settings

from marketplace.models import Item, Marketplace, Plugin
from tests.marketplace.git_server import GitServer, serving
from tests.marketplace.manifests.trees import skill
from tests.marketplace.repositories import Repository
from tests.marketplace.syncing import CATALOGUE, LATER, catalogue, crane_files, register, sync

pytestmark = pytest.mark.django_db


@pytest.fixture
def far(git_server: GitServer) -> Repository:
    files = {**crane_files("tools/crane"), "tools/buoy/skills/ring/SKILL.md": skill()}
    return Repository(git_server.root / "far.git", files)


def market(git_server: GitServer, *plugins: object) -> Marketplace:
    Repository(git_server.root / "quay.git", {CATALOGUE: catalogue(*plugins)})
    return register("quay", f"{git_server.url}/quay.git")


def subdir(git_server: GitServer, name: str, path: str, **pins: str) -> dict[str, object]:
    url = f"{git_server.url}/far.git"
    return {"name": name, "source": {"source": "git-subdir", "url": url, "path": path, **pins}}


def fetches(git_server: GitServer) -> int:
    return sum(path == "/far.git/git-upload-pack" for path, _ in git_server.asked)


def test_a_folder_of_another_repository_is_a_plugin(git_server: GitServer, far: Repository) -> None:
    sync(market(git_server, subdir(git_server, "crane", "tools/crane")))

    plugin = Plugin.objects.get()
    assert plugin.commit_sha == far.git("rev-parse", "main")
    assert plugin.source_path == "tools/crane"
    assert Item.objects.live().count() == 4


def test_two_plugins_of_one_repository_are_fetched_once(
    git_server: GitServer, far: Repository
) -> None:
    plugins = [subdir(git_server, name, f"tools/{name}") for name in ("crane", "buoy")]
    row = market(git_server, *plugins)
    sync(row)
    asked = fetches(git_server)

    sync(row)

    assert Item.objects.live().count() == 5
    # The list of branches is asked for again, the files are not.
    assert fetches(git_server) - asked == 1
    assert asked <= 3


def test_a_new_commit_there_is_a_change(git_server: GitServer, far: Repository) -> None:
    row = market(git_server, subdir(git_server, "buoy", "tools/buoy"))
    sync(row)
    far.commit({"tools/buoy/skills/flash/SKILL.md": skill()})

    report = sync(row, now=LATER)

    assert report.changes.items_added == 1


def test_a_pinned_commit_stays_and_is_not_asked_about(
    git_server: GitServer, far: Repository
) -> None:
    sha = far.git("rev-parse", "main")
    row = market(git_server, subdir(git_server, "buoy", "tools/buoy", sha=sha))
    far.commit({"tools/buoy/skills/flash/SKILL.md": skill()})
    sync(row)
    asked = fetches(git_server)

    assert sync(row).changed is False
    assert fetches(git_server) == asked
    assert [item.name for item in Item.objects.live()] == ["buoy:ring"]


def test_a_repository_that_fails_keeps_its_plugins_items(
    git_server: GitServer, far: Repository
) -> None:
    row = market(git_server, subdir(git_server, "buoy", "tools/buoy"))
    sync(row)
    far.folder.rename(far.folder.with_name("away.git"))

    sync(row, now=LATER)

    plugin = Plugin.objects.get()
    assert "no repository at this address" in plugin.problem
    assert [item.name for item in Item.objects.live()] == ["buoy:ring"]

    far.folder.with_name("away.git").rename(far.folder)
    sync(row, now=LATER)
    assert Plugin.objects.get().problem == ""


def test_a_token_goes_to_repositories_of_the_same_host_only(
    git_server: GitServer, far: Repository, settings: Settings
) -> None:
    settings.AGNES_MARKETPLACE_TOKENS = {"AGNES_MARKETPLACE_TOKEN_QUAY": "s3cret"}
    with serving(git_server.root) as other:
        abroad = {"name": "far", "source": {"source": "url", "url": f"{other.url}/far.git"}}
        row = market(git_server, abroad, subdir(git_server, "buoy", "tools/buoy"))
        Marketplace.objects.update(token_variable="AGNES_MARKETPLACE_TOKEN_QUAY")
        sync(row)

    assert {header for _, header in other.asked} == {""}
    assert all(header for _, header in git_server.asked)
