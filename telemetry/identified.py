"""What a session's lines say, by identity: line, response, tool call, typed command.

Every rule here is commutative, so no order of lines, files or sessions can change what comes out.
"""

import msgspec

from telemetry import hooks
from telemetry.drift import Drift
from telemetry.identity import identity_key
from telemetry.mending import MAX_COUNT
from telemetry.transcripts import Line, Message, Usage

NO_TIME = 1 << 62
"""Sorts after every time in milliseconds."""

AGENT_TOOLS = frozenset({"Task", "Agent"})
SKILL_TOOLS = frozenset({"Skill", "SlashCommand"})

Rank = tuple[bool, int, bool, str]
"""Which copy of an identity tells its time: an inherited time or not, ms, sidechain, line."""


Result = tuple[int, int, str]
"""A result of a call: ms, how telling its outcome is, outcome. The largest holds."""


class LineFact(msgspec.Struct, gc=False):
    """A line that has an identity."""

    at: int = NO_TIME
    """Its own time in ms, NO_TIME where it tells none."""
    is_user: bool = False
    is_spoken: bool = False
    """A user or assistant line."""
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
        self.results: dict[str, Result] = {}
        """Latest result of a tool_use id."""
        self.result_lines: dict[str, str] = {}
        """The tool_use id that a line brought a result for."""
        self.hooks: dict[str, list[hooks.HookRun]] = {}
        self.drift = Drift()
        self.bodies: set[str] = set()
        """The tool_use ids and lines that brought the body of a skill, whatever its path."""
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
        self.bad_lines = 0
        self.mended_lines = 0
        self.held: set[int] = set()
        """Keys of lines that were left out because somebody else holds them."""
        self.line_count = 0
        """Lines of all its files and their revisions, bad ones included."""

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


def merge_responses(one: Response, other: Response) -> Response:
    """Two views of one answer as one: the maximum of each count, the rest of the earlier line."""
    first = one if one.rank <= other.rank else other
    if one.rank == other.rank:
        first = max(one, other, key=_response_told)
    return Response(
        rank=first.rank,
        model=first.model,
        agent_id=first.agent_id,
        context_skill=first.context_skill,
        context_plugin=first.context_plugin,
        tokens=tuple(map(max, one.tokens, other.tokens)),  # type: ignore[arg-type]
        final=one.final or other.final,
    )


def _response_told(response: Response) -> tuple[str, ...]:
    texts = (response.model, response.agent_id, response.context_skill, response.context_plugin)
    return tuple(text or "" for text in texts)


def earlier_act(one: Act, other: Act) -> Act:
    """Of two views of one call or command the earlier; of two copies of one line the fuller."""
    if one.rank != other.rank:
        return one if one.rank < other.rank else other
    return max(one, other, key=_act_told)


def _act_told(act: Act) -> tuple[str, ...]:
    return tuple(str(part or "") for part in msgspec.structs.astuple(act)[1:])


def response_of(line: Line, message: Message, rank: Rank) -> Response:
    """One line's view of the answer it belongs to."""
    return Response(
        rank=rank,
        model=message.model,
        agent_id=line.agentId,
        context_skill=line.attributionSkill,
        context_plugin=line.attributionPlugin,
        tokens=_tokens(message.usage),
        final=message.stop_reason is not None,
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
