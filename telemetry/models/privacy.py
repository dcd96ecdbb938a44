"""What people keep private: sessions that are not taken, and by which lines a copy is known."""

from django.conf import settings
from django.db import models


class PrivateMark(models.Model):
    """A session its person keeps private: no upload of it, or of a copy of it, is taken."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="private_marks")
    session_id = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True, help_text="When it was taken back.")
    purged = models.JSONField(
        default=list, blank=True, help_text="Session ids that were removed for it, with tombstones."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "session_id"], name="private_mark_of_user")
        ]

    def __str__(self) -> str:
        return self.session_id


class PrivateLine(models.Model):
    """One of the first lines of a private session, as a keyed hash of a hash of its id."""

    mark = models.ForeignKey(PrivateMark, models.CASCADE, related_name="lines")
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mark", "digest"], name="private_line_of_mark")
        ]

    def __str__(self) -> str:
        return self.digest[:12]
