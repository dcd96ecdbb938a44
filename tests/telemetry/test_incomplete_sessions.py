"""Sessions that go on after retention removed their transcript: made whole again, or named."""

import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from benchmarks.transcript_lines import Line, Thread, answer, encode, tool_use
from telemetry import mirror
from telemetry.models import ProcessorState, Session, UsageEvent
from telemetry.retention import Retention, prune
from telemetry.transcript_store import Status, accept
from telemetry.uploads import take_file
from tests.telemetry.importing import put
from tests.telemetry.processed_sessions import (
    NOW,
    days_ago,
    empty_storage,
    figures,
    process,
    turns,
)
from tests.telemetry.transcript_lines import session_of

pytestmark = pytest.mark.django_db(transaction=True)
SID = session_of("old")
MAIN = f"{SID}.jsonl"
AGENT = f"{SID}/subagents/agent-a1.jsonl"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield
    mirror.close()


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    """An old session with a subagent's file, as it lies on ada's disk."""
    root = tmp_path / "projects"
    put(root, MAIN, encode(old_lines()))
    put(root, AGENT, agent_file())
    return root


def old_lines(*more: int) -> list[Line]:
    return turns(SID, days_ago(90, *more))


def agent_file(*calls: str) -> bytes:
    agent = Thread(SID, agent_id="a1")
    at = days_ago(90)[0]
    names = ["toolu_agent", *calls]
    return encode([answer(agent, tool_use(name, "Bash"), at=at) for name in names])


def forget(now: datetime = NOW) -> int:
    keep = Retention(transcripts=30)
    return prune(keep, by=None, door=AuditEvent.Door.COMMAND, now=now).transcripts


def imported(root: Path, *options: str) -> dict[str, Any]:
    """What an import of ada's files, with processing, tells."""
    out = io.StringIO()
    options = ("--user", "ada", "--processes", "1", "--json", *options)
    call_command("usage_import", str(root), *options, stdout=out)
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


def said(told: dict[str, Any]) -> dict[str, str]:
    return {file["path"]: file["status"] for file in told["files"]}


@pytest.mark.parametrize("options", [(), ("--verify",)])
def test_a_session_resumed_after_retention_counts_with_its_unchanged_subagent_file(
    ada: User, projects: Path, options: tuple[str, ...]
) -> None:
    imported(projects)
    assert forget() == 1
    put(projects, MAIN, encode(old_lines(1, 1, 1, 1)))

    told = imported(projects, *options)

    assert said(told) == {MAIN: "grown", AGENT: "restored"}
    assert told["incomplete"] == []
    assert Session.objects.get().transcript_dropped_at is None
    assert UsageEvent.objects.count() == 2 + 1 + 4 * 2
    assert ProcessorState.objects.get(processor="usage").status == "done"
    assert said(imported(projects, *options)) == {MAIN: "unchanged", AGENT: "unchanged"}


def test_a_subagents_growth_brings_the_unchanged_main_file_back(ada: User, projects: Path) -> None:
    imported(projects)
    forget()
    put(projects, AGENT, agent_file("toolu_more"))

    assert said(imported(projects)) == {MAIN: "restored", AGENT: "grown"}
    assert UsageEvent.objects.count() == 2 + 2


@pytest.mark.parametrize("options", [(), ("--verify",)])
def test_what_did_not_go_on_is_not_stored_again(
    ada: User, projects: Path, options: tuple[str, ...]
) -> None:
    imported(projects)
    before = figures()
    forget()

    told = imported(projects, *options)

    assert said(told) == {MAIN: "unchanged", AGENT: "unchanged"}
    assert told["incomplete"] == []
    assert figures() == before
    assert forget(NOW + timedelta(days=1)) == 0


def test_what_came_back_with_old_lines_goes_again_once(ada: User, projects: Path) -> None:
    imported(projects)
    forget()
    put(projects, AGENT, agent_file("toolu_more"))
    imported(projects)
    before = figures()

    assert forget() == 1
    assert said(imported(projects, "--verify")) == {MAIN: "unchanged", AGENT: "unchanged"}
    assert forget() == 0
    assert figures() == before


def test_a_file_in_two_copies_comes_back_in_its_longest(ada: User, projects: Path) -> None:
    put(projects, f"backup/{MAIN}", encode(old_lines()[:3]))
    imported(projects)
    forget()
    put(projects, AGENT, agent_file("toolu_more"))

    assert said(imported(projects)) == {
        f"backup/{MAIN}": "unchanged",
        MAIN: "restored",
        AGENT: "grown",
    }
    assert Session.objects.get().transcript_dropped_at is None


def test_a_session_of_which_a_revision_is_gone_for_good_is_named_not_lowered(
    ada: User, projects: Path
) -> None:
    imported(projects)
    rewritten = old_lines()[:3] + turns(SID, days_ago(90, 80))[5:]
    put(projects, MAIN, encode(rewritten))
    assert said(imported(projects))[MAIN] == "revised"
    before = figures()
    forget()
    put(projects, MAIN, encode(rewritten + turns(SID, days_ago(90, 80, 1))[10:]))

    told = imported(projects)

    assert told["incomplete"] == [MAIN]
    assert figures() == before
    out = io.StringIO()
    call_command("usage_import", str(projects), "--user", "ada", stdout=out)
    assert "1 session keeps its former figures: part of its transcript was removed by" in (
        out.getvalue()
    )
    assert f"  {MAIN}" in out.getvalue()

    # The earlier version from a backup makes it whole.
    put(projects, f"backup/{MAIN}", encode(old_lines()))
    told = imported(projects)
    assert said(told)[f"backup/{MAIN}"] == "restored"
    assert told["incomplete"] == []
    assert UsageEvent.objects.count() == 2 + 1 + 2 + 2


def test_a_piece_whose_rest_never_comes_goes_by_its_upload(ada: User, projects: Path) -> None:
    imported(projects)
    forget()
    accept(user=ada, name=AGENT, content=agent_file("toolu_more"), now=NOW)
    process()
    before = figures()

    assert forget(NOW + timedelta(days=30)) == 0
    assert forget(NOW + timedelta(days=32)) == 1
    assert figures() == before


def test_an_upload_of_what_was_removed_is_stored_again_when_its_session_went_on(
    ada: User, projects: Path
) -> None:
    imported(projects)
    forget()
    main, agent = put(projects, MAIN, encode(old_lines(1))), projects / AGENT

    early = take_file(user=ada, name=AGENT, body=agent, now=NOW)
    resumed = take_file(user=ada, name=MAIN, body=main, now=NOW)
    late = take_file(user=ada, name=AGENT, body=agent, now=NOW)

    answers = (early, resumed, late)
    assert [one.accepted.status for one in answers] == [
        Status.UNCHANGED,
        Status.GROWN,
        Status.RESTORED,
    ]
    assert [one.missing_files for one in answers] == [[], [early.accepted.name], []]
    process()
    assert UsageEvent.objects.count() == 2 + 1 + 2
