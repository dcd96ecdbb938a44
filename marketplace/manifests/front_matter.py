"""The YAML between two lines of `---` at the head of a Markdown file, read even when it is broken.

Every scalar comes as the text that stands there, so that a skill named `on` or `2026` stays one.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml

from marketplace.findings import Finding, blocking, warning
from marketplace.manifests.texts import decode

LARGEST: Final = 64 * 1024
"""Characters of YAML that are looked at; the longest met in practice has a tenth of it."""

DEEPEST: Final = 30
LARGEST_FILE: Final = 4 * 1024**2
KEY: Final = re.compile(r"([A-Za-z][\w-]*)[ \t]*:(?:[ \t]+(.*))?$")
BLOCK_MARKS: Final = frozenset({"|", ">", "|-", ">-", "|+", ">+"})
Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True)
class Document:
    """A Markdown file. `fields` are empty without front matter; `body_line` is the body's first."""

    fields: dict[str, Any]
    body: str
    body_line: int
    findings: tuple[Finding, ...] = ()

    def text(self, name: str) -> str:
        """A field that is one text, else empty."""
        value = self.fields.get(name)
        return value.strip() if isinstance(value, str) else ""


def read_document(content: bytes, path: str) -> Document:
    """The file's front matter and body; `path` is what findings name. Never raises."""
    if len(content) > LARGEST_FILE:
        problem = f"The file is larger than {LARGEST_FILE // 1024**2} MiB."
        return Document({}, "", 1, (blocking("file-too-large", path, problem),))
    text = decode(content)
    if text[:4] != "---\n" and text.rstrip() != "---":
        problem = "The file has no front matter: begin it with --- and a description."
        return Document({}, text, 1, (warning("front-matter-missing", path, problem, 1),))
    end = _end_of_front_matter(text)
    if end is None:
        problem = "The front matter is not closed: end it with a line of ---."
        return Document({}, text, 1, (warning("front-matter-open", path, problem, 1),))
    head, body = text[4 : end[0]], text[end[1] :]
    body_line = text.count("\n", 0, end[1]) + 1
    if len(head) > LARGEST:
        problem = f"The front matter is longer than {LARGEST // 1024} KiB."
        return Document({}, body, body_line, (blocking("front-matter-too-large", path, problem),))
    fields, findings = _fields(head, path)
    return Document(fields, body, body_line, findings)


def _end_of_front_matter(text: str) -> tuple[int, int] | None:
    """Where the closing line begins and ends."""
    found = re.compile(r"^---[ \t]*(?:\n|\Z)", re.MULTILINE).search(text, 4)
    return (found.start(), found.end()) if found else None


def _fields(head: str, path: str) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    try:
        if _is_nested_deeply(head):
            problem = f"The front matter is nested more than {DEEPEST} levels deep."
            return {}, (blocking("front-matter-nested", path, problem),)
        if _has_alias(head):
            problem = "Aliases (&name, *name) are not taken in front matter: write the value out."
            return _loose_fields(head), (warning("front-matter-alias", path, problem),)
        value = yaml.load(head, Loader=Loader)  # noqa: S506  the loader makes texts, nothing else
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # The first line of the file is the opening one, and marks count from 0.
        line = mark.line + 2 if mark else None
        what = getattr(error, "problem", None) or "unreadable"
        problem = f"The front matter is not YAML ({what}); what can be read line by line is used."
        return _loose_fields(head), (warning("front-matter-yaml", path, problem, line),)
    if value in (None, ""):
        return {}, (warning("front-matter-empty", path, "The front matter is empty.", 1),)
    if not isinstance(value, dict):
        problem = "The front matter is no list of `key: value` lines."
        return {}, (warning("front-matter-form", path, problem, 2),)
    return {key: each for key, each in value.items() if isinstance(key, str)}, ()


def _is_nested_deeply(head: str) -> bool:
    """The C library that builds values recurses; some ten thousand levels end the process. Events
    come without recursion, but are only needed where enough marks could nest."""
    if sum(head.count(mark) for mark in ("[", "{", "- ", "? ", "-\t", "?\t")) <= DEEPEST:
        return False
    depth = 0
    for event in yaml.parse(head, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            return True
    return False


def _has_alias(head: str) -> bool:
    """Only an alias lets a few lines stand for gigabytes."""
    if "*" not in head or "&" not in head:
        return False
    return any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(head, Loader=Loader))


def _loose_fields(head: str) -> dict[str, Any]:
    """The keys at the margin with the rest of their line and what is indented below, as text."""
    fields: dict[str, str] = {}
    current = ""
    for line in head.split("\n"):
        found = KEY.match(line)
        if found:
            current = found[1]
            value = (found[2] or "").strip()
            fields[current] = "" if value in BLOCK_MARKS else value
        elif current and line[:1] in {" ", "\t"} and line.strip():
            fields[current] = f"{fields[current]} {line.strip()}".strip()
    return {key: _unquoted(value) for key, value in fields.items()}


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
