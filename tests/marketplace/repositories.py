"""Real git repositories, made and changed by tests."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.marketplace.manifests.trees import content_of

IDENTITY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (
        ("NAME", "Dock"),
        ("EMAIL", "dock@example.org"),
        ("DATE", "2026-05-04T12:00:00Z"),
    )
}


class Repository:
    """A bare repository whose branch `main` is changed file by file."""

    def __init__(self, folder: Path, files: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self.git("init", "--bare", "--quiet", "--initial-branch=main", str(folder), cwd=Path("/"))
        if files is not None:
            self.commit(files)

    def git(self, *arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            **IDENTITY,
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.folder,
            env=environment,
            input=stdin,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, Any], *, remove: tuple[str, ...] = ()) -> str:
        """Add or change files (None removes one) on `main`; returns the commit."""
        lines = []
        for path, value in files.items():
            blob = self.git("hash-object", "-w", "--stdin", stdin=content_of(value))
            lines.append(f"100644 {blob}\t{path}")
        lines += [f"0 {'0' * 40}\t{path}" for path in remove]
        return self.commit_entries(lines)

    def commit_entries(self, lines: list[str]) -> str:
        """Commit `<mode> <object>\\t<path>` lines on top of what is there."""
        text = "\0".join(lines) + "\0"
        self.git("update-index", "-z", "--index-info", stdin=text.encode())
        return self.commit_tree(self.git("write-tree"))

    def commit_tree(self, tree: str) -> str:
        parents = []
        if self.git("for-each-ref", "refs/heads/main"):
            parents = ["-p", self.git("rev-parse", "main")]
        commit = self.git("commit-tree", tree, *parents, "-m", "change")
        self.git("update-ref", "refs/heads/main", commit)
        return commit

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=content)

    def tree(self, lines: list[bytes]) -> str:
        """A tree object of `<mode> <kind> <sha>\\t<name>` lines, however odd."""
        return self.git("mktree", "-z", stdin=b"\0".join(lines) + b"\0")

    @property
    def file_url(self) -> str:
        return f"file://{self.folder}"
