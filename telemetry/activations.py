"""One activation of a skill may show as a command line and a Skill call: finding the pairs."""

from collections.abc import Sequence
from typing import NamedTuple

from telemetry.identified import SKILL_TOOLS, Act, Extract


class Pairs(NamedTuple):
    """Which command line and which call are one activation."""

    call_of: dict[str, str]
    """Command (line identity and name) to tool_use id."""
    command_of: dict[str, str]
    """tool_use id to command."""


class _Step(NamedTuple):
    at: int
    kind: int
    key: str
    act: Act | None


_PROMPT, _COMMAND, _CALL = range(3)


def pair_activations(ordered: Sequence[Extract]) -> Pairs:
    """Pair commands with calls in a person's sessions, which come in the order of ownership.

    A call belongs to the command of the same name that was typed before it in the same turn; a
    machine-made command line belongs to the call whose result it follows. Each takes part in one
    pair at most, and the session that comes first decides.
    """
    pairs = Pairs({}, {})
    for extract in ordered:
        _pair_session(extract, pairs)
    return pairs


def _pair_session(extract: Extract, pairs: Pairs) -> None:
    steps = [_Step(act.rank[1], _COMMAND, key, act) for key, act in extract.commands.items()]
    calls = [
        _Step(act.rank[1], _CALL, key, act)
        for key, act in extract.calls.items()
        if act.tool in SKILL_TOOLS and act.named
    ]
    if not steps or not calls:
        return
    steps += calls
    steps += [
        _Step(fact.at, _PROMPT, line, None)
        for line, fact in extract.lines.items()
        if fact.is_prompt
    ]
    waiting: dict[tuple[str | None, str | None], str] = {}
    for step in sorted(steps, key=lambda step: step[:3]):
        if step.act is None:
            waiting.clear()
        elif step.kind == _COMMAND:
            if step.key in pairs.call_of:
                continue
            call = _bringing_call(extract, step.act)
            if call is not None and call not in pairs.command_of:
                pairs.call_of[step.key] = call
                pairs.command_of[call] = step.key
            else:
                _forget(waiting, step.act.agent_id)
                waiting[(step.act.agent_id, step.act.named)] = step.key
        elif step.key not in pairs.command_of:
            command = waiting.pop((step.act.agent_id, step.act.named), None)
            if command is not None:
                pairs.call_of[command] = step.key
                pairs.command_of[step.key] = command


def _forget(waiting: dict[tuple[str | None, str | None], str], agent_id: str | None) -> None:
    """What is typed begins a turn of its own, so no call belongs to what was typed before it."""
    for key in [key for key in waiting if key[0] == agent_id]:
        del waiting[key]


def _bringing_call(extract: Extract, command: Act) -> str | None:
    """The call of the same name that a machine-made command line follows, if any."""
    if command.typed or command.brought_by is None:
        return None
    call_id = extract.result_lines.get(command.brought_by, command.brought_by)
    call = extract.calls.get(call_id)
    same = call is not None and call.tool in SKILL_TOOLS and call.named == command.named
    return call_id if same else None
