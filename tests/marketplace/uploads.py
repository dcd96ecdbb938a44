"""Good skills, agents and plugins for tests, to be spoilt one thing at a time."""

from collections.abc import Mapping

from marketplace.bundles import Bundle
from marketplace.guardrails import Submission
from marketplace.submissions import read_submission
from tests.marketplace.zips import zipped

BODY = "Look at the open invoices first, then write one line for each of them.\n"
SKILL = (
    "---\nname: chase-invoices\ndescription: Lists open invoices and drafts reminders.\n---\n"
    + BODY
)
AGENT = (
    "---\nname: bookkeeper\ndescription: Checks entries against receipts, line by line.\n---\n"
    + BODY
)
MANIFEST = (
    '{\n  "name": "books",\n  "version": "1.2.0",\n'
    '  "description": "Keeps the books of a small shop."\n}\n'
)
PLUGIN: Mapping[str, str] = {
    ".claude-plugin/plugin.json": MANIFEST,
    "skills/close-month/SKILL.md": SKILL.replace("chase-invoices", "close-month"),
    "agents/bookkeeper.md": AGENT,
    "commands/post.md": "---\ndescription: Posts an entry to the ledger.\n---\n" + BODY,
    ".mcp.json": '{"mcpServers": {"ledger": {"command": "ledger-mcp"}}}',
}


def skill(text: str = SKILL, **files: str | bytes) -> Bundle:
    return bundle({"SKILL.md": text, **files})


def bundle(files: Mapping[str, str | bytes]) -> Bundle:
    return Bundle.of(
        {path: each.encode() if isinstance(each, str) else each for path, each in files.items()}
    )


def submitted(files: Mapping[str, str | bytes], kind: str = "", name: str = "") -> Submission:
    return read_submission(bundle(files), kind=kind, name=name, owner="ada")


def skill_zip(text: str = SKILL, files: Mapping[str, str | bytes] | None = None) -> bytes:
    return zipped({"SKILL.md": text, **(files or {})})


def plugin_zip(files: Mapping[str, str | bytes] | None = None) -> bytes:
    return zipped({**PLUGIN, **(files or {})})
