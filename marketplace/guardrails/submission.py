"""What the checks look at: a bundle with its kind and name, and its text line by line."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from marketplace.bundles import Bundle
from marketplace.findings import Finding, Severity
from marketplace.manifests import Document, PluginContents, read_document
from marketplace.manifests.items import SKILL_FILE
from telemetry.taxonomy import ItemKind

WINDOW: Final = 4_000
MOST_TEXT: Final = 4 * 1024**2
OVERLAP: Final = 400
"""Long lines are looked at in overlapping pieces, so that no pattern takes long on one."""


@dataclass(frozen=True)
class Rule:
    """A rule that findings name. `about` is the sentence in the list of rules."""

    name: str
    severity: Severity
    about: str

    def at(self, file: str, message: str, line: int | None = None) -> Finding:
        return Finding(self.name, self.severity, file, line, message)


def blocks(name: str, about: str) -> Rule:
    return Rule(name, Severity.BLOCKING, about)


def warns(name: str, about: str) -> Rule:
    return Rule(name, Severity.WARNING, about)


class Line(NamedTuple):
    """A line of a text file, or a piece of a long one; `number` counts from 1."""

    file: str
    number: int
    text: str


@dataclass(frozen=True)
class Submission:
    """An upload as it was sent. `name` is the name without the owner; `contents` and `found` are
    what the manifests say of it, read as it will be served."""

    kind: ItemKind
    name: str
    bundle: Bundle
    contents: PluginContents
    found: tuple[Finding, ...] = ()

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text files by path; what is not text is left out."""
        files = self.bundle.files
        texts = ((path, _text(files[path])) for path in files)
        return {path: text for path, text in texts if text is not None}

    @property
    def is_cut(self) -> bool:
        """Whether there is more text than is looked at; then it is refused anyway."""
        return sum(map(len, self.texts.values())) > MOST_TEXT

    def lines(self) -> Iterator[Line]:
        """Every line of every text file; none when there is too much of it."""
        if self.is_cut:
            return
        for path, text in self.texts.items():
            for number, line in enumerate(text.split("\n"), start=1):
                yield from (Line(path, number, piece) for piece in _pieces(line))


def documents(submission: Submission) -> Iterator[tuple[str, Document]]:
    """The Markdown files that define something, by path in the upload."""
    if submission.kind is ItemKind.SKILL:
        paths = [SKILL_FILE]
    elif submission.kind is ItemKind.AGENT:
        paths = list(submission.bundle.files)
    else:
        paths = [item.path for item in submission.contents.items if item.path.endswith(".md")]
    for path in dict.fromkeys(paths):
        if path in submission.texts:
            yield path, read_document(submission.bundle.files[path], path)


def _text(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    try:
        return content.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        return None


def _pieces(line: str) -> Iterator[str]:
    if len(line) <= WINDOW:
        yield line
        return
    for at in range(0, len(line), WINDOW - OVERLAP):
        yield line[at : at + WINDOW]
