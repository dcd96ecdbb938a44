"""Writes made-up transcript lines, one session or one subagent at a time."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

Line = dict[str, Any]
Block = dict[str, Any]

SIGNS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789"
REJECTED = "The user doesn't want to proceed with this tool use. The tool use was rejected."
INTERRUPTED = "[Request interrupted by user for tool use]"


class Scribe:
    """One file's side of a session: its clock, its ids, its lines in order.

    Every id follows from session id and agent id, so the same calls write the same bytes. Lines
    without a time of their own are dated for `lines_until` all the same.
    """

    def __init__(
        self,
        session_id: str,
        *,
        at: datetime,
        cwd: str,
        model: str,
        version: str,
        agent_id: str = "",
        headless: bool = False,
    ) -> None:
        self.session_id = session_id
        self.agent_id = agent_id
        self.at = at
        self.cwd = cwd
        self.model = model
        self.version = version
        self.headless = headless
        # Versions before 2.1.98 mostly left out how an answer ended.
        self.tells_end = int(version.split(".")[2]) >= 98
        self.written: list[tuple[datetime, Line | bytes]] = []
        self.ids = random.Random(f"{session_id}/{agent_id}")
        self._parent: str | None = None
        self._context = self.ids.randrange(12_000, 18_000)

    @property
    def file_name(self) -> str:
        """Below the project's folder."""
        if not self.agent_id:
            return f"{self.session_id}.jsonl"
        return f"{self.session_id}/subagents/agent-{self.agent_id}.jsonl"

    def wait(self, shortest: float, longest: float) -> None:
        """Seconds that pass before the next line."""
        self.at += timedelta(milliseconds=round(self.ids.uniform(shortest, longest) * 1000))

    def prompt(self, words: str) -> None:
        source = "sdk" if self.headless else "typed"
        self._user(words, promptSource=source, origin={"kind": "human"})

    def command(self, name: str, args: str = "") -> None:
        """A typed slash command."""
        tags = f"<command-message>{name}</command-message>\n<command-name>/{name}</command-name>"
        self._user(f"{tags}\n<command-args>{args}</command-args>" if args else tags)

    def skill_body(self, folder: str, call: str = "") -> None:
        """What follows an activated skill; `folder` is where its files lie."""
        told = f"Base directory for this skill: {folder}\n\nFollow the steps below."
        fields: Line = {"isMeta": True}
        if call:
            fields["sourceToolUseID"] = call
        self._user([{"type": "text", "text": told}], **fields)

    def call(self, tool: str, arguments: Line, *, said: str = "", **fields: Any) -> str:
        """An answer that calls a tool; returns the call's id."""
        call = self._new_id("toolu")
        block = {"type": "tool_use", "id": call, "name": tool, "input": arguments}
        self._answer([{"type": "text", "text": said}] if said else [], block, "tool_use", fields)
        return call

    def say(self, words: str) -> None:
        """An answer that calls nothing."""
        self._answer([], {"type": "text", "text": words}, "end_turn", {})

    def result(self, call: str, told: str, *, structured: object = None) -> None:
        self._result(call, told, structured)

    def failure(self, call: str, told: str) -> None:
        self._result(call, told, f"Error: {told}", is_error=True)

    def rejection(self, call: str) -> None:
        fields = {"toolDenialKind": "user-rejected"}
        self._result(call, REJECTED, "User rejected tool use", is_error=True, **fields)

    def interruption(self, call: str) -> None:
        self._result(call, INTERRUPTED, {"interrupted": True}, is_error=True)

    def hook(self, event: str, tool: str, plugin_path: str, kind: str = "hook_success") -> None:
        attachment = {
            "type": kind,
            "hookName": f"{event}:{tool}",
            "hookEvent": event,
            "command": f"/home/demo/.claude/plugins/cache/{plugin_path}/hooks/check.sh",
            "stdout": "",
            "exitCode": 0 if kind == "hook_success" else 1,
            "durationMs": self.ids.randrange(8, 400),
        }
        self._line("attachment", {"attachment": attachment})

    def api_error(self) -> None:
        message = {
            "id": self._new_id("msg"),
            "type": "message",
            "role": "assistant",
            "model": "<synthetic>",
            "content": [{"type": "text", "text": "API Error: 429"}],
            "stop_reason": "stop_sequence",
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        fields = {"isApiErrorMessage": True, "error": "rate_limit", "message": message}
        self._line("assistant", fields)

    def title(self, words: str) -> None:
        self.written.append(
            (self.at, {"type": "ai-title", "sessionId": self.session_id, "aiTitle": words})
        )

    def oddity(self, kind: str) -> None:
        """A line of a type that nobody knows yet: format drift."""
        self._line(kind, {"note": "a record type from a newer version"})

    def damage(self) -> None:
        """What a crash leaves of a line."""
        self.written.append((self.at, b'{"type":"assistant","message":{"role":"assis'))

    def copy_from(self, other: "Scribe", lines: int) -> None:
        """Begin as a fork: the first lines of another session under this session's id, which are
        in the file from now on."""
        for _, line in other.written[:lines]:
            if isinstance(line, bytes):
                continue
            copied = {**line, "sessionId": self.session_id}
            if "uuid" in line:
                origin = {"sessionId": other.session_id, "messageUuid": line["uuid"]}
                copied["forkedFrom"] = origin
                self._parent = line["uuid"]
            self.written.append((self.at, copied))

    def lines_until(self, now: datetime) -> bytes:
        """The file as it was at `now`: JSONL, empty when nothing was written yet."""
        lines = [line for at, line in self.written if at <= now]
        encoded = (one if isinstance(one, bytes) else msgspec.json.encode(one) for one in lines)
        return b"\n".join([*encoded, b""]) if lines else b""

    def _answer(self, before: list[Block], block: Block, reason: str, fields: Line) -> None:
        """One line for each block; as a rule only the last knows the final numbers."""
        self.wait(1, 6)
        message_id = self._new_id("msg")
        output = self.ids.randrange(40, 900)
        written = self.ids.randrange(200, 2_500)
        ends = self.tells_end or self.ids.random() < 0.1
        for at, each in enumerate([*before, block]):
            last = at == len(before)
            message = {
                "id": message_id,
                "type": "message",
                "role": "assistant",
                "model": self.model,
                "content": [each],
                "stop_reason": reason if last and ends else None,
                "usage": self._usage(written, output if last else 3),
            }
            self._line("assistant", {"message": message, **fields})
            self.wait(0.1, 0.6)
        self._context = min(self._context + written, 150_000)

    def _usage(self, written: int, output: int) -> Line:
        lasting = 0 if self.agent_id else written // 2
        return {
            "input_tokens": 4,
            "output_tokens": output,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": self._context,
            "cache_creation": {
                "ephemeral_5m_input_tokens": written - lasting,
                "ephemeral_1h_input_tokens": lasting,
            },
        }

    def _result(
        self, call: str, told: str, structured: object, is_error: bool = False, **fields: Any
    ) -> None:
        block: Block = {"type": "tool_result", "tool_use_id": call, "content": told}
        if is_error:
            block["is_error"] = True
        if structured is not None:
            fields["toolUseResult"] = structured
        self._user([block], **fields)

    def _user(self, content: str | list[Block], **fields: Any) -> None:
        self._line("user", {"message": {"role": "user", "content": content}, **fields})

    def _line(self, kind: str, fields: Line) -> None:
        uuid = new_uuid(self.ids)
        line: Line = {
            "parentUuid": self._parent,
            "isSidechain": bool(self.agent_id),
            "userType": "external",
            "entrypoint": "sdk-cli" if self.headless else "cli",
            "cwd": self.cwd,
            "sessionId": self.session_id,
            "version": self.version,
            "gitBranch": "main" if self.headless else "work",
            "type": kind,
            "uuid": uuid,
            "timestamp": _stamp(self.at),
            **fields,
        }
        if self.agent_id:
            line["agentId"] = self.agent_id
        self._parent = uuid
        self.written.append((self.at, line))

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}_01{''.join(self.ids.choices(SIGNS, k=22))}"


def new_uuid(ids: random.Random) -> str:
    digits = f"{ids.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
