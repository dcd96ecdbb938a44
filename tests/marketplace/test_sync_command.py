"""marketplace_sync: one or all, in words or JSON, with a status that scripts can use."""

import json

import pytest
from django.core.management import CommandError, call_command
from django_q.models import OrmQ

from accounts.models import AuditEvent
from marketplace import tasks
from marketplace.models import Marketplace
from tests.marketplace.git_server import GitServer
from tests.marketplace.repositories import Repository
from tests.marketplace.syncing import CATALOGUE, NOW, catalogue, crane_files, register

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quay(git_server: GitServer) -> None:
    Repository(git_server.root / "quay.git", {CATALOGUE: catalogue("crane"), **crane_files()})
    register("quay", f"{git_server.url}/quay.git")


def test_one_marketplace_is_synced_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("marketplace_sync", "quay")
    first = capsys.readouterr().out
    call_command("marketplace_sync", "quay")
    second = capsys.readouterr().out

    assert "(1 plugins, 4 items, 0 findings); 5 added, 0 changed, 0 removed." in first
    assert second.startswith("quay: nothing new at ")
    assert {event.door for event in AuditEvent.objects.all()} == {"command"}


def test_all_are_synced_and_one_that_fails_stops_no_other(
    git_server: GitServer, capsys: pytest.CaptureFixture[str]
) -> None:
    register("absent", f"{git_server.url}/absent.git")
    register("removed", f"{git_server.url}/absent.git", removed_at=NOW)

    with pytest.raises(CommandError, match="1 of 2 failed: absent"):
        call_command("marketplace_sync", "--all")

    told = capsys.readouterr()
    assert "absent: There is no repository at this address" in told.err
    assert Marketplace.objects.get(slug="quay").state == "ok"


def test_json_is_one_object_for_each(
    git_server: GitServer, capsys: pytest.CaptureFixture[str]
) -> None:
    register("absent", f"{git_server.url}/absent.git")
    with pytest.raises(CommandError):
        call_command("marketplace_sync", "--all", "--json")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["slug"], row.get("error", row.get("items"))) for row in rows] == [
        ("absent", "repository_not_found"),
        ("quay", 4),
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Name one marketplace, or give --all"),
        (["quay", "--all"], "Name one marketplace, or give --all"),
        (["nowhere"], "There is no marketplace 'nowhere'. Registered are: quay"),
    ],
)
def test_a_bad_request_is_told_with_its_fix(arguments: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        call_command("marketplace_sync", *arguments)


def test_the_nightly_job_queues_a_task_for_each() -> None:
    register("removed", "https://git.example/x.git", removed_at=NOW)
    assert tasks.sync_all() == {"queued": 1}
    assert OrmQ.objects.count() == 1


def test_a_task_never_raises_what_its_marketplace_shows(git_server: GitServer) -> None:
    register("absent", f"{git_server.url}/absent.git")
    assert tasks.sync("quay")["items"] == 4
    assert tasks.sync("absent") == {"slug": "absent", "error": "repository_not_found"}
    assert tasks.sync("nowhere") == {}
