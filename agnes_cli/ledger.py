"""What was sent of which file, and what went wrong: so that only what grew is sent.

Losing it costs time, never data: the server knows what it has.
"""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from agnes_cli.credentials import Credentials
from agnes_cli.folders import agnes_folder, read_json, write_json

SAVE_EVERY = 2.0
LONGEST_PAUSE = 3600.0


class Entry(NamedTuple):
    """One file. `read` original bytes, of SHA-256 `read_sha256`, became `sent` bytes at the server,
    of `sent_sha256`; `size` and `mtime_ns` are how the file looked then."""

    size: int = -1
    mtime_ns: int = -1
    read: int = 0
    read_sha256: str = ""
    sent: int = 0
    sent_sha256: str = ""
    state: str = "waiting"
    """sent, waiting (to be tried again), refused (not again, unless it changes) or private."""
    code: str = ""
    message: str = ""
    attempts: int = 0
    next_at: float = 0.0
    at: float = 0.0
    sessions: tuple[str, ...] = ()
    masked: tuple[tuple[str, int], ...] = ()
    checked: str = ""
    """The private list against which all that was sent of it was checked."""

    def is_due(self, now: float) -> bool:
        # Also when the clock was set back meanwhile.
        return not now < self.next_at <= now + LONGEST_PAUSE

    def looks(self, size: int, mtime_ns: int) -> bool:
        return (self.size, self.mtime_ns) == (size, mtime_ns)


class Ledger:
    """The entries by path below the projects folder; used from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._saved = time.monotonic()
        self._changed = False
        self.entries: dict[str, Entry] = {}
        self.notes: dict[str, Any] = {}
        stored = read_json(path)
        notes = stored.get("notes")
        self.notes.update(notes if isinstance(notes, dict) else {})
        files = stored.get("files")
        for name, one in (files if isinstance(files, dict) else {}).items():
            entry = _entry(one)
            if entry:
                self.entries[name] = entry

    def get(self, name: str) -> Entry:
        return self.entries.get(name) or Entry()

    def put(self, name: str, entry: Entry) -> None:
        with self._lock:
            self.entries[name] = entry
            self._changed = True
            if time.monotonic() - self._saved >= SAVE_EVERY:
                self._save()

    def note(self, **notes: object) -> None:
        with self._lock:
            self.notes.update(notes)
            self._changed = True

    def save(self) -> None:
        with self._lock:
            if self._changed:
                self._save()

    def _save(self) -> None:
        files = {
            name: {
                key: value
                for key, value in entry._asdict().items()
                if value != Entry._field_defaults[key]
            }
            for name, entry in self.entries.items()
        }
        write_json(self.path, {"version": 1, "notes": self.notes, "files": files})
        self._saved = time.monotonic()
        self._changed = False


def ledger_file(credentials: Credentials) -> Path:
    """Another server, or another person there, has got nothing yet."""
    whom = f"{credentials.url} {credentials.username}"
    return agnes_folder() / f"ledger-{hashlib.sha256(whom.encode()).hexdigest()[:12]}.json"


def pause_after(attempts: int) -> float:
    """Seconds until a transient failure is tried again by a hook."""
    return float(min(30.0 * 2 ** min(attempts, 10), LONGEST_PAUSE))


def _entry(data: object) -> Entry | None:
    if not isinstance(data, dict):
        return None
    known = {key: value for key, value in data.items() if key in Entry._fields}
    for key, value in known.items():
        default = Entry._field_defaults[key]
        if isinstance(default, float) and isinstance(value, int):
            continue
        if not isinstance(value, list if isinstance(default, tuple) else type(default)):
            return None
    known["sessions"] = tuple(map(str, known.get("sessions", ())))
    known["masked"] = tuple((str(rule), int(n)) for rule, n in known.get("masked", ()))
    return Entry(**known)
