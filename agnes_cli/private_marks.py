"""Marking sessions and projects as private: here at once, at the server when it is reached."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

from agnes_cli.errors import ClientError, Refused, UsageError
from agnes_cli.private_list import (
    PrivateList,
    PrivateSession,
    comparable,
    line_digest,
    main_file_of,
    own_first_lines,
)
from agnes_cli.server import Server
from agnes_cli.transcript_files import Transcript, find_transcripts, folder_of

PATH = "/api/me/private-sessions"
LATELY = 15 * 60.0
SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


class Told(NamedTuple):
    """What the server answered about a mark."""

    session_id: str
    stored: bool
    """Whether lines of it were uploaded before, and are still there."""
    purged: list[str]
    """Sessions that were removed: it, and its forks."""


def tell_server(server: Server, private: PrivateList) -> list[Told]:
    """Tell the server what it does not know yet. Raises as Server.ask does; the rest is kept."""
    private.reload()
    answers = []
    for session_id, one in list(private.sessions.items()):
        if one.undone:
            _take_back(server, session_id)
        elif not one.told or one.purge:
            answers.append(_tell(server, session_id, one))
        else:
            continue
        with private.changing():
            # Unless another window changed it meanwhile, which is told the next time.
            if private.sessions.get(session_id) == one:
                del private.sessions[session_id]
                if not one.undone:
                    private.sessions[session_id] = one._replace(told=True, purge=False)
    return answers


def mark_session(
    private: PrivateList,
    session_id: str,
    transcripts: list[Transcript],
    *,
    purge: bool = False,
    unsent: bool = False,
) -> list[str]:
    """In this machine's list, with its copies; returns all. tell_server tells the server."""
    if not SESSION_ID.fullmatch(session_id):
        raise UsageError(
            f"{session_id!r} is no session id.", fix="It is the name of the transcript: a UUID."
        )
    lines = own_first_lines(session_id, transcripts)
    with private.changing():
        private.mark(session_id, lines, purge=purge, unsent=unsent)
    copies = _copies(private, session_id, transcripts)
    with private.changing():
        for copy in copies:
            private.mark(copy, [], purge=purge, because=session_id)
    return [session_id, *copies]


def _copies(private: PrivateList, session_id: str, transcripts: list[Transcript]) -> list[str]:
    """Sessions beside this one that hold lines of it; Claude Code copies within a project."""
    main = main_file_of(session_id, transcripts)
    folder = main.name.rpartition("/")[0] if main else None
    found = {
        one.home_session
        for one in transcripts
        if one.is_main and one.name.rpartition("/")[0] == folder and private.why_private(one)
    }
    return sorted(found - {session_id, ""})


def unmark_session(private: PrivateList, session_id: str) -> list[str]:
    """Returns what is taken back: the session, and copies that were private because of it."""
    with private.changing():
        if session_id not in private.private_ids:
            raise UsageError(
                f"{session_id} is not private.", fix="See what is: agnes mark-private --list"
            )
        copies = [name for name, one in private.sessions.items() if one.because == session_id]
        for name in [session_id, *copies]:
            private.sessions[name] = private.sessions[name]._replace(undone=True)
    return [session_id, *copies]


def mark_project(
    private: PrivateList, folder: str, transcripts: list[Transcript], *, purge: bool = False
) -> list[str]:
    """Keep the folder's sessions here, those to come as well; returns those there are."""
    name = os.path.abspath(folder)
    with private.changing():
        if not private.covers_folder(name):
            private.projects.append(name)
    return mark_project_sessions(private, transcripts, purge=purge)


def mark_project_sessions(
    private: PrivateList, transcripts: list[Transcript], *, purge: bool = False
) -> list[str]:
    """Mark those sessions of private projects that are not marked yet, and with `purge` all."""
    private.reload()
    if not private.projects:
        return []
    found: dict[str, str] = {}
    for one in transcripts:
        session = one.home_session
        if session and session not in found and (purge or session not in private.sessions):
            project = private.private_project(one)
            if project:
                found[session] = project
    lines = {session: own_first_lines(session, transcripts) for session in found}
    if found:
        with private.changing():
            for session, project in found.items():
                private.mark(session, lines[session], because=project, purge=purge)
    return list(found)


def unmark_project(private: PrivateList, folder: str) -> list[str]:
    """Returns the sessions that are taken back with it: not those that were marked themselves."""
    wanted = comparable(os.path.abspath(folder))
    with private.changing():
        named = [one for one in private.projects if comparable(one) == wanted]
        if not named:
            raise UsageError(
                f"{folder} is not a private project.", fix="See: agnes mark-private --list"
            )
        private.projects = [one for one in private.projects if one not in named]
        freed = [
            session
            for session, one in private.sessions.items()
            if one.because in named and not one.undone
        ]
        for session in freed:
            private.sessions[session] = private.sessions[session]._replace(undone=True)
    return freed


def current_session(projects: Path, folder: str, now: float | None = None) -> str:
    """The session that is going on in a folder. Raises UsageError when it cannot be told."""
    named = os.environ.get("CLAUDE_SESSION_ID") or os.environ.get("CLAUDE_CODE_SESSION_ID")
    if named:
        return named
    now = time.time() if now is None else now
    here = comparable(folder)
    found = [
        one
        for one in sorted(find_transcripts(projects), key=lambda one: -one.mtime_ns)[:200]
        if one.is_main and comparable(folder_of(one.path)) == here
    ]
    lately = [one for one in found if now - one.mtime_ns / 1e9 < LATELY]
    if len(lately) > 1:
        raise UsageError(
            "Several sessions are going on in this folder: "
            + ", ".join(one.home_session for one in lately)
            + ".",
            fix="Name one: agnes mark-private SESSION",
        )
    if not found:
        raise UsageError(
            f"There is no session of {folder}.", fix="Name one: agnes mark-private SESSION"
        )
    return found[0].home_session


def problem_of(error: ClientError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "fix": error.fix}


def _take_back(server: Server, session_id: str) -> None:
    try:
        server.ask("DELETE", f"{PATH}/{session_id}")
    except Refused as error:
        if error.code != "not_private":
            raise
        # It was marked and taken back before the server was told.


def _tell(server: Server, session_id: str, one: PrivateSession) -> Told:
    data = {"lines": [line_digest(line) for line in one.lines], "purge": one.purge}
    told = _told(session_id, server.ask("PUT", f"{PATH}/{session_id}", data=data))
    if told.stored and one.unsent:
        told = _told(
            session_id, server.ask("PUT", f"{PATH}/{session_id}", data={**data, "purge": True})
        )
    return told


def _told(session_id: str, answer: Any) -> Told:
    told = answer if isinstance(answer, dict) else {}
    return Told(session_id, bool(told.get("stored")), [str(one) for one in told.get("purged", [])])
