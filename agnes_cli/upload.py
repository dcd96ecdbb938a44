"""One transcript to the server: redacted, compressed, in pieces, from where the server has it."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

from agnes_cli.errors import Refused, TryLater
from agnes_cli.ledger import Entry
from agnes_cli.redaction import redact_lines
from agnes_cli.server import Server
from agnes_cli.transcript_files import Rewritten, Transcript, digest, whole_lines

PIECE = 32 * 1024**2
"""Bytes in one request: what is lost at most when a connection breaks."""

IN_MEMORY = 8 * 1024**2
PATH = "/api/sessions"


class Sent(NamedTuple):
    entry: Entry
    bytes_sent: int


class _Position(NamedTuple):
    """How far the server has the file: original bytes, and what they became."""

    read: int = 0
    sent: int = 0
    sent_sha256: str = ""


def send(
    server: Server, transcript: Transcript, entry: Entry, *, refuse_private: Callable[[int], None]
) -> Sent:
    """Send what the server lacks; returns the entry as it is then, and how much was sent.

    `refuse_private` is called with a position before anything after it is sent. Raises Refused,
    TryLater or NotSignedIn; what was sent before is known to the server.
    """
    at = _known_position(transcript, entry)
    if not at.read and transcript.size > PIECE:
        at = _position_at_server(server, transcript)
    masked: Counter[str] = Counter(dict(entry.masked) if at.read else {})
    sessions = set(entry.sessions)
    total = 0
    for piece in _pieces(transcript, at.read):
        refuse_private(at.read)
        counts: Counter[str] = Counter()
        try:
            answer, size = _send_piece(server, transcript.name, piece, at, counts)
        except Refused as error:
            if error.code != "different_base" or total:
                raise
            entry = Entry()
            at = _position_at_server(server, transcript)
            return _again(server, transcript, at, refuse_private)
        masked.update(counts)
        sessions.update(map(str, answer["session_ids"]))
        at = _Position(at.read + sum(map(len, piece)), int(answer["size"]), str(answer["sha256"]))
        total += size
    return Sent(_entry(transcript, at, sessions, masked), total)


def _again(
    server: Server,
    transcript: Transcript,
    at: _Position,
    refuse_private: Callable[[int], None],
) -> Sent:
    """From another position than the ledger's, which proved to be wrong."""
    entry = Entry(
        read=at.read,
        read_sha256=digest(transcript.path, at.read),
        sent=at.sent,
        sent_sha256=at.sent_sha256,
    )
    try:
        return send(server, transcript, entry, refuse_private=refuse_private)
    except Refused as error:
        if error.code != "different_base":
            raise
        raise TryLater(
            "Other uploads of this file come in between.", fix="It is tried again."
        ) from error


def _entry(
    transcript: Transcript, at: _Position, sessions: set[str], masked: Counter[str]
) -> Entry:
    read_sha256 = digest(transcript.path, at.read)
    if not read_sha256:
        raise Rewritten("The file became shorter while it was read.", fix="It is tried again.")
    return Entry(
        size=transcript.size,
        mtime_ns=transcript.mtime_ns,
        read=at.read,
        read_sha256=read_sha256,
        sent=at.sent,
        sent_sha256=at.sent_sha256,
        state="sent",
        sessions=tuple(sorted(sessions)),
        masked=tuple(sorted(masked.items())),
    )


def _known_position(transcript: Transcript, entry: Entry) -> _Position:
    """Where the ledger says the server is; the beginning when the file was rewritten since."""
    if not entry.read or entry.read > transcript.size:
        return _Position()
    if digest(transcript.path, entry.read) != entry.read_sha256:
        return _Position()
    return _Position(entry.read, entry.sent, entry.sent_sha256)


def _pieces(transcript: Transcript, start: int) -> Iterator[list[bytes]]:
    piece: list[bytes] = []
    size = 0
    for lines in whole_lines(transcript.path, start, transcript.size):
        piece.append(lines)
        size += len(lines)
        if size >= PIECE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _send_piece(
    server: Server, name: str, piece: list[bytes], at: _Position, counts: Counter[str]
) -> tuple[dict[str, Any], int]:
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
            for lines in piece:
                packed.write(redact_lines(lines, counts))
        return _post(server, name, file, at)  # type: ignore[arg-type,unused-ignore]


def _post(server: Server, name: str, file: IO[bytes], at: _Position) -> tuple[dict[str, Any], int]:
    size = file.seek(0, 2)
    query: dict[str, object] = {"name": name}
    if at.sent:
        query.update(offset=at.sent, base_sha256=at.sent_sha256)
    headers = {
        "Content-Type": "application/x-ndjson",
        "Content-Encoding": "gzip",
        "Content-Length": str(size),
    }
    answer = server.ask("POST", PATH, query, body=file, headers=headers)
    if not isinstance(answer, dict) or not isinstance(answer.get("session_ids"), list):
        raise Refused("The answer is not that of an Agnes server.", fix="Run: agnes login")
    return answer, size


def _position_at_server(server: Server, transcript: Transcript) -> _Position:
    """The longest beginning of the file, redacted, that the server has."""
    state = server.get(f"{PATH}/state", {"name": transcript.name})
    known = {int(one["size"]): str(one["sha256"]) for one in state["revisions"]}
    hasher = hashlib.sha256()
    read = sent = 0
    best = _Position()
    for lines in whole_lines(transcript.path, 0, transcript.size):
        for raw in lines.splitlines(keepends=True) if _is_near(known, sent, lines) else [lines]:
            became = redact_lines(raw, Counter())
            hasher.update(became)
            read, sent = read + len(raw), sent + len(became)
            if known.get(sent) == hasher.hexdigest():
                best = _Position(read, sent, known[sent])
    return best


def _is_near(known: dict[int, str], sent: int, lines: bytes) -> bool:
    """Whether a known size may lie in what these lines become, which may be longer."""
    return any(sent < size <= sent + 2 * len(lines) + 4096 for size in known)
