"""Names of transcript files and sessions: which are accepted, and what a path is called.

Plain Python. Names come from strangers' disks and from the network, and end up in archives that
people download, so a name that could leave a folder or confuse a terminal is refused.
"""

import hashlib
import unicodedata

LONGEST_NAME = 400
LONGEST_PART = 255
"""Bytes in UTF-8: what every file system takes."""

LONGEST_SESSION_ID = 200
LONGEST_SESSION_FILE = 300
SUFFIX = ".jsonl"
OTHER_FILES = frozenset({"history.jsonl"})
"""Claude Code's own files beside the transcripts."""

LEFTOVERS = (f"{SUFFIX}.orphaned", f"{SUFFIX}.superseded")
"""What Claude Code appends when it puts a transcript aside; the lines in it may be unique."""


class UnusableName(ValueError):
    """A name that is not taken; the text says why, as the end of a sentence."""


def is_transcript(file_name: str) -> bool:
    """Whether a file's own name looks like a transcript's, leftovers included."""
    if file_name in OTHER_FILES or file_name.startswith("._"):  # a Mac's forks in archives
        return False
    return file_name.endswith(SUFFIX) or any(mark in file_name for mark in LEFTOVERS)


def transcript_name(path: str) -> str:
    """The name of the transcript file at a relative path with forward slashes.

    Only what matters inside a project folder is kept: `<session>.jsonl`, `agent-<id>.jsonl`,
    `<session>/agent-<id>.jsonl`, `<session>/workflows/<workflow>/agent-<id>.jsonl`. Raises
    UnusableName for a path that is absolute, leaves its folder, or holds signs that names
    should not hold.
    """
    parts = _checked_parts(path)
    parts[-1] = _without_leftover(parts[-1])
    if not parts[-1].endswith(SUFFIX) or parts[-1] == SUFFIX:
        raise UnusableName(f"it does not end in {SUFFIX}")
    name = "/".join(_inside_project(parts))
    if len(name) > LONGEST_NAME:
        raise UnusableName(f"it is longer than {LONGEST_NAME} characters")
    return name


def check_session_id(session_id: str) -> None:
    """Raises UnusableName unless the id can be a file's name and a row's key."""
    if not session_id.strip():
        raise UnusableName("it is empty")
    if len(session_id) > LONGEST_SESSION_ID:
        raise UnusableName(f"it is longer than {LONGEST_SESSION_ID} characters")
    if "/" in session_id or session_id in (".", ".."):
        raise UnusableName("it holds parts of a path")
    _check_signs(session_id)


def session_file_name(session_id: str, username: str, number: int) -> str:
    """The number-th choice (from 0) for a session's name, which is unique in the instance."""
    if number == 0:
        return f"{session_id}{SUFFIX}"
    tail = f"@{username}{f'-{number}' if number > 1 else ''}{SUFFIX}"
    stem = session_id
    if len(stem) + len(tail) > LONGEST_SESSION_FILE:
        stem = f"{stem[:100]}-{hashlib.sha256(stem.encode()).hexdigest()[:16]}"
    return stem + tail


def _checked_parts(path: str) -> list[str]:
    _check_signs(path)
    if path.startswith("/") or path[1:2] == ":":
        raise UnusableName("it is an absolute path")
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise UnusableName("it holds empty parts, '.' or '..'")
    if any(len(part.encode()) > LONGEST_PART for part in parts):
        raise UnusableName(f"a part of it is longer than {LONGEST_PART} bytes")
    return parts


def _check_signs(text: str) -> None:
    if "\\" in text:
        raise UnusableName("it holds a backslash")
    if any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") for sign in text):
        raise UnusableName("it holds control characters or invalid UTF-8")


def _without_leftover(file_name: str) -> str:
    for mark in LEFTOVERS:
        head, found, _ = file_name.partition(mark)
        if found:
            return head + SUFFIX
    return file_name


def _inside_project(parts: list[str]) -> list[str]:
    if "subagents" in parts[1:-1]:
        at = len(parts) - 1 - parts[::-1].index("subagents")
        return [parts[at - 1], *parts[at + 1 :]]
    if parts[-3:-2] == ["workflows"] and len(parts) > 3:
        return parts[-4:]
    if len(parts) > 1 and parts[-1].startswith("agent-") and _is_uuid(parts[-2]):
        return parts[-2:]
    return parts[-1:]


def _is_uuid(part: str) -> bool:
    signs = part.replace("-", "")
    return len(part) == 36 and len(signs) == 32 and all(s in "0123456789abcdef" for s in signs)
