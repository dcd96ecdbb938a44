"""Questions in plain language: what was asked, and what people keep under a name."""

from django.conf import settings
from django.db import models


class AskedQuestion(models.Model):
    """One question and how it ended; its rows are not kept. Removed by retention.

    `follows` is the earlier question of the same thread; its words and SQL were sent along.
    """

    class Origin(models.TextChoices):
        GENERATED = "generated", "written by a model"
        VERIFIED = "verified", "verified"
        OWN = "own", "written by a person"

    class Outcome(models.TextChoices):
        OK = "ok", "answered"
        REJECTED = "rejected", "SQL refused"
        FAILED = "failed", "SQL failed"
        CLARIFY = "clarify", "asked back"
        CANNOT_ANSWER = "cannot_answer", "not in the data"
        REFUSED = "refused", "refused by the model"
        ERROR = "error", "no answer"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        related_name="+",
        help_text="Null for a command.",
    )
    follows = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    text = models.TextField(blank=True, help_text="The question; empty where only SQL was given.")
    origin = models.CharField(max_length=16, choices=Origin.choices)
    verified_id = models.CharField(max_length=100, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    sql = models.TextField(blank=True)
    rationale = models.TextField(blank=True)
    message = models.TextField(blank=True, help_text="What the model asked back or misses.")
    error_code = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)
    repaired = models.BooleanField(default=False, help_text="The first SQL was refused.")
    tables = models.JSONField(default=list)
    row_count = models.IntegerField(null=True)
    truncated = models.BooleanField(default=False)
    data_time = models.DateTimeField(null=True, help_text="The mirror held everything up to then.")
    model = models.CharField(max_length=200, blank=True)
    input_tokens = models.IntegerField(default=0)
    output_tokens = models.IntegerField(default=0)
    cache_read_tokens = models.IntegerField(default=0)
    cache_creation_tokens = models.IntegerField(default=0)
    cost_usd = models.FloatField(null=True, help_text="Null for a model without a known price.")
    sent_bytes = models.IntegerField(default=0, help_text="What left the server.")
    duration_ms = models.JSONField(default=dict, help_text="total, and its parts.")
    door = models.CharField(max_length=10)
    asked_at = models.DateTimeField()

    class Meta:
        ordering = ("-asked_at", "-id")
        indexes = [
            models.Index(fields=["user", "-asked_at"], name="asked_question_of_user"),
            models.Index(fields=["asked_at"], name="asked_question_time"),
        ]

    def __str__(self) -> str:
        return self.text or self.sql


class SavedQuestion(models.Model):
    """A question with its SQL under a name, for its owner or, when shared, for all admins."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    text = models.TextField(blank=True)
    sql = models.TextField()
    rationale = models.TextField(blank=True)
    shared = models.BooleanField(default=False, help_text="All admins see and run it.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="saved_question_name")]

    def __str__(self) -> str:
        return self.name
