"""One person's sessions taken away whole: rows, identities, and the lines in the stored files."""

import hashlib
from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Sum

from accounts.errors import AgnesError
from telemetry import transcript_blobs
from telemetry.content_hashes import file_digest
from telemetry.due_sessions import forget_processed
from telemetry.erased_lines import kept_lines
from telemetry.models import (
    ImportedFile,
    Session,
    SessionFile,
    TranscriptFile,
    TranscriptRevision,
    TranscriptSegment,
)
from telemetry.ownership import release_identities
from telemetry.preparation import Frame
from telemetry.revisions import lock_person
from telemetry.session_rows import refresh_sessions
from telemetry.store import remove_session_rows

MOST_ATTEMPTS = 6


class StillGrowing(AgnesError):
    """A file changed each time between being read and being replaced."""

    code = "still_growing"
    status = 409


@dataclass(frozen=True)
class Rewritten:
    """What a revision becomes. `before` are the blobs it was made from; without a size there is
    nothing left of it and no blob."""

    revision_pk: int
    before: list[str]
    size: int
    sha256: str
    blob: str
    stored_size: int


def remove_sessions(
    user_id: int,
    session_pks: Collection[int],
    *,
    now: datetime,
    also: Callable[[], None] = lambda: None,
) -> None:
    """Remove sessions of one person in one transaction, with `also` in it.

    Files that hold only their lines go; others are rewritten without them, and the sessions that
    stay in these files, or share identities with the removed ones, become due. Stored objects are
    deleted after the commit. Raises StillGrowing.
    """
    for _ in range(MOST_ATTEMPTS):
        if _try_remove(user_id, session_pks, now=now, also=also):
            return
    raise StillGrowing(
        "A file with lines of these sessions keeps changing.", fix="Run it again in a moment."
    )


def _try_remove(
    user_id: int, pks: Collection[int], *, now: datetime, also: Callable[[], None]
) -> bool:
    """False when a file changed since it was read; then nothing is done."""
    mixed = _mixed_files(pks)
    before = _blobs(mixed)
    rewritten = _rewrite(mixed, pks)
    done = False
    try:
        with transaction.atomic():
            lock_person(user_id)
            done = _mixed_files(pks) == mixed and _blobs(mixed) == before
            if done:
                _remove(pks, mixed, rewritten, now=now)
                also()
    finally:
        # Blobs that no row names, be it that it failed or that it has to be tried again.
        transcript_blobs.delete_unnamed([one.blob for one in rewritten])
    return done


def _mixed_files(pks: Collection[int]) -> set[int]:
    """Files of these sessions that hold other sessions too."""
    files = SessionFile.objects.filter(session__in=pks).values("file")
    others = SessionFile.objects.filter(file__in=files).exclude(session__in=pks)
    return set(others.values_list("file_id", flat=True))


def _blobs(files: Collection[int]) -> list[tuple[int, str]]:
    """Revisions and the stored objects they are made of."""
    rows = TranscriptSegment.objects.filter(revision__file__in=files).order_by("pk")
    return list(rows.values_list("revision_id", "blob"))


def _rewrite(files: Collection[int], pks: Collection[int]) -> list[Rewritten]:
    erased = set(Session.objects.filter(pk__in=pks).values_list("session_id", flat=True))
    stored = TranscriptRevision.objects.filter(file__in=files, dropped_at=None)
    rewritten = (_rewrite_revision(row, erased) for row in stored.select_related("file"))
    return [one for one in rewritten if one is not None]


def _rewrite_revision(revision: TranscriptRevision, erased: AbstractSet[str]) -> Rewritten | None:
    """Store the revision's other lines as a new blob; None when it has no line to lose.

    The blob has no row yet: the caller names it in a row or deletes it.
    """
    file = revision.file
    before = list(revision.segments.order_by("number").values_list("blob", flat=True))
    hasher = hashlib.sha256()
    size = lost = 0
    with Frame(str(transcript_blobs.temp_folder())) as frame:
        for raw in kept_lines(transcript_blobs.read_revision(revision), file.name, erased):
            if raw is None:
                lost += 1
                continue
            hasher.update(raw + b"\n")
            frame.write(raw + b"\n")
            size += len(raw) + 1
        if not lost:
            return None
        data, path = frame.take()
    digest = hasher.hexdigest()
    blob = transcript_blobs.write_blob(
        file.user_id, file.name, mark=f"0-{digest[:12]}", frame=data, frame_path=path
    )
    if not size:
        transcript_blobs.delete_unnamed([blob])
        return Rewritten(revision.pk, before, 0, digest, "", 0)
    return Rewritten(revision.pk, before, size, digest, blob, frame.size)


def _remove(
    pks: Collection[int], mixed: Collection[int], rewritten: list[Rewritten], *, now: datetime
) -> None:
    files = TranscriptFile.objects.filter(sessions__in=pks)
    going = set(files.exclude(pk__in=mixed).values_list("pk", flat=True))
    staying = set(
        SessionFile.objects.filter(file__in=mixed)
        .exclude(session__in=pks)
        .values_list("session_id", flat=True)
    )
    for pk in pks:
        remove_session_rows(pk)
    heirs = release_identities(pks)
    ImportedFile.objects.filter(file__in=mixed).delete()
    Session.objects.filter(pk__in=pks).delete()
    delete_files(going, now=now)
    for one in rewritten:
        _replace(one, now=now)
    _recount_files(mixed)
    refresh_sessions(staying, now=now)
    stored = Session.objects.filter(pk__in=heirs, transcript_dropped_at=None)
    forget_processed("usage", list(stored.values_list("pk", flat=True)), now=now)


def delete_files(files: Collection[int], *, now: datetime) -> None:
    """Delete transcript files with all that hangs on them; in the caller's transaction."""
    blobs = TranscriptSegment.objects.filter(revision__file__in=files)
    transcript_blobs.doom(list(blobs.values_list("blob", flat=True)), now=now)
    TranscriptFile.objects.filter(pk__in=files).delete()


def _replace(one: Rewritten, *, now: datetime) -> None:
    transcript_blobs.doom(one.before, now=now)
    TranscriptSegment.objects.filter(revision=one.revision_pk).delete()
    # An empty revision keeps its row, since revisions are numbered without gaps.
    TranscriptRevision.objects.filter(pk=one.revision_pk).update(size=one.size, sha256=one.sha256)
    if one.size:
        TranscriptSegment.objects.create(
            revision_id=one.revision_pk,
            number=0,
            offset=0,
            size=one.size,
            stored_size=one.stored_size,
            sha256=one.sha256,
            blob=one.blob,
        )


def _recount_files(files: Collection[int]) -> None:
    for pk in files:
        revisions = TranscriptRevision.objects.filter(file=pk)
        segments = TranscriptSegment.objects.filter(revision__file=pk)
        TranscriptFile.objects.filter(pk=pk).update(
            size=revisions.aggregate(total=Sum("size"))["total"] or 0,
            stored_size=segments.aggregate(total=Sum("stored_size"))["total"] or 0,
            content_hash=file_digest(revisions.values_list("sha256", flat=True)),
        )
