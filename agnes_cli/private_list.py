"""What must not leave this machine: sessions, with the ids of their first lines, and projects.

The list is written before the server is told, so it holds also where there is no network.
"""

from __future__ import annotations

import hashlib
import json
import ntpath
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from agnes_cli.folders import agnes_folder, read_json, write_json
from agnes_cli.lock import locked
from agnes_cli.transcript_files import Transcript, first_lines, folder_of, read_line, session_of

PATIENCE = 10.0
MOST_LINES = 20
"""Of a session that is marked: any copy of it begins with them."""


class PrivateSession(NamedTuple):
    lines: tuple[str, ...] = ()
    told: bool = False
    """Whether the server knows."""
    purge: bool = False
    """Whether the server is still to be told to remove it."""
    undone: bool = False
    """Taken back here; it goes from the list when the server knows."""
    because: str = ""
    """The private project it lies in, or the session it is a copy of; "" when marked itself."""
    unsent: bool = False
    """Whether nothing of it had been sent when it was marked: what arrived all the same, from a
    push that was under way, is removed."""
    at: float = 0.0


class PrivateList:
    def __init__(self, path: Path | None = None) -> None:
        self.path = path or agnes_folder() / "private.json"
        self._stamp: tuple[int, int] | None = None
        self.sessions: dict[str, PrivateSession] = {}
        self.projects: list[str] = []
        self.version = ""
        self.reload()

    def reload(self) -> None:
        """Read what other windows wrote meanwhile; costs one look at the file."""
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = None
        if stamp == self._stamp and self.version:
            return
        stored = read_json(self.path)
        sessions = stored.get("sessions")
        self.sessions = {
            str(name): _session(one)
            for name, one in (sessions if isinstance(sessions, dict) else {}).items()
            if isinstance(one, dict)
        }
        projects = stored.get("projects")
        self.projects = [str(one) for one in projects] if isinstance(projects, list) else []
        self._stamp = stamp
        self.version = self._version()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change what is in the file now, and write it: no window undoes another's mark."""
        with locked(self.path.with_suffix(".lock"), patience=PATIENCE):
            self._stamp, self.version = None, ""
            self.reload()
            yield
            sessions = {name: one._asdict() for name, one in self.sessions.items()}
            write_json(self.path, {"version": 1, "sessions": sessions, "projects": self.projects})
            self._stamp, self.version = None, ""
            self.reload()

    @property
    def private_ids(self) -> set[str]:
        return {name for name, one in self.sessions.items() if not one.undone}

    def mark(
        self,
        session_id: str,
        lines: list[str],
        *,
        because: str = "",
        purge: bool = False,
        unsent: bool = False,
    ) -> None:
        """To be called while changing."""
        known = self.sessions.get(session_id, PrivateSession())
        self.sessions[session_id] = PrivateSession(
            tuple(dict.fromkeys([*known.lines, *lines]))[:MOST_LINES],
            purge=purge or known.purge,
            because=known.because if known.at and because else because,
            unsent=known.unsent if known.at else unsent,
            at=known.at or time.time(),
        )

    def covers_folder(self, folder: str) -> str:
        """The private project that this folder is, or lies in; "" for none."""
        wanted = comparable(folder)
        for project in self.projects:
            inside = comparable(project)
            if wanted == inside or wanted.startswith(inside.rstrip("/") + "/"):
                return project
        return ""

    def why_private(self, transcript: Transcript, start: int = 0) -> str:
        """The private session that a file, from `start` on, holds lines of; "" for none."""
        private = self.private_ids
        if transcript.home_session in private:
            return transcript.home_session
        marks = {one: one for one in private}
        for name in private:
            marks.update(dict.fromkeys(self.sessions[name].lines, name))
        return next(_marked_lines(transcript.path, start, marks), "") if marks else ""

    def private_project(self, transcript: Transcript) -> str:
        return self.covers_folder(folder_of(transcript.path)) if self.projects else ""

    def _version(self) -> str:
        told = sorted((name, one.lines, one.undone) for name, one in self.sessions.items())
        text = json.dumps([told, self.projects])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def line_digest(uuid: str) -> str:
    """How the server is told a line's id: it recognises the line without having been given it."""
    return hashlib.sha256(f"agnes.line:{uuid}".encode()).hexdigest()


def comparable(folder: str) -> str:
    """A folder's path as two spellings of it can be compared, Windows' as well."""
    if ntpath.splitdrive(folder)[0] or "\\" in folder:
        return ntpath.normpath(folder).replace("\\", "/").lower()
    return os.path.normpath(folder).replace("\\", "/")


def main_file_of(session_id: str, transcripts: list[Transcript]) -> Transcript | None:
    own = [one for one in transcripts if one.is_main and one.home_session == session_id]
    return max(own, key=lambda one: one.mtime_ns) if own else None


def own_first_lines(session_id: str, transcripts: list[Transcript]) -> list[str]:
    main = main_file_of(session_id, transcripts)
    return first_lines(main.path, MOST_LINES) if main else []


def _marked_lines(path: Path, start: int, marks: dict[str, str]) -> Iterator[str]:
    raw_marks = [mark.encode() for mark in marks]
    with path.open("rb") as file:
        file.seek(start)
        for raw in file:
            if not any(mark in raw for mark in raw_marks):
                continue
            for told in _ids(raw):
                if told in marks:
                    yield marks[told]


def _ids(raw: bytes) -> Iterator[str]:
    """What a line is known by; a mere mention in its text is none of it."""
    data = read_line(raw)
    if data is None:
        # A damaged line that names a private session may be a piece of it.
        text = raw.decode("utf-8", "replace")
        yield from (part for part in text.split('"') if part)
        return
    forked = data.get("forkedFrom")
    yield session_of(data)
    yield str(data.get("uuid") or "")
    if isinstance(forked, dict):
        yield str(forked.get("sessionId") or "")


def _session(data: dict[str, Any]) -> PrivateSession:
    lines = data.get("lines")
    return PrivateSession(
        tuple(str(one) for one in lines) if isinstance(lines, (list, tuple)) else (),
        told=bool(data.get("told")),
        purge=bool(data.get("purge")),
        undone=bool(data.get("undone")),
        because=str(data.get("because") or ""),
        unsent=bool(data.get("unsent")),
        at=float(data.get("at") or 0.0),
    )
