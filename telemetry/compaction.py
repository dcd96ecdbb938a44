"""Revisions of many small segments, rewritten as one segment while anything may grow them."""

import hashlib
import logging
from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Sum

from telemetry import transcript_blobs
from telemetry.models import TranscriptFile, TranscriptRevision, TranscriptSegment
from telemetry.preparation import Frame
from telemetry.revisions import lock_person

logger = logging.getLogger(__name__)

MOST_SEGMENTS = 32
"""A session that is sent after every turn adds a small segment each time."""


def compact(file_ids: Collection[int], *, now: datetime) -> int:
    """Rewrite revisions of many small segments as one segment; returns how many were."""
    crowded = TranscriptRevision.objects.annotate(parts=Count("segments")).filter(
        file__in=list(file_ids), parts__gt=MOST_SEGMENTS, dropped_at=None
    )
    return sum(_compact(pk, now=now) for pk in list(crowded.values_list("pk", flat=True)))


def _compact(pk: int, *, now: datetime) -> bool:
    revision, before = _whole(pk)
    if revision is None:
        return False
    file = revision.file
    try:
        blob, stored_size = _write_again(revision, before)
    except (FileNotFoundError, transcript_blobs.BytesMissing):
        logger.warning("revision %d is not rewritten, as not all of it is there", pk, exc_info=True)
        return False
    with transaction.atomic():
        lock_person(file.user_id)
        now_there, segments = _whole(pk)
        swapped = (
            now_there is not None
            and segments == before
            and (now_there.size, now_there.sha256) == (revision.size, revision.sha256)
        )
        if swapped:
            transcript_blobs.doom([run[2] for run in before], now=now)
            TranscriptSegment.objects.filter(revision=pk).delete()
            TranscriptSegment.objects.create(
                revision=revision,
                number=0,
                offset=0,
                size=revision.size,
                stored_size=stored_size,
                sha256=revision.sha256,
                blob=blob,
            )
            TranscriptFile.objects.filter(pk=file.pk).update(stored_size=_stored_size(file.pk))
    if not swapped:  # it grew meanwhile, and its next growth tries again
        transcript_blobs.delete_unnamed([blob])
    return swapped


def _whole(pk: int) -> tuple[TranscriptRevision | None, list[tuple[int, int, str]]]:
    """The revision and its (offset, size, blob) runs as of one moment; None when these are not
    all of its bytes, or it is gone or dropped."""
    with transaction.atomic():
        revision = TranscriptRevision.objects.select_related("file").filter(pk=pk).first()
        if revision is None:
            return None, []
        lock_person(revision.file.user_id)
        # Again, as it may have grown while the lock was waited for.
        revision = TranscriptRevision.objects.select_related("file").filter(pk=pk).first()
        segments = TranscriptSegment.objects.filter(revision=pk).order_by("offset")
        runs = list(segments.values_list("offset", "size", "blob"))
    ends = [0, *(offset + size for offset, size, _ in runs)]
    joined = [offset for offset, _, _ in runs] == ends[:-1]
    if revision is None or revision.dropped_at or not joined or ends[-1] != revision.size:
        return None, []
    return revision, runs


def _write_again(revision: TranscriptRevision, runs: list[tuple[int, int, str]]) -> tuple[str, int]:
    """The bytes of the runs in one new blob: its name and size in the storage.

    Raises FileNotFoundError and BytesMissing when they are not the revision's.
    """
    hasher = hashlib.sha256()
    with Frame(str(transcript_blobs.temp_folder())) as frame:
        for chunk in transcript_blobs.read_runs(runs, revision.size):
            hasher.update(chunk)
            frame.write(chunk)
        if hasher.hexdigest() != revision.sha256:
            raise transcript_blobs.BytesMissing(f"revision {revision.pk} has another hash")
        data, path = frame.take()
    blob = transcript_blobs.write_blob(
        revision.file.user_id,
        revision.file.name,
        mark=f"0-{revision.sha256[:12]}",
        frame=data,
        frame_path=path,
    )
    return blob, frame.size


def _stored_size(file_id: int) -> int:
    segments = TranscriptSegment.objects.filter(revision__file=file_id)
    return int(segments.aggregate(total=Sum("stored_size"))["total"] or 0)
