"""What was read before and did not change since: saves work, decides nothing."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from accounts.models import User
from telemetry.import_sources import Found, Stamp
from telemetry.models import ImportedFile, TranscriptRevision
from telemetry.refusals import ForeignTranscript, NothingToCount, TranscriptRefused
from telemetry.revisions import Accepted

RULES = 1
"""Raised when files that were refused may be taken: they are then read again."""

BATCH = 500
SETTLED = timedelta(milliseconds=100)
"""A file that changed this shortly ago may change again without a new time: clocks tick."""


class Ledger:
    """The rows of one person, loaded at once."""

    def __init__(self, user: User, *, now: datetime) -> None:
        self.user = user
        self.now = now
        rows = ImportedFile.objects.filter(user=user, rules=RULES)
        removed = TranscriptRevision.objects.filter(file__user=user, dropped_at__isnull=False)
        files = set(removed.values_list("file_id", flat=True))
        self._seen: dict[str, tuple[Stamp, str]] = {}
        self._removed: set[str] = set()
        for key, size, mtime_ns, inode, verdict, file in rows.values_list(
            "path_key", "size", "mtime_ns", "inode", "verdict", "file_id"
        ):
            self._seen[key] = (Stamp(size, mtime_ns, inode), verdict)
            if file in files:
                self._removed.add(key)

    def verdict(self, found: Found) -> str | None:
        """What to say about a file that did not change since it was read; None to read it."""
        if not found.place:
            return None
        stamp, verdict = self._seen.get(_key(found.place), (None, ""))
        return (verdict or "unchanged") if stamp == found.stamp else None

    def is_removed(self, found: Found) -> bool:
        """Whether retention removed something of the file that this one was stored as."""
        return bool(found.place) and _key(found.place) in self._removed

    def note(self, outcomes: Sequence[tuple[Found, Accepted | TranscriptRefused]]) -> None:
        """Remember files that were stored, or refused for what they hold."""
        ImportedFile.objects.bulk_create(
            [row for found, outcome in outcomes if (row := self._row(found, outcome))],
            update_conflicts=True,
            unique_fields=["user", "path_key"],
            update_fields=["size", "mtime_ns", "inode", "file", "verdict", "rules", "seen_at"],
            batch_size=BATCH,
        )

    def _row(self, found: Found, outcome: Accepted | TranscriptRefused) -> ImportedFile | None:
        stamp = found.stamp
        verdict = ""
        if isinstance(outcome, NothingToCount | ForeignTranscript):
            verdict = outcome.word
        elif isinstance(outcome, TranscriptRefused):
            return None
        if stamp is None or stamp.mtime_ns > (self.now - SETTLED).timestamp() * 1e9:
            return None
        return ImportedFile(
            user=self.user,
            path=found.place.encode("utf-8", "replace").decode(),
            path_key=_key(found.place),
            size=stamp.size,
            mtime_ns=stamp.mtime_ns,
            inode=stamp.inode,
            file_id=outcome.file_id if isinstance(outcome, Accepted) else None,
            verdict=verdict,
            rules=RULES,
            seen_at=self.now,
        )


def _key(place: str) -> str:
    return hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()
