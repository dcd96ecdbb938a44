"""Curated marketplaces: what an admin registered, and what the last good sync found there.

Plugins and items are derived rows: only a sync writes them. They are closed with `removed_at`,
never deleted, and revived when they come back.
"""

from django.core.validators import RegexValidator
from django.db import models

from marketplace.names import LONGEST_SLUG, SLUG
from telemetry.taxonomy import ItemKind

SHA = RegexValidator(r"\A[0-9a-f]{40}\Z", "A commit is written as its 40 hexadecimal digits.")
SLUG_FORM = RegexValidator(
    rf"\A{SLUG.pattern}\Z",
    "A slug is made of a-z, 0-9 and single hyphens between them, such as 'platform-tools'.",
)
TOKEN_VARIABLE = RegexValidator(
    r"\AAGNES_MARKETPLACE_TOKEN_[A-Z0-9_]{1,60}\Z",
    "Name a variable that begins with AGNES_MARKETPLACE_TOKEN_; no other one is ever sent.",
)


class MarketplaceQuerySet(models.QuerySet["Marketplace"]):
    def registered(self) -> "MarketplaceQuerySet":
        """Those that were not removed."""
        return self.filter(removed_at=None)


class Marketplace(models.Model):
    """A registered git repository. `slug` is what figures carry; it never changes.

    A removed one stays as a row, so that its slug keeps meaning what it meant.
    """

    class State(models.TextChoices):
        NEW = "new", "not synced yet"
        OK = "ok", "synced"
        FAILED = "failed", "last sync failed"

    slug = models.CharField(max_length=LONGEST_SLUG, unique=True, validators=[SLUG_FORM])
    url = models.CharField(max_length=500, help_text="https://…, without user name and password.")
    ref = models.CharField(
        "branch or tag", max_length=200, blank=True, help_text="Empty: the default branch."
    )
    pinned_sha = models.CharField(
        "pinned commit", max_length=40, blank=True, validators=[SHA], help_text="Never moves on."
    )
    token_sealed = models.TextField(blank=True, editable=False)
    token_variable = models.CharField(
        max_length=100,
        blank=True,
        validators=[TOKEN_VARIABLE],
        help_text="Environment variable that holds the token, AGNES_MARKETPLACE_TOKEN_….",
    )
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    # Of the last good sync.
    name = models.CharField(max_length=100, blank=True, help_text="As in its marketplace.json.")
    owner = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    version = models.CharField(max_length=100, blank=True)
    commit_sha = models.CharField("commit", max_length=64, blank=True)
    fingerprint = models.CharField(
        max_length=64, blank=True, help_text="Of all that the last good sync read."
    )
    synced_at = models.DateTimeField(
        null=True, blank=True, help_text="When a sync last brought something new."
    )
    findings = models.JSONField(default=list, blank=True)

    # Of the last sync.
    state = models.CharField(max_length=10, choices=State, default=State.NEW)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)

    objects = MarketplaceQuerySet.as_manager()

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.slug

    @property
    def has_token(self) -> bool:
        return bool(self.token_sealed or self.token_variable)


class PluginQuerySet(models.QuerySet["Plugin"]):
    def live(self) -> "PluginQuerySet":
        """Those that their marketplace offers now."""
        return self.filter(removed_at=None)


class Plugin(models.Model):
    """A plugin of a curated marketplace under its entry's name; `ref_id` is what figures carry."""

    marketplace = models.ForeignKey(Marketplace, models.PROTECT, related_name="plugins")
    name = models.CharField(max_length=100)
    ref_id = models.CharField(max_length=200, unique=True, help_text="<slug>/<name>")
    served_name = models.CharField(
        max_length=200, help_text="Its name in the marketplace that Agnes serves."
    )
    former_names = models.JSONField(default=list, blank=True)
    display_name = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    version = models.CharField(max_length=100, blank=True)
    category = models.CharField(max_length=100, blank=True)
    author = models.CharField(max_length=200, blank=True)
    tags = models.JSONField(default=list, blank=True)
    own_name = models.CharField(
        max_length=100, blank=True, help_text="What its plugin.json calls it."
    )
    source_url = models.CharField(
        max_length=500, blank=True, help_text="Empty: the marketplace's own repository."
    )
    source_path = models.CharField(max_length=500, blank=True, help_text="Folder; empty: the root.")
    source_ref = models.CharField(max_length=200, blank=True)
    commit_sha = models.CharField("commit", max_length=64, blank=True)
    strict = models.BooleanField(default=True)
    components = models.JSONField(default=dict, blank=True, help_text="Of the entry itself.")
    problem = models.TextField(
        blank=True, help_text="Why its files could not be read; its items are those of before."
    )
    hooks = models.JSONField(default=list, blank=True)
    digest = models.CharField(
        max_length=64, blank=True, db_index=True, help_text="Of its files as stored for serving."
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True, db_index=True)

    objects = PluginQuerySet.as_manager()

    class Meta:
        ordering = ("ref_id",)
        constraints = [
            models.UniqueConstraint(
                fields=["served_name"],
                condition=models.Q(removed_at=None),
                name="marketplace_plugin_served_once",
            )
        ]

    def __str__(self) -> str:
        return self.ref_id


class ItemQuerySet(models.QuerySet["Item"]):
    def live(self) -> "ItemQuerySet":
        """Those that are offered now, by plugins that are."""
        return self.filter(removed_at=None, plugin__removed_at=None)


class Item(models.Model):
    """A skill, agent, command or MCP server of a plugin, under the name transcripts carry."""

    KINDS = [
        (kind.value, kind.value)
        for kind in (ItemKind.SKILL, ItemKind.AGENT, ItemKind.COMMAND, ItemKind.MCP)
    ]

    plugin = models.ForeignKey(Plugin, models.PROTECT, related_name="items")
    kind = models.CharField(max_length=16, choices=KINDS)
    name = models.CharField(max_length=300, db_index=True)
    aliases = models.JSONField(
        default=list, blank=True, help_text="Other spellings that transcripts may carry."
    )
    title = models.CharField(max_length=150)
    description = models.TextField(blank=True)
    path = models.CharField(max_length=500, blank=True, help_text="Below the plugin's folder.")
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = ItemQuerySet.as_manager()

    class Meta:
        ordering = ("plugin", "kind", "name")
        constraints = [
            models.UniqueConstraint(fields=["plugin", "kind", "name"], name="marketplace_item_once")
        ]

    def __str__(self) -> str:
        return self.name
