"""Format drift: record types, block types, keys and versions that telemetry does not know."""

from bisect import insort
from collections.abc import Iterator
from hashlib import blake2b

from telemetry.format_known import (
    ATTACHMENT_TYPES,
    BLOCK_TYPES,
    PROGRESS_TYPES,
    SYSTEM_SUBTYPES,
    is_known_record,
    is_known_version,
)
from telemetry.transcripts import Block, Decoded, Progress

MAX_NAMES = 100
"""Names kept of each kind, the first in the alphabet; a file of random keys must not fill the
database. The lines of all others are counted together."""
OTHERS = "(others)"

_PLAIN_TYPES = frozenset({"user", "assistant", "progress"})


class Drift:
    """Unknown things by kind and name, with the lines they were on."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, dict[str, int]]] = {}
        """Kind, name, line: time in ms."""
        self._names: dict[str, list[str]] = {}
        """The names kept of each kind, sorted."""
        self._known_versions: set[str] = set()

    def notice(self, decoded: Decoded, identity: str | None, raw: bytes, at: int) -> None:
        """Look at a line's record type, subtype, keys and version; `at` in ms."""
        line = decoded.line
        if (
            line.type in _PLAIN_TYPES
            and not decoded.unknown_keys
            and (line.version is None or line.version in self._known_versions)
        ):
            return
        self._look(decoded, identity or blake2b(raw, digest_size=16).hexdigest(), at)

    def _look(self, decoded: Decoded, line_key: str, at: int) -> None:
        line = decoded.line
        if not is_known_record(line.type):
            self._add("record", line.type or "(none)", line_key, at)
        elif line.type == "attachment":
            kind = line.attachment.type if line.attachment else None
            if kind not in ATTACHMENT_TYPES:
                self._add("attachment", kind or "(none)", line_key, at)
        elif line.type == "system" and line.subtype and line.subtype not in SYSTEM_SUBTYPES:
            self._add("system", line.subtype, line_key, at)
        for key in decoded.unknown_keys:
            self._add("key", key, line_key, at)
        if line.version and line.version not in self._known_versions:
            if is_known_version(line.version):
                self._known_versions.add(line.version)
            else:
                self._add("version", line.version, line_key, at)

    def notice_block(self, block: Block, line_key: str, at: int) -> None:
        """Look at a content block's type."""
        if block.type not in BLOCK_TYPES:
            self._add("block", block.type or "(none)", line_key, at)

    def notice_progress(self, progress: Progress, line_key: str, at: int) -> None:
        """Look at the type of what a progress line carries."""
        if progress.type not in PROGRESS_TYPES:
            self._add("progress", progress.type or "(none)", line_key, at)

    def items(self) -> Iterator[tuple[str, str, dict[str, int]]]:
        """Kind, name, and the time in ms of each line that showed it."""
        for kind, names in self._found.items():
            for name, lines in names.items():
                yield kind, name, lines

    def _add(self, kind: str, name: str, line_key: str, at: int) -> None:
        names = self._found.setdefault(kind, {})
        name = name[:200]
        if name not in names:
            name = self._make_room(kind, name)
        _merge(names.setdefault(name, {}), {line_key: at})

    def _make_room(self, kind: str, name: str) -> str:
        """Keep a new name, or say under which its lines are counted. Which names are kept in the
        end does not depend on the order in which they were met."""
        kept = self._names.setdefault(kind, [])
        if len(kept) >= MAX_NAMES:
            names = self._found[kind]
            others = names.setdefault(OTHERS, {})
            if name > kept[-1]:
                return OTHERS
            _merge(others, names.pop(kept.pop()))
        insort(kept, name)
        return name


def _merge(into: dict[str, int], lines: dict[str, int]) -> None:
    for line_key, at in lines.items():
        into[line_key] = min(at, into.get(line_key, at))
