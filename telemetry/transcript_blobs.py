"""The bytes of transcripts in Django's storage: written before their rows, deleted after them.

A blob never changes and its name is never used again, so a reader meets either the whole object or
none. Whatever breaks off leaves at most a blob without a row, which `sweep_orphans` removes.
"""

import contextlib
import hashlib
import itertools
import logging
import math
import random
import secrets
import time
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path

import zstandard
from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import transaction

from telemetry.models import DoomedBlob, TranscriptRevision, TranscriptSegment
from telemetry.preparation import CHUNK

logger = logging.getLogger(__name__)

BATCH = 500
MOST_REREADS = 5
ORPHAN_AGE = timedelta(days=1)
"""Longer than any upload takes."""

AT_ONCE = timedelta(seconds=5)
"""How long a request deletes what it doomed; the sweep does the rest."""


class BytesMissing(RuntimeError):
    """The stored segments do not give all of the bytes that were asked for."""


class _LocalFile(File):  # type: ignore[type-arg]
    """A finished file, which storage on the same disk takes over by renaming it."""

    def temporary_file_path(self) -> str:
        return str(self.name)


def transcripts() -> Storage:
    return storages["transcripts"]


def temp_folder() -> Path:
    """The folder for files on their way, made when missing."""
    folder = Path(settings.AGNES_UPLOAD_TEMP_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_blob(user_id: int, name: str, *, mark: str, frame: bytes, frame_path: str) -> str:
    """Store a compressed frame of the file `name`; returns the blob's name, which is new.

    `mark` is for people who look into the storage. The frame is `frame`, or the file `frame_path`,
    which is gone afterwards.
    """
    digest = hashlib.sha256(name.encode()).hexdigest()
    # Few folders, since making one takes as long as writing a small file.
    blob = f"{user_id}/{digest[:2]}/{digest[2:16]}-{mark}-{secrets.token_hex(4)}.zst"
    if not frame_path:
        return transcripts().save(blob, File(BytesIO(frame), name=blob))
    with Path(frame_path).open("rb") as file:
        saved = transcripts().save(blob, _LocalFile(file, name=frame_path))
    Path(frame_path).unlink(missing_ok=True)
    return saved


def read_revision(
    revision: TranscriptRevision, *, start: int = 0, stop: int | None = None
) -> Iterator[bytes]:
    """The revision's bytes from `start` up to `stop`, in chunks of at most 1 MiB.

    Goes on from where it is when its segments are rewritten meanwhile. Raises BytesMissing when
    bytes are gone, as after retention dropped them.
    """
    at, stop = start, revision.size if stop is None else stop
    for _ in range(MOST_REREADS):
        segments = revision.segments.order_by("offset").values_list("offset", "size", "blob")
        try:
            for chunk in _read_segments(list(segments), at, stop):
                at += len(chunk)
                yield chunk
        except (FileNotFoundError, BytesMissing):
            continue
        return
    raise BytesMissing(f"revision {revision.pk} ends at byte {at} of {stop}")


def _read_segments(segments: list[tuple[int, int, str]], at: int, stop: int) -> Iterator[bytes]:
    for offset, size, blob in segments:
        if at >= stop:
            return
        end = min(offset + size, stop)
        if end <= at:
            continue
        if offset > at:
            raise BytesMissing(f"no segment holds the bytes from {at} to {offset}")
        with transcripts().open(blob, "rb") as file:
            reader = zstandard.ZstdDecompressor().stream_reader(file)
            _skip(reader, at - offset)
            while at < end and (chunk := reader.read(min(CHUNK, end - at))):
                at += len(chunk)
                yield chunk
        if at < end:
            raise BytesMissing(f"blob {blob} ends at byte {at} of {end}")
    if at < stop:
        raise BytesMissing(f"the segments end at byte {at} of {stop}")


def read_runs(segments: list[tuple[int, int, str]], size: int) -> Iterator[bytes]:
    """The bytes of a whole revision of this size, given its (offset, size, blob) runs in order.

    Raises FileNotFoundError when a run is gone, as after compaction: ask for the runs anew; and
    BytesMissing when they leave a gap, end early, or a blob is shorter than its run.
    """
    return _read_segments(segments, 0, size)


def _skip(reader: zstandard.ZstdDecompressionReader, count: int) -> None:
    while count:
        skipped = len(reader.read(min(CHUNK, count)))
        if not skipped:
            return
        count -= skipped


def doom(blobs: Iterable[str], *, now: datetime) -> None:
    """Note blobs for deletion in the transaction that removes their rows.

    They are deleted after its commit, as far as that is quick; what is left stays noted.
    """
    names = list(blobs)
    DoomedBlob.objects.bulk_create(
        (DoomedBlob(blob=name, created_at=now) for name in names),
        ignore_conflicts=True,
        batch_size=BATCH,
    )
    transaction.on_commit(partial(delete_doomed, names, budget=AT_ONCE), robust=True)


def delete_doomed(blobs: Collection[str] | None = None, *, budget: timedelta | None = None) -> int:
    """Delete noted blobs, or those of them that are named; returns how many.

    What fails stays noted, and so does what is left when `budget` is used up.
    """
    ends = _end_of(budget)
    deleted = 0
    for row in _doomed(blobs):
        try:
            transcripts().delete(row.blob)
        except Exception:  # every storage has errors of its own
            logger.exception("blob %s could not be deleted, which is tried again", row.blob)
        else:
            row.delete()
            deleted += 1
        if time.monotonic() >= ends:
            break
    return deleted


def _doomed(blobs: Collection[str] | None) -> Iterator[DoomedBlob]:
    if blobs is None:
        # In random order, so that those whose deletion fails do not keep the others waiting.
        yield from DoomedBlob.objects.order_by("?").iterator(chunk_size=BATCH)
        return
    names = list(blobs)
    for at in range(0, len(names), BATCH):
        yield from DoomedBlob.objects.filter(blob__in=names[at : at + BATCH]).order_by("pk")


def _end_of(budget: timedelta | None) -> float:
    return math.inf if budget is None else time.monotonic() + budget.total_seconds()


def delete_unnamed(blobs: Iterable[str]) -> None:
    """Delete those of the blobs that no row names; what fails is left to `sweep_orphans`."""
    written = [blob for blob in blobs if blob]
    try:
        for blob in set(written) - _named(written):
            transcripts().delete(blob)
    except Exception:  # every storage has errors of its own
        logger.warning("blobs without rows are left to the sweep", exc_info=True)


def sweep_orphans(*, older_than: timedelta, now: datetime, budget: timedelta | None = None) -> int:
    """Delete blobs without a row and files on their way that are older; returns how many.

    `older_than` must be longer than any upload takes: a blob stands without its row until the
    upload's transaction commits. When `budget` is used up the rest is left to the next sweeps,
    each of which goes through the folders in another order.
    """
    limit, ends = now - older_than, _end_of(budget)
    swept = _sweep_temp_folder(limit)
    for batch in _batches(_blobs(transcripts(), "")):
        named = _named(batch)
        for blob in batch:
            if blob not in named:
                swept += _sweep(blob, limit)
            if time.monotonic() >= ends:
                return swept
    return swept


def _batches(blobs: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(itertools.islice(blobs, BATCH)):
        yield batch


def _sweep(blob: str, limit: datetime) -> int:
    with contextlib.suppress(FileNotFoundError):
        if transcripts().get_modified_time(blob) < limit:
            transcripts().delete(blob)
            return 1
    return 0


def _named(blobs: list[str]) -> set[str]:
    rows = TranscriptSegment.objects.filter(blob__in=blobs)
    return set(rows.values_list("blob", flat=True))


def _sweep_temp_folder(limit: datetime) -> int:
    swept = 0
    for path in temp_folder().iterdir():
        with contextlib.suppress(FileNotFoundError):
            changed = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
            if path.is_file() and changed < limit:
                path.unlink()
                swept += 1
    return swept


def _blobs(storage: Storage, folder: str) -> Iterator[str]:
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    for file in files:
        yield f"{folder}/{file}" if folder else file
    if not folder:
        # A bucket may hold other folders as well; ours are named by the number of a person.
        folders = [inner for inner in folders if inner.isdigit()]
    for inner in random.sample(folders, len(folders)):
        yield from _blobs(storage, f"{folder}/{inner}" if folder else inner)
