"""Where things are on this machine: Claude Code's folder, and the client's own.

The client's folder holds its credentials, what was sent, what is private, and the copy of itself
that hooks run. AGNES_HOME names another one.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


def claude_folder() -> Path:
    named = os.environ.get("CLAUDE_CONFIG_DIR")
    return Path(named).expanduser() if named else Path.home() / ".claude"


def agnes_folder() -> Path:
    named = os.environ.get("AGNES_HOME")
    if named:
        return Path(named).expanduser()
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "agnes"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "agnes"


def make_private(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    return folder


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; {} when there is none, or nothing that can be read as one."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_json(path: Path, data: dict[str, Any]) -> None:
    write_bytes(path, (json.dumps(data, indent=1, sort_keys=True) + "\n").encode())


def write_bytes(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Write a file whole or not at all, whatever breaks off; readable by its owner alone."""
    make_private(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if os.name != "nt":
            os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
