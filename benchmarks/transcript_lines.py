"""Single transcript lines, as Claude Code writes them: the one place where made-up lines come from.

The benchmarks' generator, the property tests' strategies and hand-written tests all build their
transcripts from these functions. A `Thread` is one file's side of a session; each function appends
nothing, it returns the line, already linked to the line before it:

    thread = Thread("5e550001-...")
    content = encode([prompt(thread, "Hello", at=at), answer(thread, text("Hi"), at=at)])

Every id comes from the thread's own random numbers, seeded with the session id (and the agent id),
so the same calls give the same bytes. `at` is an aware datetime, or None for a line without a time.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

Line = dict[str, Any]
Block = dict[str, Any]

LATE_VERSION = "2.1.250"
SONNET = "claude-sonnet-4-5-20250929"
ID_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789"


@dataclass
class Thread:
    """Whose line comes next: a session's main thread, or one of its subagents."""

    session_id: str
    agent_id: str | None = None
    cwd: str = "/home/mo/orchard"
    branch: str = "main"
    version: str = LATE_VERSION
    parent: str | None = None
    ids: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.ids = random.Random(f"{self.session_id}/{self.agent_id}")

    def line(self, kind: str, at: datetime | None, fields: Line) -> Line:
        """A line that hangs below the one before it; `fields` win over the common ones."""
        uuid = fields.pop("uuid", None) or new_uuid(self.ids)
        line: Line = {
            "parentUuid": self.parent,
            "isSidechain": self.agent_id is not None,
            "userType": "external",
            "cwd": self.cwd,
            "sessionId": self.session_id,
            "version": self.version,
            "gitBranch": self.branch,
            "type": kind,
            "uuid": uuid,
        }
        if self.agent_id is not None:
            line["agentId"] = self.agent_id
        if at is not None:
            line["timestamp"] = stamp(at)
        line.update(fields)
        self.parent = uuid
        return line


def new_uuid(ids: random.Random) -> str:
    digits = f"{ids.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def new_id(ids: random.Random, prefix: str) -> str:
    """`msg_01…`, `toolu_01…` or `req_01…` with 22 random signs, as the API makes them."""
    return f"{prefix}_01{''.join(ids.choices(ID_ALPHABET, k=22))}"


def stamp(at: datetime) -> str:
    """UTC, milliseconds, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def prompt(
    thread: Thread, content: str | list[Block], *, at: datetime | None, **fields: Any
) -> Line:
    """What a person typed, without the fields that newer versions add (see `HUMAN`)."""
    return thread.line("user", at, {"message": {"role": "user", "content": content}, **fields})


HUMAN: Line = {"promptSource": "typed", "origin": {"kind": "human"}}


def meta(thread: Thread, content: str | list[Block], *, at: datetime | None, **fields: Any) -> Line:
    """A user line that Claude Code wrote itself."""
    return prompt(thread, content, at=at, isMeta=True, **fields)


def command(
    thread: Thread, name: str, *, at: datetime | None, args: str = "", **fields: Any
) -> Line:
    """A typed slash command; `name` without the slash."""
    tags = [f"<command-message>{name}</command-message>", f"<command-name>/{name}</command-name>"]
    if args:
        tags.append(f"<command-args>{args}</command-args>")
    return prompt(thread, "\n".join(tags), at=at, **fields)


def skill_body(thread: Thread, path: str, *, at: datetime | None, **fields: Any) -> Line:
    """What follows an activated skill; `path` is `marketplace/plugin/version/skills/name`."""
    base = f"Base directory for this skill: /home/mo/.claude/plugins/cache/{path}"
    return meta(thread, [text(f"{base}\n\n# {path.rsplit('/', 1)[-1]}")], at=at, **fields)


def text(words: str) -> Block:
    return {"type": "text", "text": words}


def thinking(words: str, signature: str = "") -> Block:
    return {"type": "thinking", "thinking": words, "signature": signature}


def tool_use(call: str, name: str, arguments: Line | None = None) -> Block:
    return {"type": "tool_use", "id": call, "name": name, "input": arguments or {}}


def usage(*, read: int = 0, written: int = 0, fresh: int = 3, output: int = 1) -> Line:
    """Token numbers: cache read, cache written (all for five minutes), uncached input, output."""
    return {
        "input_tokens": fresh,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    }


def answer(
    thread: Thread,
    block: Block,
    *,
    at: datetime | None,
    message_id: str | None = None,
    model: str = SONNET,
    numbers: Line | None = None,
    stop_reason: str | None = None,
    **fields: Any,
) -> Line:
    """One line of an API answer: one block, the answer's id, and the usage known so far."""
    message = {
        "model": model,
        "id": message_id or new_id(thread.ids, "msg"),
        "type": "message",
        "role": "assistant",
        "content": [block],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": numbers or usage(),
    }
    return thread.line("assistant", at, {"message": message, **fields})


def api_error(thread: Thread, words: str, *, at: datetime | None) -> Line:
    """What stands where an answer failed; it counts nothing."""
    fields: Line = {"isApiErrorMessage": True, "error": "rate_limit"}
    return answer(thread, text(words), at=at, model="<synthetic>", numbers=usage(fresh=0), **fields)


def result(
    thread: Thread,
    call: str,
    content: str | list[Block],
    *,
    at: datetime | None,
    is_error: bool = False,
    structured: object = None,
    **fields: Any,
) -> Line:
    """A tool's result; `structured` is what Claude Code keeps beside it for itself."""
    block: Block = {"type": "tool_result", "tool_use_id": call, "content": content}
    if is_error:
        block["is_error"] = True
    if structured is not None:
        fields["toolUseResult"] = structured
    return prompt(thread, [block], at=at, **fields)


def rejection(thread: Thread, call: str, *, at: datetime | None, **fields: Any) -> Line:
    """The person said no to a tool call."""
    words = "The user doesn't want to proceed with this tool use. The tool use was rejected."
    told = "User rejected tool use"
    return result(thread, call, words, at=at, is_error=True, structured=told, **fields)


def interruption(thread: Thread, call: str, *, at: datetime | None, **fields: Any) -> Line:
    """The person pressed escape while a tool ran."""
    words = "[Request interrupted by user for tool use]"
    return result(
        thread, call, words, at=at, is_error=True, structured={"interrupted": True}, **fields
    )


def hook(
    thread: Thread, event: str, tool: str, call: str, plugin: str, *, at: datetime | None
) -> Line:
    """A hook that ran, as late-2026 versions write it."""
    attachment = {
        "type": "hook_success",
        "hookName": f"{event}:{tool}",
        "hookEvent": event,
        "toolUseID": call,
        "command": f"python3 ${{CLAUDE_PLUGIN_ROOT}}/hooks/{plugin}_{event.lower()}.py",
        "content": "",
        "stdout": "",
        "stderr": "",
        "exitCode": 0,
        "durationMs": thread.ids.randrange(8, 400),
    }
    return thread.line("attachment", at, {"attachment": attachment})


def attachment(thread: Thread, kind: str, at: datetime | None, **content: Any) -> Line:
    return thread.line("attachment", at, {"attachment": {"type": kind, **content}})


def progress(thread: Thread, call: str, data: Line, *, at: datetime | None) -> Line:
    """What older versions wrote while a tool, a hook or a subagent was at work."""
    return thread.line("progress", at, {"data": data, "toolUseID": call, "parentToolUseID": call})


def agent_progress(thread: Thread, call: str, line: Line, *, at: datetime | None) -> Line:
    """A subagent's line once more, wrapped into a progress line of the session that sent it."""
    inner = {key: line[key] for key in ("type", "uuid", "timestamp", "message") if key in line}
    data = {
        "type": "agent_progress",
        "agentId": line.get("agentId"),
        "prompt": "",
        "message": inner,
    }
    return progress(thread, call, data, at=at)


def system(thread: Thread, subtype: str, *, at: datetime | None, **fields: Any) -> Line:
    return thread.line("system", at, {"subtype": subtype, "isMeta": False, **fields})


def metadata(thread: Thread, kind: str, **fields: Any) -> Line:
    """A line about the session: no uuid, no time, the last one of its kind holds."""
    return {"type": kind, **fields, "sessionId": thread.session_id}


def queue_operation(thread: Thread, operation: str, content: str, *, at: datetime) -> Line:
    moment = stamp(at)
    return metadata(
        thread, "queue-operation", operation=operation, timestamp=moment, content=content
    )


def forked(line: Line, session_id: str) -> Line:
    """A line as `/branch` copies it: another session, the old ids, and where it came from."""
    if "sessionId" not in line:
        return line
    origin = {"sessionId": line["sessionId"], "messageUuid": line.get("uuid")}
    return {**line, "sessionId": session_id, **({"forkedFrom": origin} if "uuid" in line else {})}


def resumed(line: Line, session_id: str) -> Line:
    """A line as old versions copied it on resuming: another session, and no trace of the first."""
    return {**line, "sessionId": session_id} if "sessionId" in line else line


def encode(lines: Iterable[Line | bytes]) -> bytes:
    """JSONL with a final newline; bytes (damaged lines, say) are written as they are."""
    encoded = [line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines]
    return b"\n".join([*encoded, b""])
