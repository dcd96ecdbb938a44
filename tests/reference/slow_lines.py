"""Transcript bytes -> lines, slow and obvious: the reading half of the reference count.

- A line is known by its uuid, else by a hash of its bytes.
- A line without a sessionId belongs to the session of its file: the name where that is a uuid, the
  folder of `<session id>/agent-*.jsonl`, else the nearest earlier line's session, else the next's.
- A missing time is inherited from the nearest earlier line of the file, else the nearest later.
- An `agent_progress` line holds a subagent's line: one more copy of it, a sidechain line of the
  session that the outer line belongs to.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, TypeVar

BOM = b"\xef\xbb\xbf"
MAX_LINE = 32 * 1024 * 1024
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """One decoded line, or the copy of a subagent's line inside an agent_progress line."""

    identity: str
    session: str
    record: dict[str, Any]
    time: datetime | None
    inherited: datetime | None
    in_main_file: bool
    sidechain: bool
    is_copy: bool

    @property
    def when(self) -> datetime | None:
        return self.time or self.inherited

    @property
    def in_conversation(self) -> bool:
        """False for metadata, which every copy of a session carries under its own id."""
        return bool(text_or_nothing(self.record.get("uuid"))) or self.kind in ("user", "assistant")

    @property
    def kind(self) -> object:
        return self.record.get("type")

    @property
    def message(self) -> dict[str, Any]:
        message = self.record.get("message")
        return message if isinstance(message, dict) else {}

    @property
    def blocks(self) -> list[dict[str, Any]]:
        content = self.message.get("content")
        return (
            [block for block in content if isinstance(block, dict)]
            if isinstance(content, list)
            else []
        )

    @property
    def text(self) -> str:
        """The content when it is a string, else its first text block, else nothing."""
        content = self.message.get("content")
        if isinstance(content, str):
            return content
        texts = (block.get("text") for block in self.blocks if block.get("type") == "text")
        return next((text for text in texts if isinstance(text, str)), "")


@dataclass
class Revision:
    """One revision's lines."""

    records: list[Line]
    sessions: set[str]
    lines: int
    bad: int
    mended: int


def without_beginnings(contents: list[bytes]) -> list[bytes]:
    """The contents that are not the beginning of another, each once."""
    distinct = sorted(set(contents))
    return [
        one
        for one in distinct
        if not any(other != one and other.startswith(one) for other in distinct)
    ]


def read_revision(name: str, content: bytes) -> Revision:
    """Every line with its session and its time; `sessions` are the ids that lines really carry."""
    raw_lines = [raw for raw in content.removeprefix(BOM).split(b"\n") if raw.strip()]
    decoded = [(raw, record) for raw in raw_lines if (record := decode(raw)) is not None]
    records = [record for _, record in decoded]
    own = [text_or_nothing(record.get("sessionId")) for record in records]
    beside = nearest(own)
    times = [parse_time(record.get("timestamp")) for record in records]
    inherited = nearest(times)
    subagent = PurePosixPath(name).name.startswith("agent-")
    found: list[Line] = []
    for position, (raw, record) in enumerate(decoded):
        line = Line(
            identity=text_or_nothing(record.get("uuid")) or hashlib.sha256(raw.strip()).hexdigest(),
            session=own[position] or session_of_name(name) or beside[position],
            record=record,
            time=times[position],
            inherited=inherited[position],
            in_main_file=not subagent,
            sidechain=subagent or record.get("isSidechain") is True,
            is_copy=False,
        )
        found.extend([line, *copies_in(line)])
    return Revision(
        records=found,
        sessions={one for one in own if one},
        lines=len(raw_lines),
        bad=len(raw_lines) - len(records),
        mended=sum(needs_mending(record) for record in records),
    )


def copies_in(line: Line) -> Iterator[Line]:
    """The subagent's line that an agent_progress line holds."""
    data = line.record.get("data")
    if line.kind != "progress" or not isinstance(data, dict):
        return
    inner = data.get("message")
    if data.get("type") != "agent_progress" or not isinstance(inner, dict):
        return
    if inner.get("type") in ("user", "assistant") and text_or_nothing(inner.get("uuid")):
        yield replace(
            line,
            identity=inner["uuid"],
            record=inner,
            time=parse_time(inner.get("timestamp")),
            inherited=line.when,
            sidechain=True,
            is_copy=True,
        )


def decode(raw: bytes) -> dict[str, Any] | None:
    """The JSON object of a line; None for a bad line."""
    if len(raw) > MAX_LINE:
        return None
    try:
        record = json.loads(raw.decode("utf-8"), parse_int=lambda digits: int(digits[:30]))
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def needs_mending(value: object) -> bool:
    """True where any string holds a NUL or a lone surrogate."""
    if isinstance(value, str):
        return any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, dict):
        return any(needs_mending(key) or needs_mending(inner) for key, inner in value.items())
    return isinstance(value, list) and any(needs_mending(inner) for inner in value)


def session_of_name(name: str) -> str:
    """`<uuid>.jsonl` -> uuid, `<session id>/agent-x.jsonl` -> session id, else nothing."""
    path = PurePosixPath(name)
    if path.name.startswith("agent-"):
        return path.parts[0] if len(path.parts) > 1 else ""
    return path.stem if UUID.fullmatch(path.stem) else ""


def parse_time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def text_or_nothing(value: object) -> str:
    return value if isinstance(value, str) else ""


def nearest(values: list[T]) -> list[T]:
    """Each value, else the nearest earlier one, else the nearest later one, else itself."""
    filled = list(values)
    for position in range(1, len(filled)):
        filled[position] = filled[position] or filled[position - 1]
    for position in reversed(range(len(filled) - 1)):
        filled[position] = filled[position] or filled[position + 1]
    return filled
