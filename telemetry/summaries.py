"""A session in one row: what it did, and where it comes from."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from telemetry.families import Family, Owned
from telemetry.identified import NO_TIME, Extract
from telemetry.taxonomy import EventKind, Outcome

if TYPE_CHECKING:
    from telemetry.events import EventRow, ResponseRow

ACTIVE_GAP_MS = 10 * 60 * 1000
"""A longer pause between two lines is not active time."""

_TITLES = ("custom-title", "ai-title", "summary")
"""Where a title comes from, best first."""


class Facts(msgspec.Struct):
    """The columns of usage_session_summary that the transcript tells; times in ms."""

    started_at: int | None
    ended_at: int | None
    active_seconds: float
    wall_seconds: float
    prompts: int
    user_messages: int
    assistant_messages: int
    tool_calls: int
    tool_errors: int
    tool_rejections: int
    tool_interruptions: int
    skill_invocations: int
    subagent_dispatches: int
    mcp_calls: int
    slash_commands: int
    hook_runs: int
    distinct_tools: int
    distinct_skills: int
    primary_model: str | None
    responses: int
    input_tokens: int
    output_tokens: int
    cache_creation_tokens: int
    cache_read_tokens: int
    usage_final_share: float | None
    lines: int
    """Like the next two of the stored files, not of the person: every revision by itself, repeated
    lines each time, so these alone depend on how a file was uploaded."""
    bad_lines: int
    mended_lines: int


class Lineage(msgspec.Struct):
    """The columns of Session that the transcript tells."""

    project: str
    title: str
    versions: list[str]
    git_branch: str
    forked_from: str
    resumed_from: str
    agent_ids: list[str]


def summarise(
    owned: Owned, events: "list[EventRow]", responses: "list[ResponseRow]", hook_runs: int
) -> Facts:
    """The figures of a session, over what it owns."""
    extract = owned.extract
    lines = [extract.lines[line] for line in owned.lines]
    started, ended, wall_ms = _span(fact.at for fact in lines)
    spoken = (fact.at for fact in lines if fact.in_main and fact.is_spoken)
    calls = [event for event in events if event.event_type is not EventKind.SLASH_COMMAND]
    outcomes = Counter(event.outcome for event in calls)
    kinds = Counter(event.event_type for event in events)
    skills = [one.skill_name for one in events if one.skill_name and one.stands_for_activation]
    sums = [sum(row.tokens[at] for row in responses) for at in range(6)]
    return Facts(
        started_at=started,
        ended_at=ended,
        active_seconds=_active_ms(spoken) / 1000,
        wall_seconds=wall_ms / 1000,
        prompts=sum(fact.is_prompt for fact in lines),
        user_messages=sum(fact.is_user for fact in lines),
        assistant_messages=len(responses),
        tool_calls=len(calls),
        tool_errors=outcomes[Outcome.FAILED],
        tool_rejections=outcomes[Outcome.REJECTED],
        tool_interruptions=outcomes[Outcome.INTERRUPTED],
        skill_invocations=len(skills),
        subagent_dispatches=kinds[EventKind.SUBAGENT],
        mcp_calls=kinds[EventKind.MCP_CALL],
        slash_commands=kinds[EventKind.SLASH_COMMAND],
        hook_runs=hook_runs,
        distinct_tools=len({event.tool_name for event in calls}),
        distinct_skills=len(set(skills)),
        primary_model=_primary_model(responses),
        responses=len(responses),
        input_tokens=sums[0],
        output_tokens=sums[1],
        cache_creation_tokens=sums[2],
        cache_read_tokens=sums[5],
        usage_final_share=_share([row.final for row in responses]),
        lines=extract.line_count,
        bad_lines=extract.bad_lines,
        mended_lines=extract.mended_lines,
    )


def lineage_of(extract: Extract, family: Family) -> Lineage:
    """Where a session ran and which session it continues."""
    first = min(extract.lines, key=lambda line: (extract.lines[line].at, line), default=None)
    owner = family.owner_of.get(first or "", extract.session_id)
    forked_from = min(extract.forks, default="")
    versions = sorted(extract.versions, key=lambda version: (extract.versions[version], version))
    return Lineage(
        project=_earliest(extract.projects),
        title=_title(extract),
        versions=versions,
        git_branch=max(
            extract.branches, key=lambda name: (extract.branches[name], name), default=""
        ),
        forked_from=forked_from,
        resumed_from=owner if owner != extract.session_id and not extract.forks else "",
        agent_ids=sorted(extract.agent_ids),
    )


def _span(times: Iterable[int]) -> tuple[int | None, int | None, int]:
    """The first and the last of the times that are known, and ms between them."""
    known = [at for at in times if at != NO_TIME]
    return (min(known), max(known), max(known) - min(known)) if known else (None, None, 0)


def _share(answers: list[bool]) -> float | None:
    return sum(answers) / len(answers) if answers else None


def _active_ms(times: Iterable[int]) -> int:
    ordered = sorted(at for at in times if at != NO_TIME)
    gaps = (later - earlier for earlier, later in pairwise(ordered))
    return sum(gap for gap in gaps if gap <= ACTIVE_GAP_MS)


def _primary_model(responses: "list[ResponseRow]") -> str | None:
    """The model of most responses; of equals the one that wrote more, then the first by name."""
    counts: dict[str, tuple[int, int]] = {}
    for row in responses:
        if row.model:
            number, output = counts.get(row.model, (0, 0))
            counts[row.model] = (number + 1, output + row.tokens[1])
    return min(
        counts, key=lambda model: (-counts[model][0], -counts[model][1], model), default=None
    )


def _earliest(seen: dict[str, int]) -> str:
    return min(seen, key=lambda name: (seen[name], name), default="")


def _title(extract: Extract) -> str:
    for kind in _TITLES:
        if kind in extract.titles:
            return extract.titles[kind][2]
    return ""
