"""What importers have seen, so that unchanged files need not be read again."""

from django.conf import settings
from django.db import models

from telemetry.models.sessions import TranscriptFile


class ImportedFile(models.Model):
    """A file on the importer's disk as it was when it was read last.

    Only saves work: without its row a file is read again and recognised by its hash. The row goes
    with the transcript file it led to, so that erased content is looked at anew.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    path = models.TextField(help_text="Where it lay, links resolved.")
    path_key = models.CharField(max_length=64, help_text="SHA-256 of the path.")
    size = models.BigIntegerField()
    mtime_ns = models.BigIntegerField()
    inode = models.BigIntegerField()
    file = models.ForeignKey(TranscriptFile, models.CASCADE, null=True, related_name="+")
    verdict = models.CharField(
        max_length=200, blank=True, help_text="Why its content is not taken; empty when it is."
    )
    rules = models.PositiveIntegerField(help_text="Version of the rules that judged it.")
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "path_key"], name="imported_file_path")
        ]

    def __str__(self) -> str:
        return self.path
