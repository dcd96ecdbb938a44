"""What the transcript store holds, for tests to look at."""

from pathlib import Path

from django.conf import settings

from accounts.models import User
from telemetry import transcript_blobs
from telemetry.models import TranscriptFile


def stored(user: User, name: str) -> list[bytes]:
    """The bytes of each revision."""
    file = TranscriptFile.objects.get(user=user, name=name)
    return [
        b"".join(transcript_blobs.read_revision(revision))
        for revision in file.revisions.order_by("number")
    ]


def blobs_on_disk() -> set[str]:
    root = Path(settings.AGNES_TRANSCRIPTS_DIR)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def empty_storage() -> None:
    """Blobs outlive a test's rows; a test that counts them begins with none."""
    for blob in blobs_on_disk():
        transcript_blobs.transcripts().delete(blob)
