"""Transcripts without secrets: each is replaced by [REDACTED:<rule>], and nothing else changes.

A line is redacted by itself, so what a growing file's beginning became stays its beginning. JSON
stays JSON: strings are looked at as they read, and only those that hold a secret are written anew.
Ids are never touched, since everything is counted by them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from agnes_cli.secrets_found import find_secrets, keywords, rules_by_keyword

CHUNK = 256 * 1024
SHORTEST = 8
"""No rule matches less, without the name of what is matched."""

_LITERAL = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?', re.DOTALL)
_UNTOUCHED_KEYS = frozenset(
    "uuid parentUuid logicalParentUuid sessionId session_id leafUuid messageId messageUuid "
    "tool_use_id toolUseID toolUseId parentToolUseID sourceToolUseID sourceToolAssistantUUID "
    "requestId agentId parentAgentId promptId timestamp type subtype version signature".split()
)
_ID = re.compile(
    r"(?:(?:msg|toolu|srvtoolu|req|mcptoolu)_\w{8,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)
_IMAGE_DATA = 1000
"""A longer string under `data` is an image or a document in base64."""

_GENERIC = frozenset(
    ("access", "api", "auth", "credential", "creds", "key", "passwd", "password", "secret", "token")
)


def redacted(chunks: Iterable[bytes], counts: Counter[str]) -> Iterator[bytes]:
    """The lines in these chunks, redacted; `counts` tells how many secrets each rule found."""
    rest = b""
    for chunk in chunks:
        lines = rest + chunk
        end = lines.rfind(b"\n") + 1
        rest = lines[end:]
        if end:
            yield redact_lines(lines[:end], counts)
    if rest:
        yield redact_lines(rest, counts)


def redact_lines(data: bytes, counts: Counter[str]) -> bytes:
    """Whole lines, redacted."""
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        end = data.find(b"\n", min(at + CHUNK, len(data) - 1)) + 1 or len(data)
        parts.append(_redact_chunk(data[at:end], counts))
        at = end
    return b"".join(parts)


def redact_text(text: str, counts: Counter[str], among: Sequence[str] | None = None) -> str:
    parts: list[str] = []
    at = 0
    for start, end, rule in find_secrets(text, among):
        parts += [text[at:start], f"[REDACTED:{rule}]"]
        counts[rule] += 1
        at = end
    return "".join([*parts, text[at:]]) if parts else text


def _redact_chunk(chunk: bytes, counts: Counter[str]) -> bytes:
    lowered = chunk.lower()
    among = [word for word, raw in _raw_keywords() if raw in lowered]
    if not among:
        return chunk
    lines = chunk.split(b"\n")
    return b"\n".join(_redact_line(line, among, counts) for line in lines)


_encoded: list[tuple[str, bytes]] = []


def _raw_keywords() -> list[tuple[str, bytes]]:
    if not _encoded:
        _encoded.extend((word, word.encode()) for word in keywords() if rules_by_keyword()[word])
    return _encoded


def _redact_line(raw: bytes, among: Sequence[str], counts: Counter[str]) -> bytes:
    lowered = raw.lower()
    present = [word for word in among if word.encode() in lowered]
    if not present:
        return raw
    # Bytes that are no UTF-8 go through unchanged.
    line = raw.decode("utf-8", "surrogateescape")
    parts: list[str] = []
    at = 0
    key = ""
    for literal in _LITERAL.finditer(line):
        if literal.start() != at and '"' in line[at : literal.start()]:
            break
        text, is_key = literal.group(1), literal.group(2) is not None
        new = None if is_key else _redact_value(key, text, present, counts)
        key = text if is_key else ""
        parts.append(line[at : literal.start()])
        parts.append(literal.group() if new is None else new)
        at = literal.end()
    rest = line[at:]
    # What no string ends is no JSON any more, and is looked at as it stands.
    parts.append(redact_text(rest, counts, present) if '"' in rest or not parts else rest)
    return "".join(parts).encode("utf-8", "surrogateescape")


def _redact_value(
    key: str, escaped: str, present: Sequence[str], counts: Counter[str]
) -> str | None:
    """The string literal that takes the place of this one; None when it holds no secret."""
    if len(escaped) < SHORTEST or key in _UNTOUCHED_KEYS or _ID.fullmatch(escaped):
        return None
    if key == "data" and len(escaped) > _IMAGE_DATA:
        return None
    named = any(word in key.lower() for word in _GENERIC)
    lowered = escaped.lower()
    among = [word for word in present if word in lowered or (named and word in key.lower())]
    if not among:
        return None
    try:
        text = json.loads(f'"{escaped}"', strict=False) if "\\" in escaped else escaped
    except ValueError:
        text = escaped
    before = f'{key}="' if named else ""
    found: Counter[str] = Counter()
    new = redact_text(f'{before}{text}"' if named else text, found, among)
    if not found or not new.startswith(before):
        return None
    counts.update(found)
    return _literal(new[len(before) : -1] if named else new)


def _literal(text: str) -> str:
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        # Lone surrogates, as escapes; bytes that were no UTF-8 pass as they came.
        return json.dumps(text, ensure_ascii=not any("\udc80" <= s <= "\udcff" for s in text))
    return json.dumps(text, ensure_ascii=False)
