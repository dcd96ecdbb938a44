"""Why a transcript file is not taken."""

from collections.abc import Iterable

from accounts.errors import AgnesError
from accounts.models import User


class TranscriptRefused(AgnesError):
    """A refusal that concerns one file."""

    @property
    def word(self) -> str:
        """The short form that an importer prints beside the file."""
        return f"refused: {self.message.rstrip('.')}"


class NameRefused(TranscriptRefused):
    code = "name_refused"
    status = 400


class ForeignTranscript(TranscriptRefused):
    code = "foreign_transcript"
    status = 422

    @property
    def word(self) -> str:
        return f"refused: written by {self.details['program']}"


class PackedTranscript(ForeignTranscript):
    code = "packed_transcript"

    @property
    def word(self) -> str:
        return f"refused: {self.message.rstrip('.')}. {self.fix.rstrip('.')}"


class NothingToCount(TranscriptRefused):
    code = "nothing_to_count"
    status = 422

    @property
    def word(self) -> str:
        return f"nothing to count: {self.details['reason']}"


class SessionIdRefused(TranscriptRefused):
    code = "session_id_refused"
    status = 422


class SessionErased(TranscriptRefused):
    code = "session_erased"
    status = 410


class PartlyErased(SessionErased):
    """Some of the file's sessions were erased: without their lines it is taken."""

    def __init__(self, session_ids: Iterable[str]) -> None:
        super().__init__(
            "A session in this file was erased and is not taken again.",
            fix="Ask an admin to lift the tombstone if it should come back.",
        )
        self.session_ids = frozenset(session_ids)


class SessionPrivate(TranscriptRefused):
    code = "session_private"
    status = 403


class PersonErased(TranscriptRefused):
    code = "person_erased"
    status = 410


class OptedOut(TranscriptRefused):
    code = "opted_out"
    status = 403


class StillChanging(TranscriptRefused):
    code = "still_changing"
    status = 409


UNPACK = {
    "gzip": "Send it with Content-Encoding: gzip, or unpack it",
    "zstd": "Send it with Content-Encoding: zstd, or unpack it",
    "zip": "Unpack it, or import it under a name that ends in .zip",
}
"""What to do with a packed file, by what packed it."""


def foreign(program: str) -> ForeignTranscript:
    if program in UNPACK:
        return PackedTranscript(
            f"This is {program}, not the transcript itself.",
            fix=f"{UNPACK[program]}.",
            details={"program": program},
        )
    return ForeignTranscript(
        f"This file was written by {program}, not by Claude Code.",
        fix="Send files from ~/.claude/projects only.",
        details={"program": program},
    )


def nothing_to_count(lines: int) -> NothingToCount:
    reason = "no line has a session id" if lines else "it is empty"
    return NothingToCount(
        f"There is nothing to count in this file: {reason}.",
        fix="Leave it out; it does no harm.",
        details={"reason": "no conversation lines" if lines else "empty"},
    )


def session_erased() -> SessionErased:
    return SessionErased(
        "This session was erased and is not taken again.",
        fix="Ask an admin to lift the tombstone if it should come back.",
    )


def session_private(session_id: str) -> SessionPrivate:
    return SessionPrivate(
        f"The session {session_id}, which this file belongs to or is a copy of, is private.",
        fix="Take the mark back first: agnes mark-private SESSION --undo.",
        details={"session_id": session_id},
    )


def opted_out(user: User) -> OptedOut:
    return OptedOut(
        f"{user.username} has opted out, so no sessions of theirs are stored.",
        fix="Switch the opt-out off first.",
    )


def person_erased(user: User) -> PersonErased:
    return PersonErased(
        f"The usage of {user.username} was erased, and no sessions of theirs are taken again.",
        fix="Ask an admin to lift the tombstone: usage_erase --user NAME --lift.",
    )
