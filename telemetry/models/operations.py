"""What keeps the pipeline moving: processor state, leases, pending changes, heartbeats."""

from datetime import date
from typing import ClassVar

from django.db import connection, models

from telemetry.models.sessions import Session


class ProcessorState(models.Model):
    """How far one processor has come with one session.

    A session is due when its content hash or the processor's version differs from what was
    processed. `due_at` is both back-off and claim: a claim moves it past the lease's end, so that
    a worker that died gives the session back by the clock, and `claim_token` rises with each claim,
    so that a worker that was only slow cannot commit over its successor.
    """

    class Status(models.TextChoices):
        DUE = "due", "due"
        DONE = "done", "done"
        FAILED = "failed", "failed, will be tried again"
        QUARANTINED = "quarantined", "quarantined"
        SKIPPED = "skipped", "skipped: transcript no longer stored"

    processor = models.CharField(max_length=40)
    session = models.ForeignKey(Session, models.CASCADE, related_name="states")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.DUE)
    content_hash = models.CharField(max_length=64, blank=True, help_text="What was processed last.")
    version = models.PositiveIntegerField(default=0, help_text="Processor version that did it.")
    attempts = models.PositiveIntegerField(default=0, help_text="Tries since the last success.")
    error = models.TextField(blank=True)
    due_at = models.DateTimeField(null=True, help_text="Not before; null when nothing is to do.")
    claim_token = models.BigIntegerField(default=0)
    claimed_by = models.CharField(max_length=100, blank=True)
    processed_at = models.DateTimeField(null=True)
    report = models.JSONField(
        null=True, help_text="What the processor found out, where it reports."
    )

    class Meta:
        db_table = "session_processor_state"
        constraints = [
            models.UniqueConstraint(fields=["processor", "session"], name="processor_state_key")
        ]
        indexes = [
            models.Index(
                fields=["processor", "due_at"],
                name="processor_state_due",
                condition=models.Q(due_at__isnull=False),
            ),
            models.Index(fields=["processor", "version"], name="processor_state_version"),
            models.Index(fields=["processor", "status"], name="processor_state_status"),
            models.Index(
                fields=["claimed_by"],
                name="processor_state_claimant",
                condition=~models.Q(claimed_by=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.processor} of {self.session_id}: {self.status}"


class Lease(models.Model):
    """The right to do one job alone, over all processes and machines; see telemetry.leases."""

    name = models.CharField(max_length=60, primary_key=True)
    owner = models.CharField(max_length=100, blank=True)
    token = models.BigIntegerField(default=0, help_text="Rises with each holder: the fence.")
    acquired_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Heartbeat(models.Model):
    """Proof that a scheduled task really runs."""

    name = models.CharField(max_length=60, primary_key=True)
    beat_at = models.DateTimeField()
    details = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name


class PendingChange(models.Model):
    """Something a consumer has not caught up with yet; written in the transaction that changed it.

    `consumer` is `rollups` (kind `day`, key an ISO day), `attribution` (kind `all`) or `mirror`
    (kind `session`, key a session's primary key; kind `table`, key a mirrored table; kind `day`,
    key an ISO day of rolled-up rows; kind `rebuild`). A consumer works off the rows up to the
    highest id it saw, then deletes those.
    """

    consumer = models.CharField(max_length=16)
    kind = models.CharField(max_length=16)
    key = models.CharField(max_length=60, blank=True)

    class Meta:
        indexes = [models.Index(fields=["consumer", "id"], name="pending_change_consumer")]

    def __str__(self) -> str:
        return f"{self.consumer}: {self.kind} {self.key}"


class Watermark(models.Model):
    """A day before which something is closed, such as what retention removed."""

    EVENTS: ClassVar[str] = "events_pruned_before"
    RESPONSES: ClassVar[str] = "responses_pruned_before"
    FACTS: ClassVar[str] = "facts_pruned_before"

    name = models.CharField(max_length=60, primary_key=True)
    day = models.DateField()
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.day}"

    @classmethod
    def pruned_days(cls) -> dict[str, date]:
        """The first days that are kept, by the names above; nothing where all is kept.

        To be read in the transaction that stores rows: until it ends `wait_for_readers` waits.
        """
        names = (cls.EVENTS, cls.RESPONSES, cls.FACTS)
        table, lock = cls._meta.db_table, " FOR SHARE" if connection.vendor == "postgresql" else ""
        sql = f"SELECT * FROM {table} WHERE name IN (%s, %s, %s){lock}"  # noqa: S608 - our names
        return {mark.name: mark.day for mark in cls.objects.raw(sql, names)}

    @classmethod
    def wait_for_readers(cls) -> None:
        """To be called in the transaction that moves a watermark: whoever read it has committed,
        and whoever reads it from now on sees it moved.

        A lock on the table, since there may be no row yet. SQLite has one writer at a time anyway.
        """
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {cls._meta.db_table} IN EXCLUSIVE MODE")
