"""The counting rules once more, slow and obvious: one person's files in, figures out.

Written from the rules alone, with the standard library's json and without a line of the fast
implementation, so that the two can be held against each other. Nothing is streamed: every line
is kept, every identity is looked up in all of them.

Where the rules leave room, this reading holds:

- A line without a usage object is no line of a response.
- A session's first and last time are the smallest and largest that its lines carry themselves;
  metadata (no uuid, neither user nor assistant) dates nothing, since copies of a session repeat it
  under their own id. An inherited time only says when an event or a result happened.
- A call's outcome is its latest result in any of the person's sessions; of two results of one
  instant the more telling holds: rejected, interrupted, failed, ok.
- A revision that is the beginning of another of the same file brings nothing, not even lines.
- A prompt without origin and promptSource is told by its shape; with them, by both of them, but a
  slash command, a tool result, a sidechain line and what is marked as made by the machine never
  are prompts. Nor is a line that holds neither words nor a picture.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from tests.reference.slow_lines import Line, read_revision, text_or_nothing, without_beginnings

LONGEST_ACTIVE_GAP = 600.0
TOKEN_KINDS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_creation": "cache_creation_input_tokens",
    "cache_read": "cache_read_input_tokens",
}
OUTCOME_RANK = {"ok": 0, "failed": 1, "interrupted": 2, "rejected": 3}
COMMAND = re.compile(
    r"\s*(?:<command-(message|args)>.*?</command-\1>\s*)*<command-name>\s*/?(.*?)\s*</command-name>",
    re.DOTALL,
)
NOT_TYPED = (
    "<local-command-",
    "<command-",
    "<bash-",
    "<task-notification>",
    "[Request interrupted",
)
TYPED_SOURCES = {"typed", "queued", "suggestion_accepted"}
Files = Mapping[str, bytes | list[bytes]]
Rank = Mapping[str, tuple[bool, float, bool, str]]


@dataclass
class SessionFigures:
    """What one session owns."""

    responses: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    commands: set[tuple[str, str]] = field(default_factory=set)
    prompts: set[str] = field(default_factory=set)
    user_messages: int = 0
    tool_errors: int = 0
    tool_rejections: int = 0
    tool_interruptions: int = 0
    active_seconds: float = 0.0
    wall_seconds: float = 0.0
    started_at: datetime | None = None
    tokens: Counter[str] = field(default_factory=Counter)

    @property
    def tool_calls(self) -> int:
        return len(self.calls)

    @property
    def assistant_messages(self) -> int:
        return len(self.responses)


@dataclass
class Figures:
    """What one person's files come to."""

    files: int = 0
    lines: int = 0
    bad_lines: int = 0
    mended_lines: int = 0
    sessions: dict[str, SessionFigures] = field(default_factory=dict)
    responses: set[str] = field(default_factory=set)
    final_responses: set[str] = field(default_factory=set)
    tokens: Counter[str] = field(default_factory=Counter)
    tools: Counter[str] = field(default_factory=Counter)
    skills: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, str] = field(default_factory=dict)
    commands: Counter[str] = field(default_factory=Counter)
    prompts: set[str] = field(default_factory=set)

    @property
    def tool_calls(self) -> int:
        return self.tools.total()

    @property
    def mcp_calls(self) -> int:
        return sum(count for name, count in self.tools.items() if name.startswith("mcp__"))

    @property
    def subagents(self) -> int:
        return self.tools["Task"] + self.tools["Agent"]

    @property
    def skill_calls(self) -> int:
        return self.tools["Skill"]


def count_person(files: Files) -> Figures:
    """The figures of one person's files, name -> bytes, or the revisions of the name.

    Names are `<session id>.jsonl`, `<session id>/agent-<id>.jsonl`, `agent-<id>.jsonl` or any
    other. A file without a line that has a sessionId counts nothing, not even lines.
    """
    figures = Figures()
    lines: list[Line] = []
    for name, content in files.items():
        contents = content if isinstance(content, list) else [content]
        revisions = [read_revision(name, revision) for revision in without_beginnings(contents)]
        counted = [revision for revision in revisions if revision.sessions]
        figures.files += bool(counted)
        for revision in counted:
            figures.lines += revision.lines
            figures.bad_lines += revision.bad
            figures.mended_lines += revision.mended
            lines.extend(revision.records)
            for session in revision.sessions:
                figures.sessions.setdefault(session, SessionFigures())
    rank = {session: rank_session(session, lines) for session in {line.session for line in lines}}
    for session in rank:
        figures.sessions.setdefault(session, SessionFigures())
    count_lines(figures, lines, rank)
    count_responses(figures, lines, rank)
    count_calls(figures, lines, rank)
    return figures


def rank_session(session: str, lines: list[Line]) -> tuple[bool, float, bool, str]:
    """Sorts the session that owns what several hold before the others."""
    held = [line for line in lines if line.session == session]
    times = [line.time.timestamp() for line in held if line.time and line.in_conversation]
    forked = any(line.record.get("forkedFrom") for line in held)
    return (not times, min(times, default=0.0), forked, session)


def owner_of(holders: Iterable[Line], rank: Rank) -> str:
    return min({line.session for line in holders}, key=lambda session: rank[session])


def count_lines(figures: Figures, lines: list[Line], rank: Rank) -> None:
    """Prompts, commands, user lines and times, each with the session that owns the line."""
    owned: dict[str, list[Line]] = {session: [] for session in figures.sessions}
    for copies in grouped(lines, lambda line: [line.identity]).values():
        owner = owner_of(copies, rank)
        owned[owner].extend(line for line in copies if line.session == owner)
    for session, held in owned.items():
        mine = figures.sessions[session]
        mine.user_messages = len({line.identity for line in held if line.kind == "user"})
        mine.prompts = {line.identity for line in held if is_prompt(line)}
        mine.commands = {(line.identity, name) for line in held if (name := command_name(line))}
        figures.prompts |= mine.prompts
        figures.commands.update(name for _, name in mine.commands)
        times = sorted(line.time for line in held if line.time and line.in_conversation)
        if times:
            mine.started_at = times[0]
            mine.wall_seconds = (times[-1] - times[0]).total_seconds()
        mine.active_seconds = active_seconds(held)


def active_seconds(lines: list[Line]) -> float:
    spoken: dict[str, datetime] = {}
    for line in lines:
        if (
            line.time
            and line.in_main_file
            and not line.is_copy
            and line.kind in ("user", "assistant")
        ):
            spoken[line.identity] = min(line.time, spoken.get(line.identity, line.time))
    times = sorted(spoken.values())
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    return sum(gap for gap in gaps if gap <= LONGEST_ACTIVE_GAP)


def count_responses(figures: Figures, lines: list[Line], rank: Rank) -> None:
    """Per response the maximum of each token field over all lines anywhere."""
    answers = [line for line in lines if is_answer(line)]
    for identity, copies in grouped(answers, lambda line: [response_id(line)]).items():
        tokens = Counter(
            {kind: max(usage(line, key) for line in copies) for kind, key in TOKEN_KINDS.items()}
        )
        figures.responses.add(identity)
        figures.tokens.update(tokens)
        if any(line.message.get("stop_reason") for line in copies):
            figures.final_responses.add(identity)
        mine = figures.sessions[owner_of(copies, rank)]
        mine.responses.add(identity)
        mine.tokens.update(tokens)


def is_answer(line: Line) -> bool:
    if line.kind != "assistant" or line.record.get("isApiErrorMessage") is True:
        return False
    return line.message.get("model") != "<synthetic>" and isinstance(
        line.message.get("usage"), dict
    )


def response_id(line: Line) -> str:
    return text_or_nothing(line.message.get("id")) or line.identity


def usage(line: Line, key: str) -> int:
    value = line.message["usage"].get(key)
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return int(value) if whole and value is not True and value > 0 else 0


def count_calls(figures: Figures, lines: list[Line], rank: Rank) -> None:
    """Distinct tool_use ids, named by their earliest line, with their latest result."""
    outcomes = latest_outcomes(lines)
    asking = [line for line in lines if line.kind == "assistant"]
    for identity, copies in grouped(asking, lambda line: list(calls_of(line))).items():
        first = min(
            copies, key=lambda line: (line.when is None, line.when and line.when.timestamp())
        )
        block = calls_of(first)[identity]
        outcome = outcomes.get(identity, "unknown")
        name = text_or_nothing(block.get("name"))
        figures.tools[name] += 1
        figures.outcomes[identity] = outcome
        if name == "Skill":
            wanted = block["input"] if isinstance(block.get("input"), dict) else {}
            named = text_or_nothing(wanted.get("skill") or wanted.get("command")).split()
            figures.skills[named[0].lstrip("/") if named else ""] += 1
        mine = figures.sessions[owner_of(copies, rank)]
        mine.calls.add(identity)
        mine.tool_errors += outcome == "failed"
        mine.tool_rejections += outcome == "rejected"
        mine.tool_interruptions += outcome == "interrupted"


def calls_of(line: Line) -> dict[str, dict[str, Any]]:
    """The tool_use blocks of a line by id, else by their place in the line."""
    found: dict[str, dict[str, Any]] = {}
    for position, block in enumerate(line.blocks):
        if block.get("type") == "tool_use":
            found.setdefault(
                text_or_nothing(block.get("id")) or f"{line.identity}#{position}", block
            )
    return found


def latest_outcomes(lines: list[Line]) -> dict[str, str]:
    found: dict[str, tuple[float, int, str]] = {}
    for line in lines:
        if line.kind != "user":
            continue
        for block in line.blocks:
            identity = text_or_nothing(block.get("tool_use_id"))
            if block.get("type") == "tool_result" and identity:
                outcome = outcome_of(line, block)
                time = line.when.timestamp() if line.when else float("-inf")
                candidate = (time, OUTCOME_RANK[outcome], outcome)
                found[identity] = max(candidate, found.get(identity, candidate))
    return {identity: outcome for identity, (_, _, outcome) in found.items()}


def outcome_of(line: Line, block: dict[str, Any]) -> str:
    result = line.record.get("toolUseResult")
    interrupted = isinstance(result, dict) and result.get("interrupted") is True
    if block.get("is_error") is not True:
        return "interrupted" if interrupted else "ok"
    text = result_text(block.get("content"))
    denial = line.record.get("toolDenialKind")
    if denial == "user-rejected" or (
        isinstance(result, str) and result.startswith("User rejected")
    ):
        return "rejected"
    if text.startswith(
        ("The user doesn't want to proceed", "The user doesn't want to take this action")
    ):
        return "rejected"
    if denial == "interrupted" or text.startswith("[Request interrupted") or interrupted:
        return "interrupted"
    return "failed"


def result_text(content: object) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    texts = (
        block.get("text")
        for block in blocks
        if isinstance(block, dict) and block.get("type") == "text"
    )
    return next((text for text in texts if isinstance(text, str)), "")


def command_name(line: Line) -> str:
    """The typed command's name without its slash, or nothing."""
    if line.kind != "user" or line.record.get("isMeta") is True:
        return ""
    found = COMMAND.match(line.text)
    return found.group(2) if found else ""


def is_prompt(line: Line) -> bool:
    record = line.record
    if (
        line.kind != "user"
        or line.sidechain
        or not line.in_main_file
        or line.is_copy
        or not line.message
    ):
        return False
    if command_name(line) or any(block.get("type") == "tool_result" for block in line.blocks):
        return False
    if record.get("isMeta") is True or record.get("isCompactSummary") is True:
        return False
    origin = record.get("origin")
    kind = text_or_nothing(origin.get("kind")) if isinstance(origin, dict) else ""
    source = text_or_nothing(record.get("promptSource"))
    if kind or source:
        return kind in ("", "human") and source in ("", *TYPED_SOURCES)
    if line.text.strip():
        return not line.text.lstrip().startswith(NOT_TYPED)
    return any(block.get("type") in ("image", "document") for block in line.blocks)


def grouped(lines: Iterable[Line], keys: Callable[[Line], Iterable[str]]) -> dict[str, list[Line]]:
    groups: dict[str, list[Line]] = {}
    for line in lines:
        for key in keys(line):
            groups.setdefault(key, []).append(line)
    return groups


def time_of(line: Line) -> tuple[bool, float]:
    """Sorts by time, lines that never tell one last."""
    return (line.when is None, line.when.timestamp() if line.when else 0.0)
