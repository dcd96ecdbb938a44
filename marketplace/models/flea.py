"""The flea market: what people upload, in versions, each with what the guardrails found."""

from typing import ClassVar

from django.db import models

from accounts.models import User
from telemetry.taxonomy import ItemKind


class FleaState(models.TextChoices):
    """Of an item. A version has one of the first four, or `replaced` after a later one."""

    DRAFT = "draft", "draft"
    PENDING = "pending", "waits for an admin"
    LIVE = "live", "live"
    REJECTED = "rejected", "rejected"
    REMOVED = "removed", "removed"
    REPLACED = "replaced", "replaced by a later version"


class FleaItemQuerySet(models.QuerySet["FleaItem"]):
    def live(self) -> "FleaItemQuerySet":
        return self.filter(state=FleaState.LIVE)

    def visible_to(self, user: User) -> "FleaItemQuerySet":
        """Live ones for everybody, all states for their owner and for admins."""
        if user.is_staff:
            return self
        return self.filter(models.Q(state=FleaState.LIVE) | models.Q(owner=user))

    def waiting(self) -> "FleaItemQuerySet":
        """Those with a version that waits for an admin, also beside a live one."""
        waiting = self.filter(versions__state=FleaState.PENDING)
        return waiting.exclude(state=FleaState.REMOVED).distinct()


class FleaItem(models.Model):
    """A skill, agent or plugin of the flea market. Its id is the ref_id of its figures.

    `live_version` is the version that is live, or was last; only with the state `live` is it
    offered. State, who, when and why are those of the last change.
    """

    KINDS: ClassVar[list[tuple[str, str]]] = [
        (kind.value, kind.value) for kind in (ItemKind.SKILL, ItemKind.AGENT, ItemKind.PLUGIN)
    ]

    kind = models.CharField(max_length=16, choices=KINDS)
    name = models.CharField(max_length=64)
    # Kept when the owner's account is gone.
    owner_name = models.CharField(max_length=64)
    owner = models.ForeignKey(User, models.SET_NULL, null=True, related_name="flea_items")
    public_name = models.CharField(max_length=140, unique=True)
    description = models.TextField(blank=True)
    state = models.CharField(max_length=16, choices=FleaState)
    state_at = models.DateTimeField()
    state_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    state_by_name = models.CharField(max_length=100, blank=True)
    state_reason = models.TextField(blank=True)
    needs_review = models.BooleanField(
        default=False, help_text="An admin took it out, so an admin has to let it in again."
    )
    live_version = models.ForeignKey(
        "marketplace.FleaVersion", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    installs = models.PositiveIntegerField(default=0, help_text="People who downloaded it.")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField(db_index=True)

    objects = FleaItemQuerySet.as_manager()

    class Meta:
        ordering = ("public_name",)
        indexes = [models.Index(fields=["state", "-changed_at"], name="marketplace_flea_state")]

    def __str__(self) -> str:
        return self.public_name

    @property
    def ref_id(self) -> str:
        return str(self.pk)

    @property
    def is_live(self) -> bool:
        return self.state == FleaState.LIVE

    def newest_version(self) -> "FleaVersion | None":
        return self.versions.order_by("-number").first()


class FleaVersion(models.Model):
    """One upload. `digest` names the bundle as it is served; `items` are what it holds, each with
    kind, name, title, description, path and aliases."""

    item = models.ForeignKey(FleaItem, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    label = models.CharField("version", max_length=120)
    state = models.CharField(max_length=16, choices=FleaState)
    state_at = models.DateTimeField()
    state_by_name = models.CharField(max_length=100, blank=True)
    state_reason = models.TextField(blank=True)
    description = models.TextField(blank=True)
    note = models.TextField(blank=True, help_text="What is new, in the uploader's words.")
    digest = models.CharField(max_length=64, db_index=True)
    size = models.PositiveIntegerField(help_text="Bytes of all files.")
    files = models.PositiveIntegerField()
    findings = models.JSONField(default=list, blank=True)
    items = models.JSONField(default=list, blank=True)
    uploaded_by_name = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("item", "-number")
        constraints = [
            models.UniqueConstraint(fields=["item", "number"], name="marketplace_flea_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.item.public_name} {self.label}"


class FleaInstall(models.Model):
    """Somebody downloaded an item, once or many times."""

    item = models.ForeignKey(FleaItem, models.CASCADE, related_name="install_rows")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("-last_at",)
        constraints = [
            models.UniqueConstraint(fields=["item", "user"], name="marketplace_flea_install_once")
        ]

    def __str__(self) -> str:
        return f"{self.item_id} by {self.user_id}"
