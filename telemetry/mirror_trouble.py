"""What is wrong with the mirror, in a sentence that every page can show."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.cache import cache
from django.utils import timezone

from telemetry import mirror
from telemetry.models import Heartbeat, PendingChange
from telemetry.processing import MIRROR_HEARTBEAT

LOOK_SECONDS = 15
"""For how long a process believes its last look."""

LAG = timedelta(minutes=10)
"""Changes are published within a minute or two; a rebuild of millions of events takes longer."""

SETTLING = timedelta(seconds=30)
"""A change that came just now, after a quiet hour, is on its way and no trouble."""

REBUILD = "Run manage.py usage_mirror rebuild."
_TROUBLE, _OLDEST = "mirror_trouble", "mirror_trouble.oldest_change"


@dataclass(frozen=True)
class Trouble:
    message: str
    fix: str = REBUILD

    @property
    def sentence(self) -> str:
        """What is wrong and what to do."""
        return f"{self.message} {self.fix}".strip()


def mirror_trouble() -> Trouble | None:
    """What `find_trouble` said of the file that is published now, at most LOOK_SECONDS ago.

    By the file, so that all processes say the same of it.
    """
    key = f"{_TROUBLE}.{mirror.published_mark()}"
    known = cache.get(key)
    if known is None:
        known = (find_trouble(now=timezone.now()),)
        cache.set(key, known, LOOK_SECONDS)
    trouble: Trouble | None = known[0]
    return trouble


def find_trouble(*, now: datetime) -> Trouble | None:
    """Why figures are missing or old; None when the mirror is as it should be.

    A stat and one small query, two when nothing was published for a while.
    """
    problem = mirror.published_problem()
    published = published_at()
    if published is None:
        return Trouble("There is no mirror to read figures from.")
    if problem is not None:
        return Trouble(f"The mirror is broken: {problem}", "")
    failed = _failure(since=published)
    if failed:
        return Trouble(f"The mirror could not be brought up to date: {failed}.")
    if now - published > LAG and _is_waiting(now):
        return Trouble(
            f"The mirror is behind: figures are those of {published:%Y-%m-%d %H:%M} UTC, and "
            "changes wait.",
            f"Start the worker (manage.py qcluster). {REBUILD}",
        )
    return None


def published_at() -> datetime | None:
    """When the mirror was published last; None when there is none."""
    try:
        return datetime.fromtimestamp(mirror.published_path().stat().st_mtime, UTC)
    except OSError:
        return None


def _failure(*, since: datetime) -> str:
    """What the last attempt to publish failed with; empty when a later one succeeded."""
    beats = Heartbeat.objects.filter(name=MIRROR_HEARTBEAT, beat_at__gte=since)
    details = beats.values_list("details", flat=True).first() or {}
    return str(details.get("problem", "")).rstrip(".")


def _is_waiting(now: datetime) -> bool:
    """Whether the oldest change was already waiting at an earlier look of this process."""
    changes = PendingChange.objects.filter(consumer=mirror.CONSUMER).order_by("pk")
    oldest = changes.values_list("pk", flat=True).first()
    if oldest is None:
        return False
    seen, at = cache.get(_OLDEST, (None, now))
    if seen != oldest:
        cache.set(_OLDEST, (oldest, now), None)
        return False
    return bool(now - at >= SETTLING)
