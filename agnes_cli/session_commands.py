"""push, status, statusline, mark-private: what concerns the sessions on this machine."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

from agnes_cli import errors
from agnes_cli.claude_settings import has_hooks
from agnes_cli.credentials import load_credentials
from agnes_cli.errors import ClientError, NotSignedIn, TryLater
from agnes_cli.folders import agnes_folder, claude_folder
from agnes_cli.ledger import Ledger, ledger_file
from agnes_cli.lock import PushRunning, locked
from agnes_cli.output import plural, say, say_json, say_problem, say_table, size_of, warn
from agnes_cli.private_list import PrivateList
from agnes_cli.private_marks import (
    Told,
    current_session,
    mark_project,
    mark_session,
    problem_of,
    tell_server,
    unmark_project,
    unmark_session,
)
from agnes_cli.push import Push, Report
from agnes_cli.server import Server
from agnes_cli.transcript_files import find_transcripts

PATIENCE = 60.0
MOST_ROUNDS = 20


def push(options: argparse.Namespace) -> int:
    if options.background:
        return _push_in_background()
    credentials = load_credentials()
    show = sys.stderr.isatty() and not options.json
    with locked(agnes_folder() / "push.lock", patience=PATIENCE):
        run = Push(
            credentials, claude_folder() / "projects", progress=_progress if show else _silent
        )
        if options.again:
            run.ledger.entries.clear()
        report = run.run()
    if show:
        sys.stderr.write("\r\033[K")
    if options.json:
        say_json({**report.numbers(), "problem": _problem(report.stopped)})
    else:
        _say_report(report)
    if report.stopped:
        if not options.json:
            say_problem(report.stopped, as_json=False)
        return report.stopped.exit_code
    if report.waiting:
        return errors.TRY_LATER
    return errors.OK


def _push_in_background() -> int:
    """For hooks: as often as something happened meanwhile, and never a word."""
    folder = agnes_folder()
    try:
        credentials = load_credentials()
        with locked(folder / "push.lock"):
            for _ in range(MOST_ROUNDS):
                begun = time.time()
                Push(credentials, claude_folder() / "projects", patient=True).run()
                if _woken_at() <= begun:
                    break
    except PushRunning:
        return errors.OK  # it looks again by itself
    except ClientError as error:
        return error.exit_code
    return errors.OK


def _woken_at() -> float:
    try:
        return (agnes_folder() / "wake").stat().st_mtime
    except OSError:
        return 0.0


def _progress(report: Report) -> None:
    sys.stderr.write(f"\r\033[K{report.sent} sent, {size_of(report.bytes_sent)}")
    sys.stderr.flush()


def _silent(report: Report) -> None:
    pass


def _say_report(report: Report) -> None:
    say(
        f"{plural(report.sent, 'file')} sent ({size_of(report.bytes_sent)} compressed), "
        f"{report.unchanged} unchanged, {report.private} private, {len(report.waiting)} waiting, "
        f"{len(report.refused)} refused"
    )
    if report.masked:
        told = ", ".join(f"{count} {rule}" for rule, count in sorted(report.masked.items()))
        say(f"secrets masked: {told}")
    for file, why in [*report.waiting, *report.refused]:
        warn(f"{file}: {why}")


def _problem(error: ClientError | None) -> dict[str, Any] | None:
    return problem_of(error) if error else None


def status(options: argparse.Namespace) -> int:
    told = _status()
    if options.json:
        say_json(told)
        return errors.OK
    say(f"server    {told['server'] or 'not signed in: agnes login https://SERVER'}")
    if told["username"]:
        say(f"person    {told['username']}")
    say(f"hooks     {'in Claude Code' if told['hooks'] else 'none: agnes init'}")
    counts = told["files"]
    say(
        f"files     {counts['sent']} sent, {counts['new']} new or grown, "
        f"{counts['waiting']} waiting, {counts['private']} private, {counts['refused']} refused"
    )
    say(
        f"private   {plural(len(told['private_sessions']), 'session')}, "
        f"{plural(len(told['private_projects']), 'project')}"
    )
    if told["masked"]:
        say("masked    " + ", ".join(f"{n} {rule}" for rule, n in told["masked"].items()))
    if told["problem"]:
        say(f"problem   {told['problem']}")
    if told["failed"]:
        say()
        say_table(
            ("state", "file", "why"),
            [(one["state"], one["file"], one["why"]) for one in told["failed"]],
        )
    return errors.OK


def _status() -> dict[str, Any]:
    private = PrivateList()
    told: dict[str, Any] = {
        "server": "",
        "username": "",
        "hooks": has_hooks(claude_folder() / "settings.json"),
        "files": dict.fromkeys(("sent", "new", "waiting", "private", "refused"), 0),
        "private_sessions": sorted(private.private_ids),
        "private_projects": private.projects,
        "masked": {},
        "problem": "",
        "pushed_at": None,
        "failed": [],
    }
    try:
        credentials = load_credentials()
    except NotSignedIn:
        return told
    ledger = Ledger(ledger_file(credentials))
    told.update(server=credentials.url, username=credentials.username)
    told.update(problem=ledger.notes.get("problem", ""), pushed_at=ledger.notes.get("pushed_at"))
    for one in find_transcripts(claude_folder() / "projects"):
        entry = ledger.get(one.name)
        same = entry.looks(one.size, one.mtime_ns)
        state = entry.state if same or (entry.state == "waiting" and entry.attempts) else "new"
        if state != "new" or entry.state != "private":
            told["files"][state] += 1
        else:
            told["files"]["private"] += 1
        if state in ("waiting", "refused"):
            told["failed"].append({"file": one.name, "state": state, "why": entry.message})
        for rule, count in entry.masked:
            told["masked"][rule] = told["masked"].get(rule, 0) + count
    return told


def statusline(options: argparse.Namespace) -> int:
    """One short line; reads what Claude Code tells its status lines, when it tells something."""
    session = _session_on_stdin()
    private = PrivateList()
    if session in private.private_ids:
        say("agnes: private")
        return errors.OK
    try:
        ledger = Ledger(ledger_file(load_credentials()))
    except NotSignedIn:
        say("agnes: not signed in")
        return errors.OK
    states = [entry.state for entry in ledger.entries.values() if entry.attempts or entry.at]
    waiting = states.count("waiting")
    problem = " (agnes status)" if ledger.notes.get("problem") else ""
    say(
        f"agnes: {plural(waiting, 'file')} waiting{problem}" if waiting else f"agnes: sent{problem}"
    )
    return errors.OK


def _session_on_stdin() -> str:
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    try:
        return str(json.loads(sys.stdin.read(1024**2)).get("session_id") or "")
    except (ValueError, AttributeError):
        return ""


def mark_private(options: argparse.Namespace) -> int:
    private = PrivateList()
    if options.list:
        return _list_private(private, options)
    changed = _change_marks(private, options)
    answers, problem = _tell(private)
    if options.json:
        say_json(
            {
                "sessions": changed,
                "projects": private.projects,
                "told": problem is None,
                "stored": [one.session_id for one in answers if one.stored],
                "purged": [name for one in answers for name in one.purged],
                "problem": _problem(problem),
            }
        )
    else:
        _say_marks(options, changed, answers, problem)
    # The mark stands here in any case; only a purge needs the server now.
    return problem.exit_code if problem and options.purge else errors.OK


def _change_marks(private: PrivateList, options: argparse.Namespace) -> list[str]:
    projects = claude_folder() / "projects"
    if options.project is not None:
        if options.undo:
            return unmark_project(private, options.project)
        transcripts = list(find_transcripts(projects))
        return mark_project(private, options.project, transcripts, purge=options.purge)
    session = options.session or current_session(projects, os.getcwd())
    if options.undo:
        return unmark_session(private, session)
    transcripts = list(find_transcripts(projects))
    return mark_session(
        private, session, transcripts, purge=options.purge, unsent=not _was_sent(session)
    )
    return [session]


def _was_sent(session: str) -> bool:
    try:
        entries = Ledger(ledger_file(load_credentials())).entries
    except ClientError:
        return False
    return any(
        session in entry.sessions or session in name
        for name, entry in entries.items()
        if entry.sent
    )


def _tell(private: PrivateList) -> tuple[list[Told], ClientError | None]:
    try:
        with Server(load_credentials(), timeout=20.0) as server:
            return tell_server(server, private), None
    except ClientError as error:
        return [], error


def _say_marks(
    options: argparse.Namespace,
    changed: list[str],
    answers: list[Told],
    problem: ClientError | None,
) -> None:
    word = "no longer private" if options.undo else "private"
    for session in changed:
        say(f"{session} is {word}.")
    if options.project is not None and not options.undo:
        say("Sessions to come in this folder stay here as well.")
    for one in answers:
        if one.purged:
            say(f"Removed from the server: {', '.join(one.purged)}.")
        elif one.stored:
            warn(
                f"{one.session_id} was uploaded before. Remove it there as well: "
                f"agnes mark-private {one.session_id} --purge"
            )
    if isinstance(problem, (TryLater, NotSignedIn)):
        warn(f"The server is told with the next push: {problem.message}")
    elif problem:
        say_problem(problem, as_json=False)


def _list_private(private: PrivateList, options: argparse.Namespace) -> int:
    rows = [
        (name, "yes" if one.told else "not yet", one.because)
        for name, one in sorted(private.sessions.items())
        if not one.undone
    ]
    if options.json:
        say_json({"sessions": [row[0] for row in rows], "projects": private.projects})
        return errors.OK
    for project in private.projects:
        say(f"project {project}")
    say_table(("session", "server knows", "because of"), rows)
    return errors.OK
