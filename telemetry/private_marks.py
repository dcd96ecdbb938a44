"""Which sessions a person keeps private, and whether a file belongs to one or is a copy of one.

Lines are known by a hash that the client makes of their ids, of which only a keyed hash is kept:
neither list nor database tells an id that was not uploaded.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.utils.crypto import salted_hmac

from telemetry import refusals, transcript_blobs
from telemetry.models import PrivateLine, PrivateMark
from telemetry.preparation import Prepared
from telemetry.transcripts import Tally, decode_line, read_lines

SALT = "agnes.private-line"


@dataclass(frozen=True)
class Marks:
    """A person's standing marks: session ids, and the session of each line's digest."""

    sessions: frozenset[str] = frozenset()
    lines: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.sessions)

    def session_in(self, chunks: Iterable[bytes]) -> str | None:
        """The private session that these lines belong to, or were copied from."""
        for raw in read_lines(chunks, Tally(too_long=[])):
            decoded = decode_line(raw)
            if decoded is None:
                continue
            line = decoded.line
            if line.sessionId in self.sessions:
                return line.sessionId
            origin = line.forkedFrom.sessionId if line.forkedFrom else None
            if origin in self.sessions:
                return origin
            if self.lines and line.uuid:
                found = self.lines.get(stored_digest(line_digest(line.uuid)))
                if found:
                    return found
        return None


def standing_marks(user_id: int) -> Marks:
    """To be asked in the transaction that stores a file."""
    marks = dict(
        PrivateMark.objects.filter(user=user_id, lifted_at=None).values_list("pk", "session_id")
    )
    if not marks:
        return Marks()
    lines = PrivateLine.objects.filter(mark__user=user_id, mark__lifted_at=None)
    digests = {
        digest: marks[pk] for pk, digest in lines.values_list("mark", "digest") if pk in marks
    }
    return Marks(frozenset(marks.values()), digests)


def refusal(marks: Marks, prepared: Prepared, blob: str) -> refusals.SessionPrivate | None:
    """Why a prepared file is not taken; `blob` holds the bytes it adds, "" for none."""
    for session_id in prepared.survey.session_ids:
        if session_id in marks.sessions:
            return refusals.session_private(session_id)
    found = marks.session_in(_added(prepared, blob)) if blob else None
    return refusals.session_private(found) if found else None


def line_digest(uuid: str) -> str:
    """As the client tells a line's id."""
    return hashlib.sha256(f"agnes.line:{uuid}".encode("utf-8", "surrogatepass")).hexdigest()


def stored_digest(told: str) -> str:
    return salted_hmac(SALT, told, algorithm="sha256").hexdigest()


def _added(prepared: Prepared, blob: str) -> Iterator[bytes]:
    size = prepared.size - prepared.frame_start
    return transcript_blobs.read_runs([(0, size, blob)], size)
