"""The command line: what there is to say, and which function does it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agnes_cli import __version__, account_commands, admin_commands, errors, session_commands
from agnes_cli.errors import ClientError
from agnes_cli.output import say_problem

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Run = Callable[[argparse.Namespace], int]

ENDING = """exit codes: 0 done; 1 failed; 2 wrong use; 3 not signed in; 4 try later: the
server is away or busy, and what was to be sent is kept; 5 the server refuses.
Documentation: docs/client.md"""


def run(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ClientError as error:
        say_problem(error, as_json=options.json)
        return error.exit_code
    except OSError as error:
        where = f" {error.filename}:" if error.filename else ""
        wrong = ClientError(f"Files:{where} {error.strerror}.", fix="Look at disk and permissions.")
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()  # who reads has gone, and Python would complain at exit
            return errors.OK
        say_problem(wrong, as_json=options.json)
        return errors.FAILED
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="agnes",
        description="Sends Claude Code sessions to Agnes, except private ones.",
        epilog=ENDING,
    )
    parser.add_argument("--version", action="version", version=f"agnes {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_account(commands)
    _add_sessions(commands)
    _add_figures(commands)
    _add_admin(commands)
    return parser


def _add(commands: Commands, name: str, run: Run, help: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    command.add_argument("--json", action="store_true", help="JSON instead of text")
    command.set_defaults(run=run)
    return command


def _add_account(commands: Commands) -> None:
    login = _add(
        commands, "login", account_commands.login, "sign in with a token from prompt or stdin"
    )
    login.add_argument("url", nargs="?", metavar="https://SERVER", help="by default the last one")
    _add(commands, "logout", account_commands.logout, "forget the token on this machine")
    _add(commands, "whoami", account_commands.whoami, "show the person and what the token may do")
    init = _add(commands, "init", account_commands.init, "write the hooks of Claude Code")
    init.add_argument("--undo", action="store_true", help="take them out again")
    out = _add(commands, "opt-out", account_commands.opt_out, "have the server take no sessions")
    out.add_argument("--undo", action="store_true", help="have it take them again")


def _add_sessions(commands: Commands) -> None:
    push = _add(commands, "push", session_commands.push, "send what is new, except what is private")
    push.add_argument(
        "--again", action="store_true", help="ask the server about every file, sent ones as well"
    )
    push.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    _add(commands, "status", session_commands.status, "show what is sent, waiting, private, failed")
    _add(commands, "statusline", session_commands.statusline, "one line for Claude Code's status")
    private = _add(
        commands, "mark-private", session_commands.mark_private, "keep a session on this machine"
    )
    private.add_argument(
        "session", nargs="?", metavar="SESSION", help="its id; by default the one going on here"
    )
    private.add_argument(
        "--project",
        nargs="?",
        const=".",
        metavar="FOLDER",
        help="all sessions in this folder, those to come as well",
    )
    private.add_argument("--purge", action="store_true", help="remove what was uploaded as well")
    private.add_argument("--undo", action="store_true", help="make it public again")
    private.add_argument("--list", action="store_true", help="show what is private")


def _add_figures(commands: Commands) -> None:
    catalog = _add(commands, "catalog", admin_commands.catalog, "list tables and columns")
    catalog.add_argument("table", nargs="?")
    snapshot = _add(
        commands, "snapshot", admin_commands.snapshot, "save own rows; an admin's token: all"
    )
    snapshot.add_argument("file", metavar="FILE.parquet")
    snapshot.add_argument("--table", default="usage_events")


def _add_admin(commands: Commands) -> None:
    admin = commands.add_parser("admin", help="what admins do; needs a token of scope admin")
    inner = admin.add_subparsers(title="commands", metavar="COMMAND", required=True)
    usage = inner.add_parser("usage", help="figures, exports and upkeep")
    within = usage.add_subparsers(title="commands", metavar="COMMAND", required=True)
    export = _add(within, "export", admin_commands.export, "rows of a table, to a file or stdout")
    export.add_argument(
        "--format", default="csv", choices=("csv", "json", "ndjson", "parquet"), help="csv"
    )
    export.add_argument("--since", metavar="DAY", help="UTC day or instant, included")
    export.add_argument("--until", metavar="DAY", help="UTC day or instant, not included")
    export.add_argument("--user", metavar="USER", help="id, username or e-mail address")
    export.add_argument("--source", help="curated, flea, builtin or unattributed")
    export.add_argument("--table", default="usage_events")
    export.add_argument("--out", metavar="FILE", help="appears when it is complete")
    summary = _add(within, "summary", admin_commands.summary, "the figures of a time")
    summary.add_argument("--since", metavar="DAY")
    summary.add_argument("--until", metavar="DAY")
    summary.add_argument("--days", type=int, metavar="N")
    reprocess = _add(
        within, "reprocess", admin_commands.reprocess, "derive sessions again from transcripts"
    )
    reprocess.add_argument("--user", metavar="USER")
    reprocess.add_argument("--session", metavar="SESSION")
    reprocess.add_argument("--since", metavar="DAY")
    reprocess.add_argument("--until", metavar="DAY")
    reprocess.add_argument("--yes", action="store_true", help="do it; else only tell")
    prune = _add(within, "prune", admin_commands.prune, "remove what is older than retention")
    prune.add_argument("--dry-run", action="store_true", help="only tell")
    ask = _add(inner, "ask", admin_commands.ask, "ask a question; shows the SQL, then the rows")
    ask.add_argument("question", nargs="+")
