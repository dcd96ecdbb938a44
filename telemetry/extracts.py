"""Lines of one session gathered by identity: what its files say, before anything is counted.

An extract is the union of the lines of all files and revisions of a session. Every rule here is
commutative (earliest, latest, maximum, or), so no order of files, revisions or lines can change
what comes out. Nothing here knows about people, ownership or plugins; see telemetry.events.
"""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from telemetry import hooks
from telemetry.drift import Drift
from telemetry.identity import identity_key
from telemetry.outcomes import result_outcome
from telemetry.prompts import is_person_typed, is_prompt, typed_command
from telemetry.skill_paths import body_path
from telemetry.surveys import SessionSeeker, is_subagent_file
from telemetry.transcripts import (
    MAX_COUNT,
    Block,
    Decoded,
    Line,
    Message,
    Tally,
    Usage,
    decode_content,
    decode_line,
    decode_progress,
    decode_value,
    epoch_ms,
    read_lines,
)

NO_TIME = 1 << 62
"""Sorts after every time in milliseconds."""

AGENT_TOOLS = frozenset({"Task", "Agent"})
SKILL_TOOLS = frozenset({"Skill", "SlashCommand"})

Rank = tuple[bool, int, bool, str]
"""Which copy of an identity tells its time: an inherited time or not, ms, sidechain, line."""


class SourceFile(NamedTuple):
    """A file to read: its `TranscriptFile.name`, and a way to open each of its revisions."""

    name: str
    revisions: list[Callable[[], Iterable[bytes]]]


class LineFact(msgspec.Struct, gc=False):
    """A line that has an identity."""

    at: int = NO_TIME
    """Its own time in ms, NO_TIME where it tells none."""
    type: str = ""
    in_main: bool = False
    is_prompt: bool = False


class Response(msgspec.Struct, gc=False):
    """An API answer: the maximum of each count over all its lines, the rest of the earliest one."""

    rank: Rank
    model: str | None
    agent_id: str | None
    context_skill: str | None
    context_plugin: str | None
    tokens: tuple[int, int, int, int, int, int]
    """input, output, cache creation, of it 5-minute and 1-hour, cache read."""
    final: bool = False


class Act(msgspec.Struct, gc=False):
    """A tool call or a typed command, as its earliest line shows it."""

    rank: Rank
    parent: str | None
    tool: str | None
    """The tool's name; None for a typed command."""
    named: str | None
    """The skill, agent or command it names, if any."""
    typed: bool
    """Whether the line itself says that a person typed it."""
    brought_by: str | None
    """The tool_use id or line that a machine-made command line follows."""
    response: str | None
    model: str | None
    agent_id: str | None
    cwd: str | None
    git_branch: str | None
    context_skill: str | None
    context_plugin: str | None


class Extract:
    """Everything one session's lines say, by identity. Built by `extract`."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.lines: dict[str, LineFact] = {}
        self.responses: dict[str, Response] = {}
        self.calls: dict[str, Act] = {}
        self.commands: dict[str, Act] = {}
        """By line identity and name, parted by a space."""
        self.results: dict[str, tuple[int, str]] = {}
        """Latest result of a tool_use id: ms, outcome."""
        self.result_lines: dict[str, str] = {}
        """The tool_use id that a line brought a result for."""
        self.hooks: dict[str, list[hooks.HookRun]] = {}
        self.drift = Drift()
        self.body_paths: dict[str, str] = {}
        """marketplace/plugin/version/item by the tool_use id or line that brought the body."""
        self.field_plugins: dict[str, set[str]] = {}
        """attributionPlugin values by the attributionSkill they came with."""
        self.versions: dict[str, int] = {}
        self.projects: dict[str, int] = {}
        self.branches: dict[str, int] = {}
        self.titles: dict[str, tuple[int, int, str]] = {}
        self.forks: set[str] = set()
        self.agent_ids: set[str] = set()
        self.bad: set[bytes] = set()
        self.mended: set[bytes] = set()
        self.held: set[int] = set()
        """Keys of lines that were left out because somebody else holds them."""
        self.line_count = 0

    @property
    def order(self) -> tuple[int, bool, str]:
        """Place among a person's sessions: the lowest owns what several of them hold."""
        first = min((fact.at for fact in self.lines.values()), default=NO_TIME)
        return (first, bool(self.forks), self.session_id)

    def keys(self) -> set[int]:
        """The identity keys of all its lines, responses and calls."""
        keys = self.held | {identity_key("line", line) for line in self.lines}
        keys.update(identity_key("response", message) for message in self.responses)
        keys.update(identity_key("call", call) for call in self.calls)
        return keys


def extract(
    files: Iterable[SourceFile], session_id: str, held: AbstractSet[int] = frozenset()
) -> Extract:
    """Gather the lines of one session from its files.

    A line whose identity key is in `held` was brought by another person first: it goes to
    `Extract.held` and counts nothing.
    """
    gathered = Extract(session_id)
    for file in files:
        for open_revision in file.revisions:
            _Gatherer(gathered, file.name, held).gather(open_revision())
    return gathered


class _Entry(NamedTuple):
    decoded: Decoded
    raw: bytes
    number: int


class _Gatherer:
    """Adds one revision of one file to an extract."""

    def __init__(self, into: Extract, name: str, held: AbstractSet[int]) -> None:
        self.into = into
        self.held = held
        self.in_main = not is_subagent_file(name)
        self.seeker = SessionSeeker(name)
        self.at = NO_TIME
        """Time of the last line that told one."""
        self.homeless: list[_Entry] = []
        self.timeless: list[_Entry] = []
        self.cwd: str | None = None
        self.branch: str | None = None
        self.version: str | None = None

    def gather(self, chunks: Iterable[bytes]) -> None:
        tally = Tally(too_long=[])
        number = 0
        for raw in read_lines(chunks, tally):
            number += 1
            decoded = decode_line(raw)
            if decoded is None:
                self.count_bad(raw)
                continue
            entry = _Entry(decoded, raw, number)
            session_id = self.seeker.seek(decoded.line.sessionId)
            if session_id is None:
                self.homeless.append(entry)
                continue
            if self.homeless:
                waiting, self.homeless = self.homeless, []
                for earlier in waiting:
                    self.place(earlier, session_id)
            self.place(entry, session_id)
        for entry in self.timeless:
            self.take(entry, NO_TIME, False)
        for part in tally.too_long:
            self.count_bad(part)

    def count_bad(self, raw: bytes) -> None:
        if self.seeker.last in (None, self.into.session_id):
            self.into.bad.add(blake2b(raw, digest_size=16).digest())
            self.into.line_count += 1

    def place(self, entry: _Entry, session_id: str) -> None:
        """Give a line its time: its own, else the previous line's, else the next one's."""
        own = epoch_ms(entry.decoded.line.timestamp)
        if own is not None:
            self.at = own
            if self.timeless:
                for earlier in self.timeless:
                    self.take(earlier, own, False)
                self.timeless = []
        if session_id != self.into.session_id:
            return
        if self.at == NO_TIME:
            self.timeless.append(entry)
        else:
            self.take(entry, self.at, own is not None)

    def take(self, entry: _Entry, at: int, told: bool) -> None:
        line = entry.decoded.line
        into = self.into
        into.line_count += 1
        identity = line.uuid
        if identity is None and line.type in ("user", "assistant"):
            identity = "raw:" + blake2b(entry.raw, digest_size=16).hexdigest()
        if entry.decoded.mended:
            into.mended.add(blake2b(entry.raw, digest_size=16).digest())
        into.drift.notice(entry.decoded, identity, entry.raw, at)
        if identity is None:
            self.take_metadata(line, at, entry.number)
        else:
            self.take_identified(line, identity, at, told)

    def take_metadata(self, line: Line, at: int, number: int) -> None:
        """Titles are appended again and again; the last one holds."""
        title: Any = None
        if line.type == "custom-title":
            title = line.customTitle
        elif line.type == "ai-title":
            title = line.aiTitle
        elif line.type == "summary":
            title = decode_value(line.summary)
        if isinstance(title, str) and line.type:
            latest = (-1 if at == NO_TIME else at, number, title)
            self.into.titles[line.type] = max(self.into.titles.get(line.type, latest), latest)

    def take_identified(self, line: Line, identity: str, at: int, told: bool) -> None:
        into = self.into
        if self.held and (key := identity_key("line", identity)) in self.held:
            into.held.add(key)
            return
        fact = into.lines.get(identity)
        if fact is None:
            fact = into.lines[identity] = LineFact(type=line.type or "")
        if told and at < fact.at:
            fact.at = at
        fact.in_main = fact.in_main or self.in_main
        self.take_surroundings(line, at)
        rank = (not told, at, bool(line.isSidechain), identity)
        if line.type == "assistant":
            self.take_assistant(line, rank)
        elif line.type == "user":
            self.take_user(line, rank, fact)
        elif line.type == "progress":
            self.take_progress(line, identity, at)
        else:
            hooks.gather(into.hooks, line, identity, at)

    def take_surroundings(self, line: Line, at: int) -> None:
        into = self.into
        if line.cwd is not None and line.cwd != self.cwd:
            self.cwd = line.cwd
            into.projects[line.cwd] = min(at, into.projects.get(line.cwd, at))
        if line.gitBranch and line.gitBranch != self.branch:
            self.branch = line.gitBranch
            known = into.branches.get(line.gitBranch, -1)
            into.branches[line.gitBranch] = max(known, -1 if at == NO_TIME else at)
        if line.version and line.version != self.version:
            self.version = line.version
            into.versions[line.version] = min(at, into.versions.get(line.version, at))
        if line.agentId:
            into.agent_ids.add(line.agentId)
        if line.forkedFrom is not None:
            into.forks.add(line.forkedFrom.sessionId or "")

    def take_assistant(self, line: Line, rank: Rank) -> None:
        message = line.message
        if message is None or line.isApiErrorMessage or message.model == "<synthetic>":
            return
        into = self.into
        message_id = message.id or rank[3]
        if message.usage is not None:
            response = _response(line, message, rank)
            known = into.responses.get(message_id)
            into.responses[message_id] = merge_responses(known, response) if known else response
        if line.attributionSkill and line.attributionPlugin:
            into.field_plugins.setdefault(line.attributionSkill, set()).add(line.attributionPlugin)
        content = decode_content(message.content)
        if isinstance(content, list):
            for index, block in enumerate(content):
                if block.type == "tool_use":
                    self.take_call(line, block, rank, message_id, index)
                into.drift.notice_block(block, rank[3], rank[1])

    def take_call(self, line: Line, block: Block, rank: Rank, message_id: str, index: int) -> None:
        call_id = block.id or f"{rank[3]}#{index}"
        tool = block.name or ""
        act = Act(
            rank=rank,
            parent=line.parentUuid,
            tool=tool,
            named=_named(tool, block),
            typed=False,
            brought_by=None,
            response=message_id,
            model=line.message.model if line.message else None,
            agent_id=line.agentId,
            cwd=line.cwd,
            git_branch=line.gitBranch,
            context_skill=line.attributionSkill,
            context_plugin=line.attributionPlugin,
        )
        known = self.into.calls.get(call_id)
        if known is None or act.rank < known.rank:
            self.into.calls[call_id] = act

    def take_user(self, line: Line, rank: Rank, fact: LineFact) -> None:
        content = decode_content(line.message.content) if line.message else None
        blocks = content if isinstance(content, list) else []
        text = content if isinstance(content, str) else _first_text(blocks)
        for block in blocks:
            if block.type == "tool_result" and block.tool_use_id:
                result = (-1 if rank[1] == NO_TIME else rank[1], result_outcome(line, block).value)
                known = self.into.results.get(block.tool_use_id, result)
                self.into.results[block.tool_use_id] = max(known, result)
                self.into.result_lines[rank[3]] = block.tool_use_id
            self.into.drift.notice_block(block, rank[3], rank[1])
        if line.isMeta and text:
            path = body_path(text)
            brought_by = line.sourceToolUseID or line.parentUuid
            if path and brought_by:
                paths = self.into.body_paths
                paths[brought_by] = min(paths.get(brought_by, path), path)
        name = typed_command(line, text)
        if name:
            self.take_command(line, rank, name)
        elif self.in_main and is_prompt(line, text, blocks):
            fact.is_prompt = True

    def take_command(self, line: Line, rank: Rank, name: str) -> None:
        act = Act(
            rank=rank,
            parent=line.parentUuid,
            tool=None,
            named=name,
            typed=is_person_typed(line),
            brought_by=line.sourceToolUseID or line.parentUuid,
            response=None,
            model=None,
            agent_id=line.agentId,
            cwd=line.cwd,
            git_branch=line.gitBranch,
            context_skill=line.attributionSkill,
            context_plugin=line.attributionPlugin,
        )
        key = f"{rank[3]} {name}"
        known = self.into.commands.get(key)
        if known is None or act.rank < known.rank:
            self.into.commands[key] = act

    def take_progress(self, line: Line, identity: str, at: int) -> None:
        """A hook's run, or a copy of a subagent's line, which is read like the line itself."""
        progress = decode_progress(line.data)
        if progress is None:
            return
        self.into.drift.notice_progress(progress, identity, at)
        if progress.type == "hook_progress":
            hooks.gather_progress(self.into.hooks, progress, identity, at)
        copied = progress.message
        if progress.type != "agent_progress" or copied is None or not copied.uuid:
            return
        copied.isSidechain = True
        copied.agentId = copied.agentId or progress.agentId
        own = epoch_ms(copied.timestamp)
        was_main, self.in_main = self.in_main, False
        self.take_identified(copied, copied.uuid, at if own is None else own, own is not None)
        self.in_main = was_main


def _response(line: Line, message: Message, rank: Rank) -> Response:
    return Response(
        rank=rank,
        model=message.model,
        agent_id=line.agentId,
        context_skill=line.attributionSkill,
        context_plugin=line.attributionPlugin,
        tokens=_tokens(message.usage),
        final=message.stop_reason is not None,
    )


def merge_responses(one: Response, other: Response) -> Response:
    """Two views of one answer as one: the maximum of each count, the rest of the earlier line."""
    first = one if one.rank <= other.rank else other
    return Response(
        rank=first.rank,
        model=first.model,
        agent_id=first.agent_id,
        context_skill=first.context_skill,
        context_plugin=first.context_plugin,
        tokens=tuple(map(max, one.tokens, other.tokens)),  # type: ignore[arg-type]
        final=one.final or other.final,
    )


def _tokens(usage: Usage | None) -> tuple[int, int, int, int, int, int]:
    if usage is None:
        return (0, 0, 0, 0, 0, 0)
    split = usage.cache_creation
    return (
        _count(usage.input_tokens),
        _count(usage.output_tokens),
        _count(usage.cache_creation_input_tokens),
        _count(split.ephemeral_5m_input_tokens) if split else 0,
        _count(split.ephemeral_1h_input_tokens) if split else 0,
        _count(usage.cache_read_input_tokens),
    )


def _count(number: int | None) -> int:
    return number if number is not None and 0 <= number < MAX_COUNT else 0


def _first_text(blocks: list[Block]) -> str | None:
    for block in blocks:
        if block.type == "text":
            text = decode_value(block.text)
            return text if isinstance(text, str) else None
    return None


def _named(tool: str, block: Block) -> str | None:
    """The skill, agent or command that a call names in its input, without slash and arguments."""
    if tool not in AGENT_TOOLS and tool not in SKILL_TOOLS:
        return None
    given = decode_value(block.input)
    given = given if isinstance(given, dict) else {}
    if tool in AGENT_TOOLS:
        kind = given.get("subagent_type")
        return kind if isinstance(kind, str) and kind else "general-purpose"
    name = given.get("skill") or given.get("command")
    words = name.split(None, 1) if isinstance(name, str) else []
    return (words[0].lstrip("/") or None) if words else None
