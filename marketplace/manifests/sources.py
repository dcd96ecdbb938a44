"""Where a catalogue says a plugin lies: in the repository itself, in another one, or elsewhere."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from marketplace.manifests.texts import UNSEEN, shown

REPOSITORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
REF: Final = re.compile(r"(?!.*(\.\.|@\{|//|\.lock$|/$|\.$))[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,199}")
UNSUPPORTED: Final = frozenset({"npm", "pip", "archive", "command", "file"})
LONGEST_PATH: Final = 400
GITHUB: Final = "https://github.com/"


class BadSource(ValueError):
    """A source that cannot be used; the text says why, as the end of a sentence."""


@dataclass(frozen=True)
class LocalSource:
    """A folder of the catalogue's own repository; empty for its root."""

    path: str


@dataclass(frozen=True)
class GitSource:
    """A folder (`path`, empty for the root) of another repository, at `ref` or exactly at `sha`."""

    url: str
    path: str = ""
    ref: str = ""
    sha: str = ""


@dataclass(frozen=True)
class UnsupportedSource:
    """A kind of source that Agnes does not fetch, such as npm."""

    kind: str


Source = LocalSource | GitSource | UnsupportedSource


def read_source(value: Any, plugin_root: str) -> Source:
    """The source of a catalogue's entry. Raises BadSource.

    `plugin_root` (a folder, may be empty) goes before a bare name; `./path` starts at the root.
    """
    if isinstance(value, str):
        return _local(value, plugin_root)
    if not isinstance(value, dict):
        raise BadSource("has no source: write ./path or an object with a source")
    kind = value.get("source")
    if kind == "github":
        repository = _text(value, "repo")
        if not REPOSITORY.fullmatch(repository):
            raise BadSource(f"has a repo that is not owner/name: {shown(repository)}")
        return _pinned(value, f"{GITHUB}{repository}.git", _path(value))
    if kind in {"url", "git"}:
        return _pinned(value, _text(value, "url"), _path(value))
    if kind == "git-subdir":
        if not _path(value):
            raise BadSource("has a git-subdir source without a path")
        return _pinned(value, _git_url(_text(value, "url")), _path(value))
    if kind in {"local", "directory", "./"} and isinstance(value.get("path"), str):
        return _local(value["path"], plugin_root)
    if kind in UNSUPPORTED:
        return UnsupportedSource(str(kind))
    raise BadSource(f"has a source of an unknown kind: {shown(kind)}")


def folder_path(text: str) -> str:
    """A relative path without `.` parts and without slashes at its ends. Raises BadSource when it
    leaves its folder or is absolute."""
    if UNSEEN.search(text) or "\\" in text:
        raise BadSource(f"has a path with backslashes or control characters: {shown(text)}")
    if len(text) > LONGEST_PATH:
        raise BadSource(f"has a path of more than {LONGEST_PATH} characters")
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or text[:1] == "~":
        raise BadSource(f"has a path that leaves its folder: {shown(text)}")
    return "/".join(path.parts)


def _local(text: str, plugin_root: str) -> LocalSource:
    if "://" in text or text.startswith("git@"):
        raise BadSource("has an address as its source: write an object with source and url")
    path = folder_path(text)
    bare = not text.startswith(".") and "/" not in text.strip("/")
    return LocalSource(f"{plugin_root}/{path}" if bare and plugin_root else path)


def _git_url(url: str) -> str:
    """`owner/name` is short for a repository at GitHub."""
    return f"{GITHUB}{url}.git" if REPOSITORY.fullmatch(url) else url


def _pinned(value: dict[str, Any], url: str, path: str) -> GitSource:
    if not url or UNSEEN.search(url) or len(url) > 500:
        raise BadSource("has no usable url")
    ref, sha = _text(value, "ref"), _text(value, "sha").lower() or _text(value, "commit").lower()
    if ref and not REF.fullmatch(ref):
        raise BadSource(f"has a ref that is no name of a branch or tag: {shown(ref)}")
    if sha and not SHA.fullmatch(sha):
        raise BadSource(f"has a sha that is not the 40 digits of a commit: {shown(sha)}")
    return GitSource(url, path, ref, sha)


def _path(value: dict[str, Any]) -> str:
    return folder_path(_text(value, "path"))


def _text(value: dict[str, Any], key: str) -> str:
    each = value.get(key)
    return each.strip() if isinstance(each, str) else ""
