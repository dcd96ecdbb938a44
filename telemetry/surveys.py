"""A first look at a file: whose sessions its lines belong to, and whether it is a transcript."""

import re
from collections.abc import Iterable

import msgspec

from telemetry.format_known import RECORD_TYPES
from telemetry.transcripts import (
    Decoded,
    Line,
    ReadLine,
    Tally,
    decode_line,
    is_utf8,
    read_lines,
)

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_CODEX_TYPES = frozenset({"session_meta", "turn_context", "response_item", "event_msg"})
_GEMINI_TYPE = "gemini"
_FOREIGN_TYPES = _CODEX_TYPES | {_GEMINI_TYPE}


PACKINGS = {
    "gzip": b"\x1f\x8b",
    "zip": b"PK\x03\x04",
    "zstd": b"\x28\xb5\x2f\xfd",
}
"""How files begin that hold others, packed."""


def packing_of(content: bytes) -> str | None:
    """What these first bytes of a file say that it is packed with; None where they do not."""
    return next((name for name, sign in PACKINGS.items() if content.startswith(sign)), None)


class Survey(msgspec.Struct):
    """What one pass over a file's bytes showed; nothing is derived yet."""

    session_ids: list[str]
    """Distinct session ids its lines belong to, in order of first sight."""
    lines: int
    """Non-blank lines, bad ones included."""
    bad_lines: int
    """Lines that hold no JSON object or are longer than can be read."""
    program: str | None
    """The other program that wrote the file, or packed it (a key of PACKINGS), or None."""

    @property
    def verdict(self) -> str:
        """`claude` (to be counted), `foreign` (another program's) or `nothing` (to count)."""
        if self.program:
            return "foreign"
        return "claude" if self.session_ids else "nothing"


class _Glance(msgspec.Struct, gc=False):
    type: str | None = None
    uuid: str | None = None
    sessionId: str | None = None
    payload: msgspec.Raw = msgspec.Raw()
    projectHash: msgspec.Raw = msgspec.Raw()


_glances = msgspec.json.Decoder(_Glance)


class SessionSeeker:
    """Which session a line belongs to: its own sessionId, else the file's, else its neighbour's.

    `name` is a `TranscriptFile.name`. A file named after a session (`<uuid>.jsonl`) or lying in a
    session's folder has that session as home. In any other file a line without sessionId goes with
    the line before it, and before the first sessionId with that one.
    """

    def __init__(self, name: str) -> None:
        self.home = home_session(name)
        self.last = self.home

    def seek(self, session_id: str | None) -> str | None:
        """The line's session id, or None while only a later line can tell."""
        if session_id:
            if not self.home:
                self.last = session_id
            return session_id
        return self.last


def tells_session(type_: str | None, uuid: str | None, session_id: str | None) -> bool:
    """Whether a line makes its session one of the file's: a bare line about nothing does not."""
    return bool(session_id or uuid) or type_ in ("user", "assistant")


def home_session(name: str) -> str | None:
    """The session a file's name or folder stands for, or None (flat agent files, renamed files)."""
    folder, _, file = name.rpartition("/")
    if folder:
        return folder.split("/", 1)[0]
    stem = file.removesuffix(".jsonl")
    return stem if _UUID.fullmatch(stem) else None


def is_subagent_file(name: str) -> bool:
    """Whether a file is a subagent's: it lies in a session's folder or is named agent-*."""
    return "/" in name or name.startswith("agent-")


def survey(chunks: Iterable[bytes], name: str = "") -> Survey:
    """Look through a file given in chunks; `name` as in `TranscriptFile.name`."""
    tally = Tally(too_long=[])
    surveyor = _Surveyor(name)
    for raw in read_lines(chunks, tally):
        surveyor.see(_glance(raw))
    return surveyor.result(tally)


def survey_lines(lines: Iterable[ReadLine], tally: Tally, name: str = "") -> Survey:
    """The same of lines that were decoded already; `tally` is complete at their end."""
    surveyor = _Surveyor(name)
    for _, decoded in lines:
        surveyor.see(_glance_of(decoded))
    return surveyor.result(tally)


class _Surveyor:
    """Takes in a file's lines one after the other."""

    def __init__(self, name: str) -> None:
        self.seeker = SessionSeeker(name)
        self.found: dict[str, None] = {}
        self.bad = 0
        self.claude = False
        self.explicit = False
        self.orphaned = False
        self.program: str | None = None

    def see(self, glance: "_Glance | Line | None") -> None:
        """The next line, None for a bad one."""
        if glance is None:
            self.bad += 1
            return
        self.claude = self.claude or glance.type in RECORD_TYPES
        if isinstance(glance, _Glance):
            self.program = self.program or _other_program(glance)
        self.explicit = self.explicit or bool(glance.sessionId)
        if not tells_session(glance.type, glance.uuid, glance.sessionId):
            return
        session_id = self.seeker.seek(glance.sessionId)
        if session_id:
            self.found[session_id] = None
        else:
            self.orphaned = True

    def result(self, tally: Tally) -> Survey:
        program, found = self.program, self.found
        if not self.claude and self.explicit and not program:
            program = "another program"
        if not self.explicit or (self.orphaned and not found):
            found = {}
        return Survey(list(found), tally.lines, self.bad + len(tally.too_long), program)


def _glance(raw: bytes) -> _Glance | None:
    if raw.isascii() or is_utf8(raw):
        try:
            return _glances.decode(raw)
        except (msgspec.MsgspecError, RecursionError):
            pass
    decoded = decode_line(raw)
    glance = _glance_of(decoded)
    if isinstance(glance, Line):
        return _Glance(glance.type, glance.uuid, glance.sessionId)
    return glance


def _glance_of(decoded: Decoded | None) -> "_Glance | Line | None":
    """What a decoded line shows: the line itself, unless it could be another program's."""
    if decoded is None:
        return None
    line = decoded.line
    marks = [key for key in ("payload", "projectHash") if key in decoded.unknown_keys]
    if not marks and line.type not in _FOREIGN_TYPES:
        return line
    return _Glance(line.type, line.uuid, line.sessionId, **dict.fromkeys(marks, msgspec.Raw(b"0")))


def _other_program(glance: _Glance) -> str | None:
    if glance.type in _CODEX_TYPES and bytes(glance.payload):
        return "codex"
    if glance.type == _GEMINI_TYPE or bytes(glance.projectHash):
        return "gemini"
    return None
