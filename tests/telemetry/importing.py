"""Running imports in tests: files on disk, the command, what it told, what is stored."""

import io
import json
import os
import random
import time
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command

from telemetry import transcript_blobs
from telemetry.models import (
    TranscriptRevision,
)


def put(root: Path, path: str, content: bytes) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    settle(file)
    return file


def settle(file: Path) -> None:
    """As if it had been written a minute ago."""
    written = time.time_ns() - 60 * 10**9 - random.randrange(10**9)
    os.utime(file, ns=(written, written))


def run(path: Path, *options: str) -> dict[str, Any]:
    """What the command says as JSON; nothing is processed.

    Raises CommandError when it tells nothing.
    """
    out = io.StringIO()
    try:
        call_command("usage_import", str(path), "--json", "--no-process", *options, stdout=out)
    except CommandError:
        if not out.getvalue():
            raise
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


def words(told: dict[str, Any]) -> dict[str, str]:
    return {
        file["path"]: ": ".join(filter(None, [file["status"], file["reason"]]))
        for file in told["files"]
    }


def contents() -> set[bytes]:
    return {
        b"".join(transcript_blobs.read_revision(revision))
        for revision in TranscriptRevision.objects.all()
    }
