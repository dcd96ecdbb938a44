"""The files of a skill, agent or plugin in memory, and as a zip that is always the same."""

import hashlib
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

from marketplace.file_tree import FileTree

EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can tell."""


@dataclass(frozen=True)
class Bundle:
    """Files by path, and which of them may be run as programs."""

    files: FileTree
    executables: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, files: Mapping[str, bytes], executables: frozenset[str] = frozenset()) -> "Bundle":
        return cls(FileTree.of(files), executables)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(len(self.files[path]) for path in self.files)

    def digest(self) -> str:
        """SHA-256 of paths, modes and contents: the same for the same content, however packed."""
        whole = hashlib.sha256()
        for path in self.files:
            mode = b"x" if path in self.executables else b"-"
            content = hashlib.sha256(self.files[path]).digest()
            whole.update(path.encode() + b"\0" + mode + content)
        return whole.hexdigest()

    def replacing(self, changed: Mapping[str, bytes]) -> "Bundle":
        """With other content for some files, or with further ones."""
        files = {path: self.files[path] for path in self.files}
        return Bundle.of({**files, **changed}, self.executables)


def pack(bundle: Bundle) -> bytes:
    """A zip whose bytes depend on the content only."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in bundle.files:
            mode = 0o755 if path in bundle.executables else 0o644
            add_file(archive, path, bundle.files[path], mode)
    return target.getvalue()


def add_file(archive: zipfile.ZipFile, path: str, content: bytes, mode: int = 0o644) -> None:
    """Add a file to a zip without anything that tells when or where that was."""
    entry = zipfile.ZipInfo(path, EPOCH)
    entry.create_system = 3  # Unix, else the mode is not kept
    entry.external_attr = (stat.S_IFREG | mode) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content, compresslevel=6)


def unpack(content: bytes) -> Bundle:
    """The bundle that `pack` made; its bytes have been checked before."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        entries = archive.infolist()
        files = {entry.filename: archive.read(entry) for entry in entries}
    return Bundle.of(files, frozenset(one.filename for one in entries if is_executable(one)))


def is_executable(entry: zipfile.ZipInfo) -> bool:
    return entry.create_system == 3 and bool((entry.external_attr >> 16) & 0o111)
