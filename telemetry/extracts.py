"""Lines of one session gathered by identity: what its files say, before anything is counted.

An extract is the union of the lines of all files and revisions of a session. Every rule here is
commutative (earliest, latest, maximum, or), so no order of files, revisions or lines can change
what comes out. Nothing here knows about people, ownership or plugins; see telemetry.events.
"""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from typing import Any, NamedTuple

from telemetry import hooks
from telemetry.identified import (
    AGENT_TOOLS,
    NO_TIME,
    SKILL_TOOLS,
    Act,
    Extract,
    LineFact,
    Rank,
    earlier_act,
    merge_responses,
    response_of,
)
from telemetry.identity import identity_key
from telemetry.outcomes import TELLING, result_outcome
from telemetry.prompts import first_text, is_person_typed, is_prompt, typed_command
from telemetry.skill_paths import body_path, is_skill_body
from telemetry.surveys import SessionSeeker, is_subagent_file, tells_session
from telemetry.transcripts import (
    Block,
    Decoded,
    Line,
    ReadLine,
    Tally,
    bare,
    decode_content,
    decode_lines,
    decode_progress,
    decode_value,
    epoch_ms,
)


class SourceFile(NamedTuple):
    """A file to read: its `TranscriptFile.name`, and a way to open each of its revisions."""

    name: str
    revisions: list[Callable[[], Iterable[bytes]]]


class ReadFile(NamedTuple):
    """A file whose lines were decoded: its `TranscriptFile.name`, the lines, what they met."""

    name: str
    lines: list[ReadLine]
    tally: Tally


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
            tally = Tally(too_long=[])
            lines = decode_lines(open_revision(), tally)
            _Gatherer(gathered, file.name, held).gather(lines, tally)
    return gathered


def extract_lines(files: Iterable[ReadFile], session_id: str) -> Extract:
    """The same of files that were decoded already, each with one revision."""
    gathered = Extract(session_id)
    for file in files:
        _Gatherer(gathered, file.name, frozenset()).gather(file.lines, file.tally)
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
        self.neighbour: str | None = None
        """The session of the last line that told one: a bad line goes with it."""
        self.early_bad = 0
        """Bad lines before the first such line; they go with that one."""
        self.homeless: list[_Entry] = []
        self.timeless: list[_Entry] = []

    def gather(self, lines: Iterable[ReadLine], tally: Tally) -> None:
        """Take in the lines; `tally` is complete at their end."""
        for number, (raw, decoded) in enumerate(lines, 1):
            if decoded is None:
                self.count_bad(1)
                continue
            entry = _Entry(decoded, raw, number)
            line = decoded.line
            session_id = self.seeker.seek(line.sessionId)
            if session_id != self.neighbour and tells_session(line.type, line.uuid, line.sessionId):
                self.settle_with(session_id)
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
        self.count_bad(len(tally.too_long))

    def count_bad(self, number: int) -> None:
        if self.neighbour is None:
            self.early_bad += number
        elif self.neighbour == self.into.session_id:
            self.into.bad_lines += number
            self.into.line_count += number

    def settle_with(self, session_id: str | None) -> None:
        self.neighbour = session_id
        if session_id is not None and self.early_bad:
            number, self.early_bad = self.early_bad, 0
            self.count_bad(number)

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
        identity = line.uuid or None
        if identity is None and line.type in ("user", "assistant"):
            identity = "raw:" + blake2b(bare(entry.raw), digest_size=16).hexdigest()
        into.mended_lines += entry.decoded.mended
        if identity is None:
            into.drift.notice(entry.decoded, None, entry.raw, at)
            self.take_unnamed(line, at, entry.number)
        elif self.take_identified(line, identity, at, told):
            into.drift.notice(entry.decoded, identity, entry.raw, at)

    def take_unnamed(self, line: Line, at: int, number: int) -> None:
        """A line without an identity: what it carries may have one, else it is metadata."""
        if line.type == "progress":
            self.take_progress(line, "", at)
        else:
            self.take_metadata(line, at, number)

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

    def take_identified(self, line: Line, identity: str, at: int, told: bool) -> bool:
        """Take in a line by its identity; False when somebody else holds it."""
        into = self.into
        if self.held and (key := identity_key("line", identity)) in self.held:
            into.held.add(key)
            return False
        fact = into.lines.get(identity)
        if fact is None:
            fact = into.lines[identity] = LineFact()
        if told and at < fact.at:
            fact.at = at
        fact.in_main = fact.in_main or self.in_main
        self.take_surroundings(line, at)
        rank = (not told, at, bool(line.isSidechain), identity)
        if line.type == "assistant":
            fact.is_spoken = True
            self.take_assistant(line, rank)
        elif line.type == "user":
            fact.is_user = fact.is_spoken = True
            self.take_user(line, rank, fact)
        elif line.type == "progress":
            self.take_progress(line, identity, at)
        else:
            hooks.gather(into.hooks, line, identity, at)
        return True

    def take_surroundings(self, line: Line, at: int) -> None:
        into = self.into
        if (cwd := line.cwd) is not None and at <= into.projects.get(cwd, at):
            into.projects[cwd] = at
        if branch := line.gitBranch:
            seen = -1 if at == NO_TIME else at
            if seen >= into.branches.get(branch, seen):
                into.branches[branch] = seen
        if (version := line.version) and at <= into.versions.get(version, at):
            into.versions[version] = at
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
            response = response_of(line, message, rank)
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
        self.into.calls[call_id] = earlier_act(known, act) if known else act

    def take_user(self, line: Line, rank: Rank, fact: LineFact) -> None:
        content = decode_content(line.message.content) if line.message else None
        blocks = content if isinstance(content, list) else []
        text = content if isinstance(content, str) else first_text(blocks)
        for block in blocks:
            if block.type == "tool_result" and block.tool_use_id:
                self.take_result(line, block.tool_use_id, block, rank)
            self.into.drift.notice_block(block, rank[3], rank[1])
        brought_by = line.sourceToolUseID or line.parentUuid
        if brought_by and line.isMeta and text and is_skill_body(text):
            self.take_body(text, brought_by)
        name = typed_command(line, text)
        if name:
            self.take_command(line, rank, name)
        elif self.in_main and is_prompt(line, text, blocks):
            fact.is_prompt = True

    def take_body(self, text: str, brought_by: str) -> None:
        self.into.bodies.add(brought_by)
        path = body_path(text)
        if path:
            paths = self.into.body_paths
            paths[brought_by] = min(paths.get(brought_by, path), path)

    def take_result(self, line: Line, call_id: str, block: Block, rank: Rank) -> None:
        into = self.into
        outcome = result_outcome(line, block)
        result = (-1 if rank[1] == NO_TIME else rank[1], TELLING.index(outcome), outcome.value)
        into.results[call_id] = max(into.results.get(call_id, result), result)
        into.result_lines[rank[3]] = min(into.result_lines.get(rank[3], call_id), call_id)

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
        self.into.commands[key] = earlier_act(known, act) if known else act

    def take_progress(self, line: Line, identity: str, at: int) -> None:
        """A hook's run, or a copy of a subagent's line, read as such a line."""
        progress = decode_progress(line.data)
        if progress is None:
            return
        if identity:
            self.into.drift.notice_progress(progress, identity, at)
        if progress.type == "hook_progress" and identity:
            hooks.gather_progress(self.into.hooks, progress, identity, at)
        copied = progress.message
        if progress.type != "agent_progress" or copied is None:
            return
        if not copied.uuid or copied.type not in ("user", "assistant"):
            return
        copied.isSidechain = True
        copied.agentId = copied.agentId or progress.agentId
        own = epoch_ms(copied.timestamp)
        was_main, self.in_main = self.in_main, False
        self.take_identified(copied, copied.uuid, at if own is None else own, own is not None)
        self.in_main = was_main


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
