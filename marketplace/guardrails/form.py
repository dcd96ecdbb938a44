"""Manifest: does the upload have the form of what it says it is?"""

import json
from collections.abc import Iterator
from typing import Final, Never

from marketplace.findings import Finding, Severity
from marketplace.guardrails.submission import MOST_LINES, MOST_TEXT, Submission, blocks
from marketplace.manifests.items import SKILL_FILE
from marketplace.manifests.plugin import PATH as PLUGIN_FILE
from marketplace.manifests.texts import KEBAB, shown
from marketplace.names import FLEA_PLUGIN, SERVED_MARKETPLACE
from telemetry.taxonomy import ItemKind

LONGEST_NAME: Final = 64
RESERVED: Final = frozenset({FLEA_PLUGIN, SERVED_MARKETPLACE, "claude", "anthropic"})

NAME = blocks("name", "The name is missing, not in kebab-case, too long or reserved.")
SKILL_MISSING = blocks("skill-missing", "A skill has no SKILL.md at its top.")
AGENT_FORM = blocks("agent-form", "An agent is not exactly one Markdown file.")
NO_CATALOGUE = blocks("catalogue", "The upload is a whole marketplace.")
MANIFEST = blocks(
    "manifest",
    "A manifest or front matter cannot be read: the finding carries the reader's own rule, such as "
    "front-matter-yaml, front-matter-missing, front-matter-too-large, json or plugin-empty.",
)
NOT_TEXT = blocks("not-text", "A document, manifest or script is not text in UTF-8.")
JSON_STRICT = blocks("json-strict", "JSON holds NaN, Infinity or half a character.")
TOO_MUCH_TEXT = blocks(
    "too-much-text",
    "There are more than 4 MiB or 100,000 lines beside pictures: nobody reads them.",
)
RULES = (
    TOO_MUCH_TEXT,
    NAME,
    SKILL_MISSING,
    AGENT_FORM,
    NO_CATALOGUE,
    MANIFEST,
    NOT_TEXT,
    JSON_STRICT,
)
READ_AS_TEXT: Final = (
    *(".md", ".json", ".yaml", ".yml", ".toml", ".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat"),
    *(".cmd", ".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl", ".php", ".lua", ".awk"),
)

PROMOTED: Final = frozenset(
    {
        "front-matter-alias",
        "front-matter-empty",
        "front-matter-form",
        "front-matter-missing",
        "front-matter-open",
        "front-matter-yaml",
        "hooks-form",
        "plugin-empty",
    }
)
"""What a curated marketplace is only warned of: its owner is not the one who reads the finding."""


def check_name(submission: Submission) -> Iterator[Finding]:
    name = submission.name
    if not name:
        yield NAME.at("", "There is no name: give one, or write it into the manifest.")
    elif not KEBAB.fullmatch(name) or len(name) > LONGEST_NAME:
        text = (
            f"The name {shown(name)} is not of a-z, 0-9 and single hyphens, "
            f"or longer than {LONGEST_NAME} characters."
        )
        yield NAME.at("", text)
    elif name in RESERVED:
        yield NAME.at("", f"The name {shown(name)} is reserved.")


def check_form(submission: Submission) -> Iterator[Finding]:
    files = submission.bundle.files
    if submission.kind is ItemKind.SKILL and SKILL_FILE not in files:
        yield SKILL_MISSING.at("", f"There is no {SKILL_FILE} at the top of the upload.")
    if submission.kind is ItemKind.AGENT and [path[-3:] for path in files] != [".md"]:
        yield AGENT_FORM.at("", "An agent is one Markdown file and nothing beside it.")
    if ".claude-plugin/marketplace.json" in files:
        text = "This is a marketplace: upload its plugins one by one."
        yield NO_CATALOGUE.at(".claude-plugin/marketplace.json", text)
    if submission.kind is not ItemKind.PLUGIN and PLUGIN_FILE in files:
        text = f"This is a plugin, not {_a(submission.kind)}: upload it as a plugin."
        yield NO_CATALOGUE.at(PLUGIN_FILE, text)


def check_amount(submission: Submission) -> Iterator[Finding]:
    if submission.is_cut:
        text = (
            f"There are more than {MOST_TEXT // 1024**2} MiB or {MOST_LINES:,} lines beside "
            "pictures, which nobody reads."
        )
        yield TOO_MUCH_TEXT.at("", text)


def check_text(submission: Submission) -> Iterator[Finding]:
    """What Claude Code or a shell reads as text has to be readable for the checks too."""
    files = submission.bundle.files
    for path in files:
        if path in submission.texts or submission.is_picture(path):
            continue
        runs = path in submission.bundle.executables or files[path].startswith(b"#!")
        if runs or path.lower().endswith(READ_AS_TEXT):
            yield NOT_TEXT.at(path, "This is not text in UTF-8: save it as such.")


def check_json(submission: Submission) -> Iterator[Finding]:
    """Python reads more than JSON is; Claude Code would not load what that lets through."""
    for path, text in submission.texts.items():
        if not path.lower().endswith(".json"):
            continue
        try:
            value = json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse)
            json.dumps(value, ensure_ascii=False).encode()
        except (_NoNumber, UnicodeEncodeError) as error:
            what = "half a character" if isinstance(error, UnicodeEncodeError) else str(error)
            yield JSON_STRICT.at(path, f"The file holds {what}, which JSON has not.")
        except (ValueError, RecursionError):
            continue  # the manifests' reader reports those that matter


class _NoNumber(Exception):
    """NaN or Infinity."""


def _refuse(constant: str) -> Never:
    raise _NoNumber(constant)


def check_manifests(submission: Submission) -> Iterator[Finding]:
    """What the readers of manifests found, more strictly than in a curated marketplace."""
    for finding in submission.found:
        strict = finding.rule in PROMOTED
        severity = Severity.BLOCKING if strict else finding.severity
        yield Finding(finding.rule, severity, finding.file, finding.line, finding.message)


def _a(kind: ItemKind) -> str:
    return "an agent" if kind is ItemKind.AGENT else f"a {kind.value}"
