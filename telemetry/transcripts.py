"""JSONL bytes to lines: the only module that knows how Claude Code writes a line.

The format is internal to Claude Code and changes with any release, so decoding is tolerant: a line
that is a JSON object is never lost for its content. The typed decoder is tried first; a line it
refuses is decoded by the standard library, cleaned and cut down to the types known here.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from telemetry.format_known import LINE_KEYS
from telemetry.mending import Cleaner, fit, load_value

MAX_LINE_BYTES = 32 * 1024 * 1024
"""Longer lines are counted and skipped; community reports speak of tens of MB for a line."""

MAX_BLOCKS = 50_000
"""A message with more content blocks is damage; its content is not looked at, for memory's sake."""

_TEXTS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_MENDABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_BOM = b"\xef\xbb\xbf"
_EARLIEST_MS = -62_135_596_800_000
_LATEST_MS = 253_402_300_799_999


class CacheCreation(msgspec.Struct, gc=False):
    """The split of cache_creation_input_tokens by lifetime."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class Usage(msgspec.Struct, gc=False):
    """Token counts of one API answer, as one of its lines repeats them."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None


class Message(msgspec.Struct, gc=False):
    """The API message inside a user or assistant line; `content` is a JSON string or list."""

    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    content: msgspec.Raw = msgspec.Raw()


class Block(msgspec.Struct, gc=False):
    """One content block; bulky parts stay undecoded."""

    type: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    tool_use_id: str | None = None
    is_error: bool | None = None
    content: msgspec.Raw = msgspec.Raw()
    text: msgspec.Raw = msgspec.Raw()


class Origin(msgspec.Struct, gc=False):
    """Who a user line comes from."""

    kind: str | None = None


class ForkedFrom(msgspec.Struct, gc=False):
    """Where /branch copied a line from."""

    sessionId: str | None = None


class HookInfo(msgspec.Struct, gc=False):
    """A hook in an attachment, a progress line or a summary of hooks."""

    type: str | None = None
    hookEvent: str | None = None
    hookName: str | None = None
    command: str | None = None


class Progress(HookInfo, gc=False):
    """What a progress line carries: a hook's run, or a whole copied line of a subagent."""

    agentId: str | None = None
    message: "Line | None" = None


class Line(msgspec.Struct, gc=False):
    """One line of a transcript, cut down to what telemetry reads."""

    type: str | None = None
    subtype: str | None = None
    uuid: str | None = None
    parentUuid: str | None = None
    sessionId: str | None = None
    timestamp: datetime | None = None
    version: str | None = None
    cwd: str | None = None
    gitBranch: str | None = None
    agentId: str | None = None
    isSidechain: bool | None = None
    isMeta: bool | None = None
    isCompactSummary: bool | None = None
    isApiErrorMessage: bool | None = None
    promptSource: str | None = None
    origin: Origin | None = None
    forkedFrom: ForkedFrom | None = None
    message: Message | None = None
    toolUseResult: msgspec.Raw = msgspec.Raw()
    toolDenialKind: str | None = None
    sourceToolUseID: str | None = None
    attributionSkill: str | None = None
    attributionPlugin: str | None = None
    attachment: HookInfo | None = None
    hookInfos: list[HookInfo] | None = None
    data: msgspec.Raw = msgspec.Raw()
    aiTitle: str | None = None
    customTitle: str | None = None
    summary: msgspec.Raw = msgspec.Raw()


_lines = msgspec.json.Decoder(Line)
_strict_lines: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    msgspec.defstruct(
        "StrictLine",
        [
            (key, msgspec.Raw, msgspec.Raw())
            for key in sorted(LINE_KEYS - set(Line.__struct_fields__))
        ],
        bases=(Line,),
        forbid_unknown_fields=True,
        gc=False,
    )
)
_blocks = msgspec.json.Decoder(list[Block])
_progress = msgspec.json.Decoder(Progress)
_keys = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Decoded(NamedTuple):
    """A decoded line, and what was noticed on the way."""

    line: Line
    mended: bool = False
    unknown_keys: tuple[str, ...] = ()


class ReadLine(NamedTuple):
    """A line's bytes, and the line; None for a bad one."""

    raw: bytes
    decoded: Decoded | None


class Tally(msgspec.Struct):
    """What reading a file met: non-blank lines, and those among them over the size limit."""

    lines: int = 0
    too_long: list[bytes] = []


def read_lines(chunks: Iterable[bytes], tally: Tally) -> Iterator[bytes]:
    """The non-blank lines of a file given in chunks, without their newline.

    A line over MAX_LINE_BYTES is not yielded: its first 64 KiB go to `tally.too_long`. Memory is
    bounded by the longest line and one chunk.
    """
    carry = bytearray()
    skipping = False
    for chunk in chunks:
        head, *rest = chunk.split(b"\n")
        if not rest:
            skipping = _carry_on(carry, head, skipping, tally)
            continue
        if not skipping:
            if carry:
                carry += head
                head = bytes(carry)
            yield from _checked([head], tally)
        carry.clear()
        last = rest.pop()
        yield from _checked(rest, tally)
        skipping = _carry_on(carry, last, False, tally)
    if carry and not skipping:
        yield from _checked([bytes(carry)], tally)


def _carry_on(carry: bytearray, part: bytes, skipping: bool, tally: Tally) -> bool:
    """Keep an unfinished line; True once it is too long to be kept."""
    if skipping:
        return True
    carry += part
    if len(carry) <= MAX_LINE_BYTES:
        return False
    tally.lines += 1
    tally.too_long.append(bytes(carry[:65536]))
    carry.clear()
    return True


def _checked(lines: list[bytes], tally: Tally) -> Iterator[bytes]:
    for raw in lines:
        if not raw or raw.isspace():
            continue
        tally.lines += 1
        if len(raw) > MAX_LINE_BYTES:
            tally.too_long.append(raw[:65536])
        else:
            yield raw


def decode_line(raw: bytes) -> Decoded | None:
    """The line, or None for a bad one: no JSON object, two objects glued, or invalid UTF-8.

    Of an object nested too deep for the stack the deepest parts are null; see `cut_deep`.
    """
    if not raw.isascii() and not is_utf8(raw):
        return None
    # Looking for the two bytes first is several times faster than the expression.
    if b"\\u" not in raw or _MENDABLE.search(raw) is None:
        try:
            return Decoded(_strict_lines.decode(raw))
        except (msgspec.MsgspecError, RecursionError):
            pass
        try:
            return Decoded(_lines.decode(raw), False, _unknown_keys(_keys.decode(raw)))
        except (msgspec.MsgspecError, RecursionError):
            pass
    return _decode_tolerantly(raw)


def decode_lines(chunks: Iterable[bytes], tally: Tally) -> Iterator[ReadLine]:
    """The non-blank lines of a file given in chunks, each with what it decodes to."""
    for raw in read_lines(chunks, tally):
        yield ReadLine(raw, decode_line(raw))


def bare(raw: bytes) -> bytes:
    """A line's bytes without what copying a file may change: BOM, CR and blanks at its ends."""
    return raw.removeprefix(_BOM).strip()


def decode_content(content: msgspec.Raw) -> list[Block] | str | None:
    """A message's content: its text, its blocks, or None when it is neither."""
    view = bytes(content)
    if view[:1] == b'"':
        text: str = msgspec.json.decode(view)
        return text
    if view[:1] != b"[" or _holds_too_much(view):
        return None
    try:
        return _blocks.decode(view)
    except (msgspec.MsgspecError, RecursionError):
        return _blocks_of(load_value(view))


def _holds_too_much(view: bytes) -> bool:
    """Whether a content has more objects than MAX_BLOCKS; those inside texts do not count."""
    return view.count(b"{") > MAX_BLOCKS and _TEXTS.sub(b"", view).count(b"{") > MAX_BLOCKS


def decode_progress(data: msgspec.Raw) -> Progress | None:
    """What a progress line carries, or None where it carries no object."""
    view = bytes(data)
    if view[:1] != b"{":
        return None
    try:
        return _progress.decode(view)
    except (msgspec.MsgspecError, RecursionError):
        return _progress_of(load_value(view))


def decode_value(raw: msgspec.Raw) -> Any:
    """Any JSON value that was left undecoded; None when absent, cut as `load_value` cuts it.

    Numbers too large for a double or 64 bits are None.
    """
    view = bytes(raw)
    if not view:
        return None
    try:
        return msgspec.json.decode(view)
    except (msgspec.MsgspecError, RecursionError):
        return load_value(view)


def epoch_ms(moment: datetime | None) -> int | None:
    """Milliseconds since 1970 in UTC; a time without a zone is taken as UTC.

    None for an absent time and for one outside the years 1 to 9999 in UTC.
    """
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    ms = math.floor(moment.timestamp() * 1000 + 0.5)
    return ms if _EARLIEST_MS <= ms <= _LATEST_MS else None


def is_utf8(raw: bytes) -> bool:
    """Whether the bytes are valid UTF-8, as a line has to be."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _blocks_of(parts: Any) -> list[Block]:
    try:
        return [_block(part) for part in parts or () if isinstance(part, dict | str)]
    except RecursionError:
        return []


def _block(part: dict[str, Any] | str) -> Block:
    if isinstance(part, str):
        return Block(type="text", text=msgspec.Raw(json.dumps(part).encode()))
    return msgspec.convert(fit(part, Block), Block)


def _progress_of(value: Any) -> Progress | None:
    try:
        fitted = fit(value, Progress) if isinstance(value, dict) else None
    except RecursionError:
        return None
    return None if fitted is None else msgspec.convert(fitted, Progress)


def _unknown_keys(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if key not in LINE_KEYS)


def _decode_tolerantly(raw: bytes) -> Decoded | None:
    try:
        cleaner = Cleaner()
        value = cleaner.load(raw.removeprefix(_BOM))
        if not isinstance(value, dict):
            return None
        line = msgspec.convert(fit(value, Line), Line)
    except (ValueError, RecursionError):
        return None
    return Decoded(line, cleaner.mended, _unknown_keys(value))
