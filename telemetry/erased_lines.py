"""Transcripts without the lines of erased sessions, for files that hold others' lines too.

Plain Python, since importers read files in processes without Django.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

import msgspec

from telemetry.preparation import CHUNK, Content
from telemetry.surveys import SessionSeeker
from telemetry.transcripts import Tally, decode_line, read_lines


class WithoutErased(msgspec.Struct, frozen=True):
    """A file as it is without the lines of the erased session ids; `name` as in the store.

    What a file's beginning becomes is the beginning of what the whole becomes, as long as it ends
    with a line.
    """

    whole: Content
    name: str
    erased: frozenset[str]

    def expected_size(self) -> int:
        return self.whole.expected_size()

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        skipping = start
        for chunk in self._chunks():
            if skipping < len(chunk):
                yield chunk[skipping:] if skipping else chunk
            skipping = max(skipping - len(chunk), 0)

    def _chunks(self) -> Iterator[bytes]:
        part = bytearray()
        for raw in kept_lines(self.whole.chunks(), self.name, self.erased):
            if raw is None:
                continue
            part += raw
            part += b"\n"
            if len(part) >= CHUNK:
                yield bytes(part)
                part.clear()
        if part:
            yield bytes(part)


def kept_lines(
    chunks: Iterable[bytes], name: str, erased: AbstractSet[str]
) -> Iterator[bytes | None]:
    """The lines that stay, None for each that goes.

    Lines without a session id go with their session as it is counted. A line that cannot be read
    goes with the session before it, or when it names an erased one: it may be a piece of it. Too
    long lines go, since nobody can tell whose they are.
    """
    names = [session_id.encode() for session_id in erased]
    tally = Tally(too_long=[])
    seeker = SessionSeeker(name)
    around = seeker.home
    waiting: list[bytes] = []
    for raw in read_lines(chunks, tally):
        decoded = decode_line(raw)
        if decoded is None:
            session_id = around
            gone = any(mark in raw for mark in names) or around in erased
        else:
            session_id = seeker.seek(decoded.line.sessionId)
            around = session_id or around
            gone = session_id in erased
        if session_id is None and not gone:
            waiting.append(raw)
            continue
        if session_id is not None:
            yield from (None if session_id in erased else earlier for earlier in waiting)
            waiting.clear()
        yield None if gone else raw
    yield from waiting
    yield from (None for _ in tally.too_long)
