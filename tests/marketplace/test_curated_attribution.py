"""From a git repository to the events of a transcript: whose each name was, and how it is known."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from accounts.models import User
from benchmarks.transcript_lines import (
    Line,
    Thread,
    answer,
    command,
    prompt,
    result,
    skill_body,
    tool_use,
)
from marketplace.models import Plugin
from telemetry import mirror
from telemetry.attribution import explode_plugin
from telemetry.models import AttributionSkill, PendingChange, UsageEvent, UsageMarketplaceItemDaily
from telemetry.reattribution import reattribute_due
from telemetry.taxonomy import Source
from tests.marketplace.git_server import GitServer
from tests.marketplace.manifests.trees import skill
from tests.marketplace.repositories import Repository
from tests.marketplace.syncing import CATALOGUE, LATER, NOW, catalogue, crane_files, register, sync
from tests.telemetry.processed_sessions import NOW as PROCESSED
from tests.telemetry.processed_sessions import empty_storage, process, store
from tests.telemetry.transcript_lines import session_of

pytestmark = pytest.mark.django_db
SESSION = "harbour"


class Known(NamedTuple):
    """What an event was attributed to."""

    source: str
    ref_id: str | None
    kind: str
    evidence: str
    version: str | None = None


UNKNOWN = ("unattributed", None)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield
    mirror.close()


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org", username="ada")


def buoy_files(folder: str = "plugins/buoy", name: str = "buoy") -> dict[str, Any]:
    return {
        f"{folder}/.claude-plugin/plugin.json": {"name": name, "version": "2.0.0"},
        f"{folder}/skills/ring/SKILL.md": skill(),
        f"{folder}/agents/watch/keeper.md": skill(),
        f"{folder}/commands/fleet/sound.md": skill(),
        f"{folder}/.mcp.json": {"mcpServers": {"bell.tower": {"command": "bell"}}},
    }


@pytest.fixture
def harbour(git_server: GitServer) -> Repository:
    """Two marketplaces that call themselves the same and both have a plugin `crane`."""
    files = {CATALOGUE: catalogue("crane", "buoy", name="harbour"), **crane_files(), **buoy_files()}
    quay = Repository(git_server.root / "quay.git", files)
    crane = {
        **crane_files(),
        "plugins/crane/.claude-plugin/plugin.json": {"name": "crane", "version": "3.0.0"},
        "plugins/crane/skills/swing/SKILL.md": skill(),
    }
    Repository(
        git_server.root / "dock.git", {CATALOGUE: catalogue("crane", name="harbour"), **crane}
    )
    for slug in ("quay", "dock"):
        sync(register(slug, f"{git_server.url}/{slug}.git"))
    return quay


def seen(user: User, *lines: Line | list[Line]) -> None:
    """Store a session of these lines and process it."""
    flat = [line for each in lines for line in (each if isinstance(each, list) else [each])]
    store(user, SESSION, flat)
    process()


class Session:
    """Writes one line after the other, a second apart."""

    def __init__(self) -> None:
        self.thread = Thread(session_of(SESSION))
        self.at = NOW + timedelta(hours=1)
        self.calls = 0

    def typed(self, name: str) -> Line:
        return command(self.thread, name, at=self._next())

    def body(self, path: str) -> Line:
        return skill_body(self.thread, path, at=self._next())

    def call(self, tool: str, body_path: str = "", **arguments: str) -> list[Line]:
        self.calls += 1
        call = f"toolu_{self.calls}"
        lines = [answer(self.thread, tool_use(call, tool, dict(arguments)), at=self._next())]
        lines.append(result(self.thread, call, "done", at=self._next()))
        if body_path:
            lines.append(skill_body(self.thread, body_path, at=self._next(), sourceToolUseID=call))
        return lines

    def _next(self) -> Any:
        self.at += timedelta(seconds=1)
        return self.at


def events() -> list[Known]:
    rows = UsageEvent.objects.order_by("occurred_at", "pk")
    return [
        Known(row.source, row.ref_id, row.item_kind, row.evidence, row.item_version) for row in rows
    ]


CALLS: list[tuple[str, dict[str, str], Known]] = [
    ("Skill", {"skill": "buoy:ring"}, Known("curated", "quay/buoy", "skill", "qualified")),
    ("Skill", {"command": "buoy:ring"}, Known("curated", "quay/buoy", "skill", "qualified")),
    ("Skill", {"skill": "ring"}, Known("curated", "quay/buoy", "skill", "unique_name")),
    (
        "SlashCommand",
        {"command": "/buoy:fleet:sound loud"},
        Known("curated", "quay/buoy", "command", "qualified"),
    ),
    (
        "Agent",
        {"subagent_type": "buoy:watch:keeper", "prompt": "x"},
        Known("curated", "quay/buoy", "agent", "qualified"),
    ),
    (
        "Task",
        {"subagent_type": "buoy:watch:keeper", "prompt": "x"},
        Known("curated", "quay/buoy", "agent", "qualified"),
    ),
    (
        "mcp__plugin_buoy_bell_tower__strike_twice",
        {},
        Known("curated", "quay/buoy", "mcp", "qualified"),
    ),
    (
        "Skill",
        {"skill": "dock--crane:lift"},
        Known("curated", "dock/crane", "skill", "qualified"),
    ),
    ("Skill", {"skill": "crane:swing"}, Known("curated", "dock/crane", "skill", "qualified")),
    ("Skill", {"skill": "crane:lift"}, Known(*UNKNOWN, "skill", "ambiguous")),
    ("Skill", {"skill": "lift"}, Known(*UNKNOWN, "skill", "ambiguous")),
    ("Skill", {"skill": "my-checklist"}, Known(*UNKNOWN, "skill", "")),
    ("Skill", {"skill": "other:ring"}, Known(*UNKNOWN, "skill", "")),
    ("mcp__kanban__move", {}, Known(*UNKNOWN, "mcp", "")),
    ("Bash", {"command": "ls"}, Known("builtin", None, "tool", "builtin")),
]

PATHS: list[tuple[str, str, Known]] = [
    (
        "buoy:ring",
        "harbour/buoy/1.9.0/skills/ring",
        Known("curated", "quay/buoy", "skill", "path", "1.9.0"),
    ),
    # Both marketplaces are called harbour and both have a crane: the version decides …
    (
        "crane:lift",
        "harbour/crane/3.0.0/skills/lift",
        Known("curated", "dock/crane", "skill", "path", "3.0.0"),
    ),
    (
        "crane:lift",
        "harbour/crane/1.4.0/skills/lift",
        Known("curated", "quay/crane", "skill", "path", "1.4.0"),
    ),
    # … or the item that only one of them has, else nothing does.
    (
        "crane:swing",
        "harbour/crane/9.9.9/skills/swing",
        Known("curated", "dock/crane", "skill", "path", "9.9.9"),
    ),
    (
        "crane:lift",
        "harbour/crane/9.9.9/skills/lift",
        Known(*UNKNOWN, "skill", "ambiguous", "9.9.9"),
    ),
    # Installed from the marketplace that Agnes serves.
    (
        "crane:lift",
        "agnes/crane/1.4.0/skills/lift",
        Known("curated", "quay/crane", "skill", "path", "1.4.0"),
    ),
    (
        "dock--crane:lift",
        "agnes/dock--crane/3.0.0/skills/lift",
        Known("curated", "dock/crane", "skill", "path", "3.0.0"),
    ),
    # A marketplace that nobody registered.
    ("buoy:ring", "elsewhere/buoy/2.0.0/skills/ring", Known(*UNKNOWN, "skill", "")),
]


def test_a_call_is_given_to_the_plugin_that_has_the_name(harbour: Repository, ada: User) -> None:
    session = Session()
    seen(ada, *(session.call(tool, **arguments) for tool, arguments, _ in CALLS))
    assert events() == [known for *_, known in CALLS]


def test_the_path_of_a_skills_body_tells_plugin_and_version(harbour: Repository, ada: User) -> None:
    session = Session()
    seen(ada, *(session.call("Skill", body_path=path, skill=name) for name, path, _ in PATHS))
    assert events() == [known for *_, known in PATHS]


def test_a_typed_skill_with_its_body_is_one_invocation(harbour: Repository, ada: User) -> None:
    session = Session()
    seen(ada, session.typed("buoy:ring"), session.body("harbour/buoy/2.0.0/skills/ring"))

    assert events() == [Known("curated", "quay/buoy", "skill", "path", "2.0.0")]
    item = UsageMarketplaceItemDaily.objects.get(type="skill")
    assert (item.ref_id, item.name, item.invocations) == ("quay/buoy", "buoy:ring", 1)


def test_what_a_subagent_uses_is_attributed_as_well(harbour: Repository, ada: User) -> None:
    session_id = session_of(SESSION)
    main, helper = Thread(session_id), Thread(session_id, agent_id="a1b2c3")
    call = tool_use("toolu_main", "Agent", {"subagent_type": "buoy:watch:keeper", "prompt": "x"})
    at = NOW + timedelta(hours=1)
    store(ada, SESSION, [prompt(main, "Go", at=at), answer(main, call, at=at)])
    lines = [answer(helper, tool_use("toolu_sub", "mcp__plugin_buoy_bell_tower__strike"), at=at)]
    store(ada, SESSION, lines, file=f"{session_id}/subagents/agent-a1b2c3.jsonl")
    process()

    assert {event.kind: event.ref_id for event in events()} == {
        "agent": "quay/buoy",
        "mcp": "quay/buoy",
    }


def test_a_curated_plugin_goes_before_a_flea_one_of_the_same_name(
    harbour: Repository, ada: User
) -> None:
    explode_plugin(
        source=Source.FLEA,
        ref_id="17",
        marketplace="",
        plugin="buoy",
        version="1",
        marketplace_names=["agnes"],
        skills=["buoy:ring", "buoy:only-here"],
        agents=[],
        commands=[],
        mcp_servers=[],
        now=NOW,
    )
    session = Session()
    lines = [session.call("Skill", skill=name) for name in ("buoy:ring", "buoy:only-here")]
    seen(ada, *lines)
    assert [(event.source, event.ref_id) for event in events()] == [
        ("curated", "quay/buoy"),
        ("flea", "17"),
    ]


def test_events_of_before_the_first_sync_are_attributed_after_it(
    git_server: GitServer, ada: User
) -> None:
    seen(ada, Session().call("Skill", skill="buoy:ring"))
    assert events() == [Known(*UNKNOWN, "skill", "")]
    files = {CATALOGUE: catalogue("buoy"), **buoy_files()}
    Repository(git_server.root / "quay.git", files)
    sync(register("quay", f"{git_server.url}/quay.git"), now=LATER)

    reattribute_due(now=PROCESSED)

    assert events() == [Known("curated", "quay/buoy", "skill", "qualified")]


def test_a_rename_takes_the_past_along_and_a_removal_leaves_it(
    harbour: Repository, git_server: GitServer, ada: User
) -> None:
    seen(ada, Session().call("Skill", skill="buoy:ring"))
    quay = Plugin.objects.get(ref_id="quay/buoy").marketplace

    renamed = {path.replace("plugins/buoy", "plugins/beacon"): value
               for path, value in buoy_files(name="beacon").items()}  # fmt: skip
    harbour.commit(
        {
            CATALOGUE: catalogue("crane", "beacon", name="harbour", renames={"buoy": "beacon"}),
            **renamed,
        }
    )
    sync(quay, now=LATER)
    reattribute_due(now=PROCESSED)
    assert events() == [Known("curated", "quay/beacon", "skill", "qualified")]

    harbour.commit({CATALOGUE: catalogue("crane", name="harbour", renames={"beacon": None})})
    sync(quay, now=LATER + timedelta(days=1))
    reattribute_due(now=PROCESSED)
    assert events() == [Known("curated", "quay/beacon", "skill", "qualified")]


def test_a_rebuild_restores_lost_names_and_then_changes_nothing(
    harbour: Repository, ada: User, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(AttributionSkill.objects.values_list("skill_name", "ref_id"))
    AttributionSkill.objects.all().delete()
    PendingChange.objects.all().delete()

    call_command("attribution_rebuild")
    assert set(AttributionSkill.objects.values_list("skill_name", "ref_id")) == before
    assert PendingChange.objects.filter(consumer="attribution").exists()

    rows = list(AttributionSkill.objects.values())
    call_command("attribution_rebuild")
    assert list(AttributionSkill.objects.values()) == rows
    assert "every name is there already" in capsys.readouterr().out


def test_the_gaps_are_told_by_command(
    harbour: Repository, ada: User, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session()
    seen(ada, session.call("Skill", skill="my-checklist"), session.call("Skill", skill="ring"))
    capsys.readouterr()

    call_command("marketplace_gaps")
    told = capsys.readouterr().out
    call_command("marketplace_gaps", "--json")
    shown = json.loads(capsys.readouterr().out)

    assert "Used, but in no catalogue: 1" in told
    assert [row["name"] for row in shown["unlisted"]] == ["my-checklist"]
    idle = {(row["ref_id"], row["name"]) for row in shown["unused"]}
    assert ("quay/buoy", "buoy:ring") not in idle
    assert ("dock/crane", "crane:swing") in idle
