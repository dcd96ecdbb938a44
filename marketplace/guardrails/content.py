"""Content: would somebody, or the model, know what this is for?"""

import re
from collections.abc import Iterator
from typing import Final

from marketplace.findings import Finding
from marketplace.guardrails.submission import Submission, blocks, documents, warns
from marketplace.manifests.plugin import PATH as PLUGIN_FILE
from marketplace.manifests.texts import line_of
from telemetry.taxonomy import ItemKind

SHORTEST_DESCRIPTION: Final = 20
LONGEST_DESCRIPTION: Final = 1_024
"""Claude Code takes no more of a skill's description."""

SHORTEST_BODY: Final = 40
LONGEST_BODY: Final = 500
"""Lines; a skill is read whole into the context, and what is long belongs into files beside it."""

PLACEHOLDER: Final = re.compile(
    r"\b(todo|tbd|fixme|lorem ipsum|your description|placeholder)\b", re.I
)
TAG: Final = re.compile(r"<[a-z/!?]", re.I)
"""Where browsers begin a tag, closed or not; `a < b` is none."""

EXAMPLE: Final = re.compile(r"</?(example|commentary|context|user|assistant)>", re.I)
"""What descriptions of agents are made of, by Claude Code's own advice."""

TOOL: Final = re.compile(r"[^\s,()]+(?:\([^()]*\))?")
ANY_COMMAND: Final = frozenset({"Bash", "Bash()", "Bash(*)", "Bash(:*)", "Bash(*:*)", "*"})

DESCRIPTION_MISSING = blocks("description-missing", "There is no description.")
DESCRIPTION_HTML = blocks("description-html", "A description holds HTML.")
DESCRIPTION_SHORT = warns("description-short", "A description has fewer than 20 characters.")
DESCRIPTION_LONG = warns("description-long", "A description has more than 1,024 characters.")
PLACEHOLDER_LEFT = warns("placeholder", "A description is still a placeholder.")
BODY_EMPTY = blocks("body-empty", "A skill or agent says nothing below its front matter.")
BODY_SHORT = warns("body-short", "A skill or agent says hardly anything.")
BODY_LONG = warns("body-long", "A skill or agent has more than 500 lines.")
BROAD_TOOLS = warns("broad-tools", "A skill or command may run any command without being asked.")
RULES = (
    DESCRIPTION_MISSING,
    DESCRIPTION_HTML,
    DESCRIPTION_SHORT,
    DESCRIPTION_LONG,
    PLACEHOLDER_LEFT,
    BODY_EMPTY,
    BODY_SHORT,
    BODY_LONG,
    BROAD_TOOLS,
)


def check_descriptions(submission: Submission) -> Iterator[Finding]:
    for path, document in documents(submission):
        text = document.text("description")
        line = line_of(submission.texts[path], "description:")
        required = not path.startswith("commands/")
        yield from _description(text, path, line, required=required)
    if submission.kind is ItemKind.PLUGIN:
        text = submission.contents.description
        line = line_of(submission.texts.get(PLUGIN_FILE, ""), '"description"')
        yield from _description(text, PLUGIN_FILE, line, required=True)


def _description(text: str, path: str, line: int | None, *, required: bool) -> Iterator[Finding]:
    if not text:
        if required:
            what = "Say in a description what it does and when to use it."
            yield DESCRIPTION_MISSING.at(path, what, line)
        return
    if TAG.search(EXAMPLE.sub("", text)):
        yield DESCRIPTION_HTML.at(path, "The description holds HTML: write plain text.", line)
    if len(text) < SHORTEST_DESCRIPTION:
        yield DESCRIPTION_SHORT.at(path, "The description is too short to be found by.", line)
    if len(text) > LONGEST_DESCRIPTION:
        what = f"The description is longer than {LONGEST_DESCRIPTION} characters."
        yield DESCRIPTION_LONG.at(path, what, line)
    if PLACEHOLDER.search(text):
        yield PLACEHOLDER_LEFT.at(path, "The description is a placeholder.", line)


def check_bodies(submission: Submission) -> Iterator[Finding]:
    for path, document in documents(submission):
        body = document.body.strip()
        if not body:
            yield BODY_EMPTY.at(path, "Nothing stands below the front matter.", document.body_line)
        elif len(body) < SHORTEST_BODY:
            yield BODY_SHORT.at(path, "Hardly anything is said here.", document.body_line)
        elif body.count("\n") >= LONGEST_BODY:
            what = (
                f"More than {LONGEST_BODY} lines: move details into files that are read on demand."
            )
            yield BODY_LONG.at(path, what, document.body_line)


def check_tools(submission: Submission) -> Iterator[Finding]:
    for path, document in documents(submission):
        value = document.fields.get("allowed-tools")
        tools = ",".join(map(str, value)) if isinstance(value, list) else str(value or "")
        if any("".join(tool.split()) in ANY_COMMAND for tool in TOOL.findall(tools)):
            line = line_of(submission.texts[path], "allowed-tools")
            text = "Any command may be run without being asked: name those that are needed."
            yield BROAD_TOOLS.at(path, text, line)
