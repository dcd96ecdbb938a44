"""Sessions whose stored transcript is old enough to go, and its going."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from telemetry.incomplete_sessions import incomplete_sessions
from telemetry.models import (
    ProcessorState,
    Session,
    SessionFile,
    TranscriptFile,
    TranscriptRevision,
)
from telemetry.revisions import lock_person
from telemetry.transcript_store import drop_bytes


def old_transcripts(*, before: date, among: Collection[int] | None = None) -> list[int]:
    """Primary keys of sessions with a stored transcript whose last line is of an earlier UTC day.

    Left out: what the `usage` processor has not read as it is now, since nothing else knows what
    is in it, and sessions that share a file with one that stays. A session in quarantine, and what
    arrived for one whose other part is gone, goes by the day of its upload. With `among`, only
    those of these are found, at a cost that follows their number.
    """
    limit = datetime.combine(before, time(), UTC)
    uploaded = Q(uploaded_at__lt=limit)
    state = ProcessorState.objects.filter(processor="usage", session=OuterRef("pk"))
    read = Exists(
        state.filter(status=ProcessorState.Status.DONE, content_hash=OuterRef("content_hash"))
    )
    ended = Q(summary__ended_at__lt=limit) | (Q(summary__ended_at=None) & uploaded)
    given_up = Exists(state.filter(status=ProcessorState.Status.QUARANTINED))
    stored = TranscriptRevision.objects.filter(file__sessions=OuterRef("pk"), dropped_at=None)
    found = Session.objects.filter(
        Q(read) & ended | Q(given_up) & uploaded, Exists(stored), transcript_dropped_at=None
    )
    rests = incomplete_sessions().filter(uploaded)
    links = SessionFile.objects.all()
    if among is not None:
        around = _with_those_sharing_files(among)
        found, rests = found.filter(pk__in=around), rests.filter(pk__in=around)
        links = links.filter(session__in=around)
    chosen = {*found.values_list("pk", flat=True), *rests.values_list("pk", flat=True)}
    whole = _with_all_of_each_file(chosen, links)
    return sorted(whole if among is None else whole & set(among))


def drop_old_transcripts(pks: Collection[int], *, before: date, now: datetime) -> int:
    """Drop the bytes of those of the sessions that are still old enough; returns how many.

    Hashes stay, so that the same content is recognised. The stored objects are deleted after the
    commit, or by the next `delete_doomed`.
    """
    people = Session.objects.filter(pk__in=pks).values_list("user", flat=True)
    with transaction.atomic():
        for user_id in sorted(set(people)):
            lock_person(user_id)
        still = old_transcripts(before=before, among=pks)
        files = TranscriptFile.objects.filter(sessions__in=still).distinct()
        drop_bytes(list(files), now=now)
        # A file of several sessions is dropped for all of them.
        dropped = Session.objects.filter(files__in=files).values_list("pk", flat=True)
        Session.objects.filter(pk__in=set(dropped)).update(transcript_dropped_at=now)
    return len(still)


def _with_those_sharing_files(pks: Collection[int]) -> set[int]:
    """These sessions, those with a file of theirs, those with a file of those, and so on."""
    around: set[int] = set()
    new = set(pks)
    while new:
        around |= new
        files = SessionFile.objects.filter(session__in=new).values("file")
        sharing = SessionFile.objects.filter(file__in=files).values_list("session_id", flat=True)
        new = set(sharing) - around
    return around


def _with_all_of_each_file(found: set[int], links: QuerySet[SessionFile]) -> set[int]:
    """Those whose files hold nobody else's lines, or only of others among them; by these links."""
    shared = links.values("file").annotate(n=Count("pk")).filter(n__gt=1)
    pairs = list(links.filter(file__in=shared.values("file")).values_list("file_id", "session_id"))
    while True:
        staying = {file for file, session in pairs if session not in found}
        blocked = {session for file, session in pairs if file in staying} & found
        if not blocked:
            return found
        found -= blocked
