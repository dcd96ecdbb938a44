"""What was uploaded: sessions, their transcript files, and where the bytes are stored."""

from django.conf import settings
from django.db import models


class TranscriptFile(models.Model):
    """One JSONL file of one person, under the name Claude Code gave it.

    `name` is the path that matters inside a project folder: `<session id>.jsonl` for a main file,
    `<session id>/agent-<id>.jsonl` for a subagent file, `agent-<id>.jsonl` for the flat layout.
    A file has one or more revisions; its lines are the union, by identity, of all of them.
    """

    class Kind(models.TextChoices):
        MAIN = "main", "main file"
        SUBAGENT = "subagent", "subagent file"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="transcript_files"
    )
    name = models.CharField(max_length=400)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    size = models.BigIntegerField(default=0, help_text="Bytes of all revisions, uncompressed.")
    stored_size = models.BigIntegerField(default=0, help_text="Bytes in the transcript store.")
    content_hash = models.CharField(
        max_length=64, help_text="SHA-256 over the hashes of all revisions."
    )
    created_at = models.DateTimeField()
    uploaded_at = models.DateTimeField(help_text="When its content last changed.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="transcript_file_name")
        ]

    def __str__(self) -> str:
        return self.name


class TranscriptRevision(models.Model):
    """One version of a file's bytes that only ever grew. A rewritten file starts another one."""

    file = models.ForeignKey(TranscriptFile, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    size = models.BigIntegerField()
    sha256 = models.CharField(
        max_length=64, help_text="SHA-256 of the whole revision, uncompressed."
    )
    dropped_at = models.DateTimeField(
        null=True,
        help_text="When retention removed the bytes; the hash stays, to know the content again.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["file", "number"], name="transcript_revision_number")
        ]

    def __str__(self) -> str:
        return f"revision {self.number} of {self.file_id}"


class TranscriptSegment(models.Model):
    """A run of a revision's bytes as one compressed object: appends add segments, never rewrite."""

    revision = models.ForeignKey(TranscriptRevision, models.CASCADE, related_name="segments")
    number = models.PositiveIntegerField()
    offset = models.BigIntegerField(help_text="Where the run starts in the uncompressed revision.")
    size = models.BigIntegerField(help_text="Uncompressed bytes.")
    stored_size = models.BigIntegerField(help_text="Compressed bytes.")
    sha256 = models.CharField(
        max_length=64, help_text="SHA-256 of the revision up to this run's end."
    )
    blob = models.CharField(
        max_length=255, unique=True, help_text="Name in the transcript storage."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["revision", "number"], name="transcript_segment_number")
        ]

    def __str__(self) -> str:
        return self.blob


class Session(models.Model):
    """One Claude Code session id of one person; its transcript is every line with that id."""

    # Events and stored objects hang on a session without a constraint, so only an erasure that
    # takes all of them removes it.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="sessions")
    session_id = models.CharField(max_length=200)
    session_file = models.CharField(max_length=300, unique=True)
    files = models.ManyToManyField(TranscriptFile, through="SessionFile", related_name="sessions")
    content_hash = models.CharField(
        max_length=64, help_text="Over the content hashes of its files."
    )
    size = models.BigIntegerField(default=0, help_text="Bytes of its files, uncompressed.")
    project = models.CharField(max_length=1000, blank=True)
    title = models.CharField(max_length=500, blank=True)
    versions = models.JSONField(
        default=list, help_text="Claude Code versions seen, in order of time."
    )
    git_branch = models.CharField(max_length=300, blank=True)
    forked_from = models.CharField(
        max_length=200, blank=True, help_text="Session id its lines name."
    )
    resumed_from = models.CharField(
        max_length=200,
        blank=True,
        help_text="Earlier session of the person that owns its first line.",
    )
    agent_ids = models.JSONField(default=list, help_text="Subagents whose lines it holds.")
    created_at = models.DateTimeField()
    uploaded_at = models.DateTimeField(help_text="When its content last changed.")
    transcript_dropped_at = models.DateTimeField(
        null=True, help_text="When its transcript was removed."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "session_id"], name="session_of_user")
        ]
        indexes = [
            models.Index(fields=["session_id"], name="session_by_id"),
            models.Index(fields=["uploaded_at"], name="session_by_upload"),
        ]

    def __str__(self) -> str:
        return self.session_file


class SessionFile(models.Model):
    """Which files hold lines of which session; nearly always one session to a file."""

    session = models.ForeignKey(Session, models.CASCADE)
    file = models.ForeignKey(TranscriptFile, models.CASCADE)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "file"], name="session_file_pair")
        ]

    def __str__(self) -> str:
        return f"{self.session_id} in {self.file_id}"


class IdentityKey(models.Model):
    """Which session first brought a line, a response or a tool call into this instance.

    The key is 63 bits of a BLAKE2 hash of kind and id. One row per identity in the whole instance;
    the session's person holds the identity against everybody else, while among the person's own
    sessions the owner is worked out anew from their transcripts. Kept when events are pruned or
    cleared, so that nobody else can take them meanwhile.
    """

    key = models.BigAutoField(primary_key=True)
    session_pk = models.BigIntegerField()

    class Meta:
        db_table = "telemetry_identity_key"

    def __str__(self) -> str:
        return f"{self.key:x}"


class SessionIdentity(models.Model):
    """Every identity key that a session's lines carry, held or not: 8 bytes each, little-endian."""

    session = models.OneToOneField(Session, models.CASCADE, primary_key=True)
    keys = models.BinaryField()
    owned = models.BinaryField(
        null=True, help_text="The keys it owns among the person's sessions; null when all."
    )

    class Meta:
        verbose_name_plural = "session identities"

    def __str__(self) -> str:
        return f"{len(self.keys) // 8} keys"


class SessionOverlap(models.Model):
    """`session` carries identities that `holder` brought first: a fork, a resume, a copy."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="overlaps")
    holder = models.ForeignKey(Session, models.CASCADE, related_name="overlapped_by")
    shared = models.PositiveIntegerField(help_text="How many identities.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "holder"], name="session_overlap_pair")
        ]

    def __str__(self) -> str:
        return f"{self.session_id} shares {self.shared} with {self.holder_id}"


class Tombstone(models.Model):
    """What was erased, as a keyed hash of its id, so that an upload cannot bring it back."""

    class Kind(models.TextChoices):
        SESSION = "session", "session"
        PERSON = "person", "person"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "digest"], name="tombstone_digest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.digest[:12]}"


class DoomedBlob(models.Model):
    """A stored object whose rows are gone; deleted after the commit, retried until it is."""

    blob = models.CharField(max_length=255, unique=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.blob
