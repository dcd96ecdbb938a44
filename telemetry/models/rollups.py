"""Daily facts and what is summed up from them. A day is a UTC day.

The three `usage_session_*_daily` tables are one session's contribution to a day. Everything else
is summed from them, day by day, so a session or a person can be replaced or taken away exactly,
also after its events were pruned.
"""

from django.conf import settings
from django.db import models

from telemetry.models.sessions import Session
from telemetry.models.usage import choices
from telemetry.taxonomy import EventKind, ItemKind, Source


class Contribution(models.Model):
    """One session's part of a day."""

    session_row = models.ForeignKey(
        Session, models.DO_NOTHING, db_column="session_pk", db_constraint=False, related_name="+"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    day = models.DateField(db_index=True)

    class Meta:
        abstract = True


class UsageSessionDaily(Contribution):
    """Events of one session on one day, by what they name."""

    event_type = models.CharField(max_length=16, choices=choices(EventKind))
    tool_name = models.CharField(max_length=300, null=True)
    source = models.CharField(max_length=16, choices=choices(Source))
    ref_id = models.CharField(max_length=200, null=True)
    item_kind = models.CharField(max_length=16, choices=choices(ItemKind))
    name = models.CharField(max_length=300)
    calls = models.IntegerField()
    invocations = models.IntegerField()
    errors = models.IntegerField()
    rejected = models.IntegerField()
    interrupted = models.IntegerField()

    class Meta:
        db_table = "usage_session_daily"
        verbose_name = "session day"
        verbose_name_plural = "session days"

    def __str__(self) -> str:
        return f"{self.day} {self.name}"


class UsageSessionHookDaily(Contribution):
    """Hook runs of one session on one day."""

    hook_event = models.CharField(max_length=100)
    hook_name = models.CharField(max_length=300)
    plugin = models.CharField(
        max_length=200, blank=True, help_text="Where the command's path tells it."
    )
    result = models.CharField(
        max_length=40, help_text="success, blocking_error, non_blocking_error, …"
    )
    runs = models.IntegerField()

    class Meta:
        db_table = "usage_session_hook_daily"
        verbose_name = "session hook day"
        verbose_name_plural = "session hook days"

    def __str__(self) -> str:
        return f"{self.day} {self.hook_name}"


class UsageSessionDriftDaily(Contribution):
    """Unknown things in one session's lines on one day; 1970-01-01 for lines without a time."""

    kind = models.CharField(
        max_length=16, help_text="record, block, key, version, attachment, system."
    )
    name = models.CharField(max_length=200)
    lines = models.IntegerField()

    class Meta:
        db_table = "usage_session_drift_daily"
        verbose_name = "session drift day"
        verbose_name_plural = "session drift days"

    def __str__(self) -> str:
        return f"{self.day} {self.kind} {self.name}"


class UsageUserDaily(models.Model):
    """What one person did on one day, by what it names: the fact that pages filter."""

    day = models.DateField(db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    username = models.CharField(max_length=150)
    event_type = models.CharField(max_length=16, choices=choices(EventKind))
    tool_name = models.CharField(max_length=300, null=True)
    source = models.CharField(max_length=16, choices=choices(Source))
    ref_id = models.CharField(max_length=200, null=True)
    item_kind = models.CharField(max_length=16, choices=choices(ItemKind))
    name = models.CharField(
        max_length=300, help_text="Of the tool, skill, agent, command or MCP server."
    )
    calls = models.IntegerField(help_text="Events.")
    invocations = models.IntegerField(help_text="Uses of a marketplace item; 0 for builtin names.")
    errors = models.IntegerField(help_text="Events that failed.")
    rejected = models.IntegerField()
    interrupted = models.IntegerField()
    sessions = models.IntegerField()

    class Meta:
        db_table = "usage_user_daily"
        verbose_name = "user day"
        verbose_name_plural = "user days"

    def __str__(self) -> str:
        return f"{self.day} {self.username} {self.name}"


class UsageToolDaily(models.Model):
    """Tool calls by day, tool and source."""

    day = models.DateField(db_index=True)
    tool_name = models.CharField(max_length=300)
    source = models.CharField(max_length=16, choices=choices(Source))
    invocations = models.IntegerField(help_text="Calls of the tool.")
    error_count = models.IntegerField()
    rejected_count = models.IntegerField()
    interrupted_count = models.IntegerField()
    distinct_users = models.IntegerField(help_text="On this day; never to be summed.")
    distinct_sessions = models.IntegerField(help_text="On this day; never to be summed.")

    class Meta:
        db_table = "usage_tool_daily"
        verbose_name = "tool day"
        verbose_name_plural = "tool days"

    def __str__(self) -> str:
        return f"{self.day} {self.tool_name}"


class UsagePluginDaily(models.Model):
    """Invocations by day and plugin (or flea entity)."""

    day = models.DateField(db_index=True)
    source = models.CharField(max_length=16, choices=choices(Source))
    ref_id = models.CharField(max_length=200)
    invocations = models.IntegerField()
    distinct_users = models.IntegerField(help_text="On this day; never to be summed.")
    distinct_sessions = models.IntegerField(help_text="On this day; never to be summed.")

    class Meta:
        db_table = "usage_plugin_daily"
        verbose_name = "plugin day"
        verbose_name_plural = "plugin days"

    def __str__(self) -> str:
        return f"{self.day} {self.ref_id}"


class UsageMarketplaceItemDaily(models.Model):
    """Invocations by day and item; type `plugin` sums the items inside it."""

    day = models.DateField(db_index=True)
    source = models.CharField(max_length=16, choices=choices(Source))
    type = models.CharField(max_length=16, choices=choices(ItemKind))
    ref_id = models.CharField(max_length=200)
    name = models.CharField(max_length=300)
    invocations = models.IntegerField()
    distinct_users = models.IntegerField(help_text="On this day; never to be summed.")
    error_count = models.IntegerField()

    class Meta:
        db_table = "usage_marketplace_item_daily"
        verbose_name = "marketplace item day"
        verbose_name_plural = "marketplace item days"

    def __str__(self) -> str:
        return f"{self.day} {self.name}"


class UsageMarketplaceItemWindow(models.Model):
    """Invocations of the last N complete days and today so far, with true distinct people."""

    period_label = models.CharField(max_length=16, help_text="last_7d or last_30d.")
    source = models.CharField(max_length=16, choices=choices(Source))
    type = models.CharField(max_length=16, choices=choices(ItemKind))
    ref_id = models.CharField(max_length=200)
    name = models.CharField(max_length=300)
    invocations = models.IntegerField()
    distinct_users = models.IntegerField(help_text="True number in the window.")
    error_count = models.IntegerField()
    refreshed_at = models.DateTimeField()

    class Meta:
        db_table = "usage_marketplace_item_window"
        verbose_name = "marketplace item window"
        verbose_name_plural = "marketplace item windows"
        indexes = [models.Index(fields=["period_label", "invocations"], name="item_window_top")]

    def __str__(self) -> str:
        return f"{self.period_label} {self.name}"


class UsageHookDaily(models.Model):
    """Hook runs by day, counted apart from tools."""

    day = models.DateField(db_index=True)
    hook_event = models.CharField(max_length=100)
    hook_name = models.CharField(max_length=300)
    plugin = models.CharField(max_length=200, blank=True)
    result = models.CharField(max_length=40)
    runs = models.IntegerField()
    distinct_users = models.IntegerField()

    class Meta:
        db_table = "usage_hook_daily"
        verbose_name = "hook day"
        verbose_name_plural = "hook days"

    def __str__(self) -> str:
        return f"{self.day} {self.hook_name}"


class UsageFormatDrift(models.Model):
    """Unknown record types, block types, keys and versions by day."""

    day = models.DateField(db_index=True)
    kind = models.CharField(
        max_length=16, help_text="What is unknown: a record type, a key, a version, …"
    )
    name = models.CharField(max_length=200)
    lines = models.IntegerField()
    sessions = models.IntegerField()

    class Meta:
        db_table = "usage_format_drift"
        verbose_name = "format drift"
        verbose_name_plural = "format drift"

    def __str__(self) -> str:
        return f"{self.day} {self.kind} {self.name}"
