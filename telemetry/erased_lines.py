"""A stored revision without the lines of erased sessions, for files that hold others' lines too."""

import hashlib
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from telemetry import transcript_blobs
from telemetry.models import TranscriptRevision
from telemetry.preparation import Frame
from telemetry.surveys import SessionSeeker
from telemetry.transcripts import Tally, decode_line, read_lines


@dataclass(frozen=True)
class Rewritten:
    """What a revision becomes. `before` are the blobs it was made from; without a size there is
    nothing left of it and no blob."""

    revision_pk: int
    before: list[str]
    size: int
    sha256: str
    blob: str
    stored_size: int


def rewrite_revision(revision: TranscriptRevision, erased: AbstractSet[str]) -> Rewritten | None:
    """Store the revision's other lines as a new blob; None when it has no line to lose.

    The blob has no row yet: the caller names it in a row or deletes it.
    """
    file = revision.file
    before = list(revision.segments.order_by("number").values_list("blob", flat=True))
    hasher = hashlib.sha256()
    size = lost = 0
    with Frame(str(transcript_blobs.temp_folder())) as frame:
        for raw in _kept(transcript_blobs.read_revision(revision), file.name, erased):
            if raw is None:
                lost += 1
                continue
            hasher.update(raw + b"\n")
            frame.write(raw + b"\n")
            size += len(raw) + 1
        if not lost:
            return None
        data, path = frame.take()
    digest = hasher.hexdigest()
    blob = transcript_blobs.write_blob(
        file.user_id, file.name, mark=f"0-{digest[:12]}", frame=data, frame_path=path
    )
    if not size:
        transcript_blobs.delete_unnamed([blob])
        return Rewritten(revision.pk, before, 0, digest, "", 0)
    return Rewritten(revision.pk, before, size, digest, blob, frame.size)


def _kept(chunks: Iterable[bytes], name: str, erased: AbstractSet[str]) -> Iterator[bytes | None]:
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
