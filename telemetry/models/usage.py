"""What was derived from transcripts: events, responses, summaries; see telemetry.store."""

from enum import StrEnum

from django.conf import settings
from django.db import models

from telemetry.models.sessions import Session
from telemetry.taxonomy import EventKind, Evidence, ItemKind, Outcome, Source


def choices(vocabulary: type[StrEnum]) -> list[tuple[str, str]]:
    """Django choices of a closed vocabulary."""
    return [(member.value, member.value or "none") for member in vocabulary]


class Derived(models.Model):
    """What every derived row of a session carries."""

    session_row = models.ForeignKey(
        Session, models.DO_NOTHING, db_column="session_pk", db_constraint=False, related_name="+"
    )
    session_id = models.CharField(max_length=200, help_text="Claude Code's session id.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    username = models.CharField(max_length=150)

    class Meta:
        abstract = True


class Attributed(models.Model):
    """What a name was resolved to, and the evidence it was resolved by."""

    source = models.CharField(
        max_length=16,
        choices=choices(Source),
        help_text="Where the name comes from; unattributed when nothing proves it.",
    )
    ref_id = models.CharField(
        max_length=200, null=True, help_text="Plugin as marketplace/plugin; flea: an entity's id."
    )
    marketplace = models.CharField(max_length=200, null=True)
    plugin = models.CharField(max_length=200, null=True)
    item_kind = models.CharField(
        max_length=16, choices=choices(ItemKind), help_text="What kind of thing the event names."
    )
    evidence = models.CharField(max_length=16, choices=choices(Evidence), blank=True)
    item_version = models.CharField(max_length=100, null=True)
    context_skill = models.CharField(max_length=300, null=True, help_text="Skill active around it.")
    context_plugin = models.CharField(
        max_length=300, null=True, help_text="Plugin active around it."
    )
    candidates = models.JSONField(null=True, help_text="The ref_ids an ambiguous name fits.")
    path_evidence = models.CharField(
        max_length=600, null=True, help_text="marketplace/plugin/version/item of the body's path."
    )
    field_plugin = models.CharField(
        max_length=300, null=True, help_text="attributionPlugin that agrees."
    )

    class Meta:
        abstract = True


class UsageEvent(Derived, Attributed):
    """One observable act; `id` is 63 hash bits of its tool_use id, or of line uuid and command."""

    id = models.BigIntegerField(primary_key=True)
    session_file = models.CharField(max_length=300)
    event_uuid = models.CharField(max_length=200, help_text="uuid of the line.")
    parent_uuid = models.CharField(max_length=200, null=True)
    event_type = models.CharField(max_length=16, choices=choices(EventKind))
    tool_name = models.CharField(
        max_length=300, null=True, help_text="An MCP tool is mcp__<server>__<tool>."
    )
    skill_name = models.CharField(
        max_length=300, null=True, help_text="As Claude Code writes it: plugin:skill."
    )
    subagent_type = models.CharField(
        max_length=300, null=True, help_text="Name of the agent that was dispatched."
    )
    command_name = models.CharField(max_length=300, null=True, help_text="Without the slash.")
    is_error = models.BooleanField(help_text="True exactly when the outcome is `failed`.")
    outcome = models.CharField(
        max_length=16,
        choices=choices(Outcome),
        help_text="rejected: the person said no; unknown: no result was seen.",
    )
    activation_id = models.BigIntegerField(
        null=True, help_text="Shared by the events of one activation."
    )
    is_invocation = models.BooleanField(
        help_text="Stands for its activation of a non-builtin item."
    )
    response_id = models.BigIntegerField(
        null=True, help_text="usage_responses.id of the asking answer."
    )
    tool_use_id = models.CharField(max_length=200, null=True)
    agent_id = models.CharField(max_length=200, null=True, help_text="Subagent it happened in.")
    model = models.CharField(max_length=200, null=True)
    project = models.CharField(
        max_length=1000, blank=True, help_text="Folder the session was started in."
    )
    git_branch = models.CharField(max_length=300, null=True)
    cwd = models.CharField(max_length=1000, null=True)
    occurred_at = models.DateTimeField(null=True, help_text="UTC; null when no line tells a time.")
    processor_version = models.PositiveIntegerField()
    extracted_at = models.DateTimeField()

    class Meta:
        db_table = "usage_events"
        indexes = [models.Index(fields=["occurred_at"], name="usage_events_time")]

    def __str__(self) -> str:
        return f"{self.event_type} {self.tool_name or self.command_name}"


class UsageResponse(Derived):
    """One API answer. `id` is 63 bits of a hash of its message.id, else of its line's uuid."""

    id = models.BigIntegerField(primary_key=True)
    message_id = models.CharField(max_length=200)
    model = models.CharField(max_length=200, null=True)
    occurred_at = models.DateTimeField(null=True)
    input_tokens = models.BigIntegerField(help_text="Without those that the cache gave or took.")
    output_tokens = models.BigIntegerField()
    cache_creation_tokens = models.BigIntegerField(help_text="5-minute and 1-hour parts together.")
    cache_creation_5m_tokens = models.BigIntegerField()
    cache_creation_1h_tokens = models.BigIntegerField()
    cache_read_tokens = models.BigIntegerField()
    usage_final = models.BooleanField(help_text="False: the numbers are a lower bound.")
    is_sidechain = models.BooleanField(help_text="Of a subagent.")
    agent_id = models.CharField(max_length=200, null=True)
    context_skill = models.CharField(max_length=300, null=True)
    context_plugin = models.CharField(max_length=300, null=True)
    source = models.CharField(
        max_length=16,
        choices=choices(Source),
        null=True,
        help_text="Of the skill active around it; null when no line tells one.",
    )
    ref_id = models.CharField(max_length=200, null=True)
    marketplace = models.CharField(max_length=200, null=True)
    plugin = models.CharField(max_length=200, null=True)
    cost_usd = models.FloatField(null=True, help_text="Null for a model without a known price.")
    processor_version = models.PositiveIntegerField()
    extracted_at = models.DateTimeField()

    class Meta:
        db_table = "usage_responses"
        indexes = [models.Index(fields=["occurred_at"], name="usage_responses_time")]

    def __str__(self) -> str:
        return self.message_id


class UsageSessionSummary(models.Model):
    """One row per (person, session id), subagent files included."""

    session_row = models.OneToOneField(
        Session,
        models.DO_NOTHING,
        primary_key=True,
        db_column="session_pk",
        db_constraint=False,
        related_name="summary",
    )
    session_file = models.CharField(max_length=300, unique=True)
    session_id = models.CharField(max_length=200)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    username = models.CharField(max_length=150)
    project = models.CharField(max_length=1000, blank=True)
    title = models.CharField(max_length=500, blank=True)
    git_branch = models.CharField(max_length=300, null=True)
    version = models.CharField(max_length=60, null=True, help_text="Claude Code version seen last.")
    started_at = models.DateTimeField(null=True, help_text="UTC.")
    ended_at = models.DateTimeField(null=True, help_text="UTC.")
    active_seconds = models.FloatField(help_text="Gaps above 10 minutes left out.")
    wall_seconds = models.FloatField(help_text="From first to last line.")
    prompts = models.IntegerField(help_text="Typed by the person.")
    user_messages = models.IntegerField()
    assistant_messages = models.IntegerField()
    tool_calls = models.IntegerField(help_text="Of tools, MCP tools and subagents.")
    tool_errors = models.IntegerField(help_text="Calls that failed.")
    tool_rejections = models.IntegerField(help_text="Calls that the person refused.")
    tool_interruptions = models.IntegerField()
    skill_invocations = models.IntegerField()
    subagent_dispatches = models.IntegerField()
    mcp_calls = models.IntegerField()
    slash_commands = models.IntegerField()
    hook_runs = models.IntegerField()
    distinct_tools = models.IntegerField()
    distinct_skills = models.IntegerField()
    primary_model = models.CharField(
        max_length=200, null=True, help_text="Model of most responses."
    )
    responses = models.IntegerField()
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    cache_creation_tokens = models.BigIntegerField()
    cache_read_tokens = models.BigIntegerField()
    usage_final_share = models.FloatField(
        null=True, help_text="Share of responses; null without any."
    )
    cost_usd = models.FloatField(
        null=True, help_text="Null when the price of any response is unknown."
    )
    held_elsewhere = models.IntegerField(help_text="Identities another person brought first.")
    # Of the stored files, every revision by itself: a repeated line is counted each time.
    lines = models.IntegerField(
        help_text="Read in all stored revisions, blank ones not counted: no figure of a person."
    )
    bad_lines = models.IntegerField(
        help_text="Skipped in all stored revisions: no JSON object, or too long."
    )
    mended_lines = models.IntegerField(
        help_text="With lone surrogates or NULs taken out, in all stored revisions."
    )
    processor_version = models.PositiveIntegerField()
    extracted_at = models.DateTimeField()
    uploaded_at = models.DateTimeField()

    class Meta:
        db_table = "usage_session_summary"
        verbose_name = "session summary"
        verbose_name_plural = "session summaries"
        indexes = [models.Index(fields=["started_at"], name="usage_summary_start")]

    def __str__(self) -> str:
        return self.session_file
