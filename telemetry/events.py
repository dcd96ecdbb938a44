"""A person's extracts to events, responses and summaries: the counting rules.

`USAGE_PROCESSOR_VERSION` rises with every change that can change a figure.
"""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

import msgspec

from telemetry.families import Family, Owned, split_family
from telemetry.hooks import HookRun, settled
from telemetry.identified import AGENT_TOOLS, NO_TIME, SKILL_TOOLS, Act, Extract, Rank
from telemetry.identity import identity_key, pack_keys
from telemetry.skill_paths import path_agrees
from telemetry.summaries import Facts, Lineage, lineage_of, summarise
from telemetry.taxonomy import EventKind, ItemKind, Outcome

USAGE_PROCESSOR_VERSION = 1

MCP_PREFIX = "mcp__"
NO_DAY = "1970-01-01"
"""The day of drift on lines without any time; nothing else is counted on it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EventRow(msgspec.Struct, gc=False):
    """An event before it is attributed: the columns of usage_events that the transcript tells."""

    id: int
    event_uuid: str
    parent_uuid: str | None
    event_type: EventKind
    tool_name: str | None
    skill_name: str | None
    subagent_type: str | None
    command_name: str | None
    outcome: str
    activation_id: int | None
    stands_for_activation: bool
    """It names a skill, agent, command or MCP server, and no other event of its activation does."""
    response_id: int | None
    tool_use_id: str | None
    agent_id: str | None
    model: str | None
    cwd: str | None
    git_branch: str | None
    at: int | None
    """Milliseconds since 1970, UTC."""
    context_skill: str | None
    context_plugin: str | None
    path_evidence: str | None
    field_plugin: str | None
    item_kind: ItemKind
    name: str
    """What it names: tool, skill, agent or command; for an MCP call the whole tool name."""


class ResponseRow(msgspec.Struct, gc=False):
    """A response; `at` in ms, `tokens` as in `telemetry.extracts.Response`."""

    id: int
    message_id: str
    model: str | None
    at: int | None
    tokens: tuple[int, int, int, int, int, int]
    final: bool
    is_sidechain: bool
    agent_id: str | None
    context_skill: str | None
    context_plugin: str | None


class SessionRows(msgspec.Struct):
    """All that one session contributes, before attribution and prices."""

    session_id: str
    events: list[EventRow]
    responses: list[ResponseRow]
    hook_runs: dict[tuple[str, str, str, str, str], int]
    """Runs by ISO day, hook event, hook name, plugin, result."""
    drift: dict[tuple[str, str, str], int]
    """Lines by ISO day, kind, name."""
    facts: Facts
    lineage: Lineage
    keys: bytes
    """All identity keys it carries, packed."""
    owned_keys: bytes | None
    """Those it owns; None when it shares none with the person's other sessions."""
    held_keys: frozenset[int]
    """Those left out because somebody else holds them."""


def derive(extracts: Iterable[Extract], held: AbstractSet[int] = frozenset()) -> list[SessionRows]:
    """The rows of a person's sessions, given all that share identities with one another.

    `held` holds the identity keys that other people brought first; they count nothing here.
    """
    family, owned = split_family(extracts, held)
    return [_session_rows(family, part) for part in owned]


def iso_day(at: int) -> str:
    """The UTC day of a time in ms, NO_DAY where there is none."""
    return NO_DAY if at == NO_TIME else (_EPOCH + timedelta(milliseconds=at)).date().isoformat()


def _session_rows(family: Family, owned: Owned) -> SessionRows:
    extract = owned.extract
    events = [_call_event(family, call) for call in owned.calls]
    events += [_command_event(family, key) for key in owned.commands]
    responses = [_response_row(family, message_id) for message_id in owned.responses]
    mine = set(owned.lines) if family.owner_of else extract.lines.keys()
    runs = settled({line: found for line, found in extract.hooks.items() if line in mine})
    return SessionRows(
        session_id=extract.session_id,
        events=events,
        responses=responses,
        hook_runs=_count_runs(runs),
        drift=_count_drift(extract, family),
        facts=summarise(owned, events, responses, len(runs)),
        lineage=lineage_of(extract, family),
        keys=pack_keys(extract.keys()),
        owned_keys=_owned_keys(owned) if family.owner_of else None,
        held_keys=owned.held,
    )


def _owned_keys(owned: Owned) -> bytes:
    parts = (("line", owned.lines), ("response", owned.responses), ("call", owned.calls))
    return pack_keys(identity_key(kind, one) for kind, part in parts for one in part)


def _call_event(family: Family, call_id: str) -> EventRow:
    act = family.calls[call_id]
    tool = act.tool or ""
    event_type, item_kind = _kind_of(tool, act)
    command = family.pairs.command_of.get(call_id)
    event_id = identity_key("call", call_id)
    name = act.named or tool
    return _event(
        act,
        id=event_id,
        event_type=event_type,
        tool_name=tool,
        skill_name=act.named if tool == "Skill" else None,
        subagent_type=act.named if event_type is EventKind.SUBAGENT else None,
        command_name=act.named if tool == "SlashCommand" else None,
        outcome=_outcome(family, call_id),
        activation_id=event_id if command or item_kind is not ItemKind.TOOL else None,
        stands_for_activation=item_kind is not ItemKind.TOOL,
        tool_use_id=call_id,
        path_evidence=_path(family, call_id, name) or (_path_of_command(family, command, name)),
        field_plugin=_field_plugin(family, name) if tool in SKILL_TOOLS else None,
        item_kind=item_kind,
        name=name,
    )


def _command_event(family: Family, key: str) -> EventRow:
    act = family.commands[key]
    name = act.named or ""
    line = act.rank[3]
    call = family.pairs.call_of.get(key)
    event_id = identity_key("command", key)
    path = _path(family, line, name) or (_path(family, call, name) if call else None)
    is_skill = call is None and line in family.bodies
    return _event(
        act,
        id=event_id,
        event_type=EventKind.SLASH_COMMAND,
        tool_name=None,
        skill_name=name if is_skill else None,
        subagent_type=None,
        command_name=name,
        outcome=_command_outcome(family, call),
        activation_id=identity_key("call", call) if call else event_id,
        stands_for_activation=call is None,
        tool_use_id=None,
        path_evidence=path,
        field_plugin=_field_plugin(family, name),
        item_kind=ItemKind.SKILL if is_skill else ItemKind.COMMAND,
        name=name,
    )


def _command_outcome(family: Family, call: str | None) -> str:
    """A typed command has no result of its own; with a call it ended as the call did."""
    return _outcome(family, call or "")


def _outcome(family: Family, call_id: str) -> str:
    result = family.results.get(call_id)
    return Outcome.UNKNOWN.value if result is None else result[2]


def _event(act: Act, **columns: object) -> EventRow:
    return EventRow(
        event_uuid=act.rank[3],
        parent_uuid=act.parent,
        response_id=identity_key("response", act.response) if act.response else None,
        agent_id=act.agent_id,
        model=act.model,
        cwd=act.cwd,
        git_branch=act.git_branch,
        at=_time(act.rank),
        context_skill=act.context_skill,
        context_plugin=act.context_plugin,
        **columns,  # type: ignore[arg-type]
    )


def _kind_of(tool: str, act: Act) -> tuple[EventKind, ItemKind]:
    if tool.startswith(MCP_PREFIX):
        return EventKind.MCP_CALL, ItemKind.MCP
    if tool in AGENT_TOOLS:
        return EventKind.SUBAGENT, ItemKind.AGENT
    if tool in SKILL_TOOLS and act.named:
        return EventKind.TOOL_USE, ItemKind.SKILL if tool == "Skill" else ItemKind.COMMAND
    return EventKind.TOOL_USE, ItemKind.TOOL


def _path(family: Family, brought_by: str, name: str) -> str | None:
    path = family.body_paths.get(brought_by)
    return path if path and path_agrees(path, name) else None


def _path_of_command(family: Family, command: str | None, name: str) -> str | None:
    return _path(family, family.commands[command].rank[3], name) if command else None


def _field_plugin(family: Family, name: str) -> str | None:
    plugins = family.field_plugins.get(name)
    return next(iter(plugins)) if plugins and len(plugins) == 1 else None


def _response_row(family: Family, message_id: str) -> ResponseRow:
    response = family.responses[message_id]
    return ResponseRow(
        id=identity_key("response", message_id),
        message_id=message_id,
        model=response.model,
        at=_time(response.rank),
        tokens=response.tokens,
        final=response.final,
        is_sidechain=response.rank[2],
        agent_id=response.agent_id,
        context_skill=response.context_skill,
        context_plugin=response.context_plugin,
    )


def _time(rank: Rank) -> int | None:
    return None if rank[1] == NO_TIME else rank[1]


def _count_runs(runs: list[HookRun]) -> dict[tuple[str, str, str, str, str], int]:
    return dict(
        Counter(
            (iso_day(run.at), run.event, run.name, run.plugin, run.result)
            for run in runs
            if run.at != NO_TIME
        )
    )


def _count_drift(extract: Extract, family: Family) -> dict[tuple[str, str, str], int]:
    counted: Counter[tuple[str, str, str]] = Counter()
    for kind, name, lines in extract.drift.items():
        for line, at in lines.items():
            if family.owner_of.get(line, extract.session_id) == extract.session_id:
                counted[(iso_day(at), kind, name)] += 1
    return dict(counted)
