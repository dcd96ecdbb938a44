"""Damage that a reader met in a published file, told to all processes by a note beside it.

A damaged block is found only by who reads it: the file still opens. The note names the file by
what changes with each publication, so it is void as soon as another file is published.
"""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path

import duckdb

from telemetry.mirror.errors import MirrorUnavailable

logger = logging.getLogger(__name__)

NOTE = "damaged.json"
# A file that DuckDB cannot read, in contrast to a query that it cannot run.
BROKEN = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.SerializationException,
)
SIGNS = ("corrupt", "checksum", "could not read enough bytes", "failed to deserialize")


def unavailable(sentence: str, *, folder: Path, mark: list[int]) -> MirrorUnavailable:
    """What to raise for the sentence of an error of BROKEN; noted when it tells of damage.

    `mark` is `mark_of` the file that was read."""
    if is_damage(sentence):
        note(sentence, folder=folder, mark=mark)
    return MirrorUnavailable(f"The mirror cannot be read ({sentence}).")


ENGINE_CLASSES = frozenset(error.__name__ for error in BROKEN)


def is_damage(sentence: str) -> bool:
    """Whether DuckDB says that the file's content is not what was written."""
    return any(sign in sentence.lower() for sign in SIGNS)


def mark_of(status: os.stat_result) -> list[int]:
    return [status.st_ino, status.st_mtime_ns, status.st_size]


def note(sentence: str, *, folder: Path, mark: list[int]) -> None:
    logger.error("The mirror is damaged: %s", sentence)
    draft = folder / f"{NOTE}.{os.getpid()}"
    try:
        draft.write_text(json.dumps({"mark": mark, "problem": sentence}))
        draft.replace(folder / NOTE)
    except OSError:
        logger.exception("The damage could not be noted.")


def noted(*, folder: Path, mark: list[int]) -> str | None:
    """What was noted of the file with this mark; None when nothing was."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads((folder / NOTE).read_text())
        if told["mark"] == mark:
            return str(told["problem"])
    return None


def forget(*, folder: Path) -> None:
    (folder / NOTE).unlink(missing_ok=True)


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
