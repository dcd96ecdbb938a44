"""What the checks look at: a bundle with its kind and name, and its text line by line."""

import re
from collections.abc import Iterator, Mapping
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
MOST_LINES: Final = 100_000
PICTURES: Final[Mapping[str, re.Pattern[bytes]]] = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpg": re.compile(rb"\xff\xd8\xff"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "gif": re.compile(rb"GIF8[79]a"),
    "webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "pdf": re.compile(rb"%PDF-"),
    "ico": re.compile(rb"\x00\x00\x01\x00"),
    "woff": re.compile(rb"wOFF"),
    "woff2": re.compile(rb"wOF2"),
}
"""First bytes of pictures, printed pages and fonts by ending."""

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

    @cached_property
    def looked_at(self) -> dict[str, str]:
        """Everything but pictures as text by path: one byte that is no UTF-8 hides nothing. What
        may be run as a program is looked at even where it begins as a picture does."""
        files, may_run = self.bundle.files, self.bundle.executables
        others = (path for path in files if path in may_run or not self.is_picture(path))
        left = {path: _any_text(files[path]) for path in others if path not in self.texts}
        return {**self.texts, **left}

    def is_picture(self, path: str) -> bool:
        """By its first bytes and its ending, so that no script passes for one."""
        begins = PICTURES.get(path.rpartition(".")[2].lower())
        return begins is not None and begins.match(self.bundle.files[path]) is not None

    @cached_property
    def is_cut(self) -> bool:
        """Whether there is more text than is looked at; then it is refused anyway."""
        texts = self.looked_at.values()
        lines = sum(text.count("\n") for text in texts)
        return sum(map(len, texts)) > MOST_TEXT or lines > MOST_LINES

    def lines(self) -> Iterator[Line]:
        """Every line of every file but pictures; none when there is too much of it."""
        if self.is_cut:
            return
        for path, text in self.looked_at.items():
            yield from lines_of(path, text)


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


def lines_of(path: str, text: str) -> Iterator[Line]:
    """The lines as a shell reads them, long ones in pieces: what is continued on the next line is
    one line with it, under the number of the first."""
    begun, first = "", 0
    for number, line in enumerate(text.split("\n"), start=1):
        first = first or number
        whole = begun + line
        if len(whole) < WINDOW and _goes_on(line):
            begun = whole[:-1] if line.endswith("\\") else whole + " "
            continue
        yield from (Line(path, first, piece) for piece in _pieces(whole))
        begun, first = "", 0
    if begun:
        yield Line(path, first, begun)


def _goes_on(line: str) -> bool:
    """A bar at the end of a row of a table continues nothing."""
    return line.endswith("\\") or (
        line.rstrip().endswith("|") and not line.lstrip().startswith("|")
    )


def _any_text(content: bytes) -> str:
    """The ASCII in it, everything else U+FFFD, which is no letter that could hide a word; without
    NUL, so that UTF-16 can be read too."""
    text = content.replace(b"\0", b"").decode("ascii", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _pieces(line: str) -> Iterator[str]:
    if len(line) <= WINDOW:
        yield line
        return
    for at in range(0, len(line), WINDOW - OVERLAP):
        yield line[at : at + WINDOW]
