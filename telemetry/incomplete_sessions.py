"""Sessions that went on after retention removed their transcript, and what they lack.

Such a session keeps its figures, since a part would lower what the whole has shown; it counts anew
once the removed content is stored again.
"""

from collections.abc import Collection

from django.db.models import Exists, OuterRef, QuerySet

from telemetry.models import Session, TranscriptRevision

BATCH = 500


def incomplete_sessions() -> QuerySet[Session]:
    """Sessions of whose transcript one part was removed by retention and another is stored."""
    stored = TranscriptRevision.objects.filter(
        file__sessions=OuterRef("pk"), dropped_at=None, size__gt=0
    )
    return Session.objects.filter(Exists(stored), transcript_dropped_at__isnull=False)


def files_wanted_again(user_id: int, names: Collection[str]) -> set[str]:
    """Those of the file names under which content is missing to a person's incomplete sessions."""
    incomplete = incomplete_sessions().filter(user=user_id)
    removed = TranscriptRevision.objects.filter(
        file__user=user_id, file__sessions__in=incomplete, dropped_at__isnull=False
    )
    wanted: set[str] = set()
    listed = sorted(names) if incomplete.exists() else []
    for at in range(0, len(listed), BATCH):
        found = removed.filter(file__name__in=listed[at : at + BATCH])
        wanted.update(found.values_list("file__name", flat=True))
    return wanted


def files_missing(user_id: int, session_ids: Collection[str]) -> list[str]:
    """Names of the files that the incomplete ones among a person's sessions lack, in order."""
    incomplete = incomplete_sessions().filter(user=user_id, session_id__in=session_ids)
    removed = TranscriptRevision.objects.filter(
        file__sessions__in=incomplete, dropped_at__isnull=False
    )
    return sorted(set(removed.values_list("file__name", flat=True)))
