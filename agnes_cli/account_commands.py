"""login, logout, init, whoami: what ties this machine to a server and to Claude Code."""

from __future__ import annotations

import argparse
import getpass
import sys

from agnes_cli import errors
from agnes_cli.claude_settings import add_hooks, remove_hooks
from agnes_cli.credentials import (
    Credentials,
    checked_token,
    checked_url,
    credentials_file,
    forget_credentials,
    load_credentials,
    save_credentials,
)
from agnes_cli.errors import UsageError
from agnes_cli.folders import agnes_folder, claude_folder, read_json
from agnes_cli.installation import install_copy, remove_copy
from agnes_cli.output import say, say_json, warn
from agnes_cli.private_list import PrivateList
from agnes_cli.server import Server


def login(options: argparse.Namespace) -> int:
    """The token comes from a prompt or from standard input, never from the command line."""
    stored = str(read_json(credentials_file()).get("url") or "")
    url = checked_url(options.url or stored) if options.url or stored else ""
    if not url:
        raise UsageError("Which server?", fix="Run: agnes login https://agnes.example.org")
    token = checked_token(_read_token(url))
    with Server(Credentials(url, token)) as server:
        me = server.get("/api/me")
    credentials = Credentials(url, token, str(me["username"]))
    save_credentials(credentials)
    if url != stored:
        _forget_what_was_told()
    if options.json:
        say_json({"server": url, **me})
    else:
        say(f"Signed in to {url} as {credentials.username}.")
        if "push" not in me.get("scopes", []):
            warn("This token may not push: make one with the scope push to send sessions.")
    return errors.OK


def _read_token(url: str) -> str:
    if sys.stdin.isatty():
        sys.stderr.write(
            f"Make an access token with the scope push at {url}/me, or ask an admin.\n"
        )
        return getpass.getpass("Access token (not shown): ")
    return sys.stdin.readline()


def _forget_what_was_told() -> None:
    """Another server knows of no mark yet."""
    private = PrivateList()
    if private.sessions:
        with private.changing():
            for name, one in private.sessions.items():
                private.sessions[name] = one._replace(told=False)


def logout(options: argparse.Namespace) -> int:
    gone = forget_credentials()
    if options.json:
        say_json({"signed_out": gone})
    else:
        say("Signed out; the token itself is ended at the server." if gone else "Not signed in.")
    return errors.OK


def whoami(options: argparse.Namespace) -> int:
    credentials = load_credentials()
    with Server(credentials) as server:
        me = server.get("/api/me")
    if options.json:
        say_json({"server": credentials.url, **me})
    else:
        say(f"{me['username']} at {credentials.url}, scopes: {', '.join(me['scopes'])}")
        if me["telemetry_opt_out"]:
            say("Opted out: no sessions are taken.")
    return errors.OK


def init(options: argparse.Namespace) -> int:
    settings = claude_folder() / "settings.json"
    if options.undo:
        changed = remove_hooks(settings)
        remove_copy()
        told = "Removed the hooks from" if changed else "There were no hooks of agnes in"
    else:
        changed = add_hooks(settings, install_copy())
        told = "Wrote the hooks to" if changed else "The hooks are there already, in"
    if options.json:
        say_json({"changed": changed, "settings": str(settings), "folder": str(agnes_folder())})
        return errors.OK
    say(f"{told} {settings}.")
    if not options.undo and not credentials_file().exists():
        warn("Nothing is sent until you sign in: agnes login https://SERVER")
    return errors.OK


def opt_out(options: argparse.Namespace) -> int:
    """Whether the server takes any session of this person; what is stored stays."""
    data = {"telemetry_opt_out": not options.undo}
    with Server(load_credentials()) as server:
        me = server.ask("PUT", "/api/me/opt-out", data=data)
    if options.json:
        say_json(me)
    elif me["telemetry_opt_out"]:
        say("Opted out: the server takes no more sessions of yours. Undo: agnes opt-out --undo")
    else:
        say("Opted in again: sessions are sent with the next push.")
    return errors.OK
