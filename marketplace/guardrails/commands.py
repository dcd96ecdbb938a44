"""Security: what manifests start by themselves, each command with its arguments as one line."""

import json
from collections.abc import Iterator
from typing import Any, Final

from marketplace.findings import Finding
from marketplace.guardrails.code import PATTERNS
from marketplace.guardrails.submission import Submission, warns
from marketplace.manifests.mcp_servers import DEFAULT
from marketplace.manifests.plugin import PATH as PLUGIN_FILE
from marketplace.manifests.texts import line_of, shown
from telemetry.taxonomy import ItemKind

MCP_COMMAND = warns("mcp-command", "An MCP server is a program that is started by itself.")
RULES = (MCP_COMMAND,)
LONGEST: Final = 4_000


def check_mcp_commands(submission: Submission) -> Iterator[Finding]:
    items = submission.contents.items
    paths = {item.path or PLUGIN_FILE for item in items if item.kind is ItemKind.MCP}
    for path in sorted(paths | {DEFAULT}):
        text = submission.texts.get(path, "")
        for name, command in _commands(text):
            line = line_of(text, json.dumps(name))
            what = f"The MCP server {shown(name)} runs by itself: {shown(command)}"
            yield MCP_COMMAND.at(path, what, line)
            yield from _patterns(command, path, line)


def check_hook_commands(submission: Submission) -> Iterator[Finding]:
    for hook in submission.contents.hooks:
        path = hook.path or PLUGIN_FILE
        line = line_of(submission.texts.get(path, ""), json.dumps(hook.event))
        yield from _patterns(hook.action, path, line)


def _patterns(command: str, path: str, line: int | None) -> Iterator[Finding]:
    text = " ".join(command.replace("\\\n", "").split())[:LONGEST]
    for each in PATTERNS:
        if each.fits(text, text.lower()):
            yield each.rule.at(path, each.message, line)


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """The servers of a file by name, each with its command and arguments."""
    try:
        value: Any = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return
    servers = value.get("mcpServers", value) if isinstance(value, dict) else None
    for name, server in servers.items() if isinstance(servers, dict) else ():
        command = server.get("command") if isinstance(server, dict) else None
        if isinstance(command, str) and command:
            args = server.get("args")
            more = [str(each) for each in args] if isinstance(args, list) else []
            yield name, " ".join((command, *more))
