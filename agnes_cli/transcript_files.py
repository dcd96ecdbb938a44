"""The transcripts Claude Code keeps here, and what the client has to know of their lines."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agnes_cli.errors import TryLater

SUFFIX = ".jsonl"
LEFTOVERS = (f"{SUFFIX}.orphaned", f"{SUFFIX}.superseded")
CHUNK = 1024**2
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DEEPEST = 12


class Transcript(NamedTuple):
    """`name` is its path below the projects folder, with forward slashes."""

    path: Path
    name: str
    size: int
    mtime_ns: int

    @property
    def home_session(self) -> str:
        """The session that its name or folder stands for; "" when it stands for none."""
        parts = self.name.split("/")
        if "subagents" in parts[1:]:
            return parts[parts.index("subagents", 1) - 1]
        stem = parts[-1].partition(SUFFIX)[0]
        if UUID.fullmatch(stem):
            return stem
        return parts[-2] if len(parts) > 2 and UUID.fullmatch(parts[-2]) else ""

    @property
    def is_main(self) -> bool:
        return bool(UUID.fullmatch(self.name.split("/")[-1].partition(SUFFIX)[0]))


class Rewritten(TryLater):
    """The file became something else while it was read; the next push takes it as it is then."""

    code = "rewritten"


def find_transcripts(projects: Path) -> Iterator[Transcript]:
    """Every transcript below the folder, in all layouts; links and what cannot be read are not."""
    folders = [(str(projects), "", 0)]
    while folders:
        folder, prefix, depth = folders.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if depth < DEEPEST:
                        folders.append((entry.path, f"{prefix}{entry.name}/", depth + 1))
                elif is_transcript(entry.name) and entry.is_file(follow_symlinks=False):
                    # On Windows scandir tells sizes as they were before the last flush.
                    status = os.stat(entry.path, follow_symlinks=False)
                    name = f"{prefix}{entry.name}"
                    yield Transcript(Path(entry.path), name, status.st_size, status.st_mtime_ns)
            except OSError:
                continue


def is_transcript(file_name: str) -> bool:
    if file_name.startswith("._") or file_name in (SUFFIX, "history.jsonl"):
        return False
    return file_name.endswith(SUFFIX) or any(mark in file_name for mark in LEFTOVERS)


def whole_lines(path: Path, start: int, size: int) -> Iterator[bytes]:
    """The file's lines from `start` on, in chunks that end with a line.

    Of a line that is still being written nothing is given; the last one may lack its newline when
    it is complete all the same.
    """
    left = size - start
    rest = b""
    with path.open("rb") as file:
        file.seek(start)
        while left > 0:
            chunk = file.read(min(CHUNK, left))
            if not chunk:
                break
            left -= len(chunk)
            lines = rest + chunk
            end = lines.rfind(b"\n") + 1
            rest = lines[end:]
            if end:
                yield lines[:end]
    if rest and read_line(rest) is not None:
        yield rest


def digest(path: Path, size: int) -> str:
    """SHA-256 of the file's first bytes, "" when it has fewer."""
    hasher = hashlib.sha256()
    left = size
    with path.open("rb") as file:
        while left > 0:
            chunk = file.read(min(CHUNK, left))
            if not chunk:
                return ""
            hasher.update(chunk)
            left -= len(chunk)
    return hasher.hexdigest()


def read_line(raw: bytes) -> dict[str, Any] | None:
    """The object in a line, None when there is none."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def session_of(data: dict[str, Any]) -> str:
    found = data.get("sessionId") or data.get("session_id") or ""
    return found if isinstance(found, str) else ""


def first_lines(path: Path, most: int, look: int = 2000) -> list[str]:
    """Ids of the first lines that are the session's own: those copied from another are left out."""
    found: list[str] = []
    for data in _objects(path, look):
        uuid = data.get("uuid")
        if isinstance(uuid, str) and uuid and not isinstance(data.get("forkedFrom"), dict):
            found.append(uuid)
            if len(found) >= most:
                break
    return found


def folder_of(path: Path, look: int = 200) -> str:
    """Where the session's people worked: the first `cwd` in it, "" when none is told."""
    for data in _objects(path, look):
        cwd = data.get("cwd")
        if isinstance(cwd, str) and cwd:
            return cwd
    return ""


def _objects(path: Path, look: int) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file):
                if number >= look:
                    return
                data = read_line(raw)
                if data is not None:
                    yield data
    except OSError:
        return
