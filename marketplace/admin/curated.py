"""Curated marketplaces: registered, changed, synced and removed here; what they offer is read."""

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts import audit
from accounts.admin_base import BAD, GOOD, INFO, AgnesAdmin, ReadOnlyAdmin, colored
from accounts.errors import AgnesError
from accounts.models import User
from marketplace.models import Item, Marketplace, Plugin
from marketplace.registry import (
    Registration,
    change_marketplace,
    check,
    register_marketplace,
    remove_marketplace,
)
from marketplace.task_queue import enqueue_sync

if TYPE_CHECKING:
    # The theme has no types; its widgets are Django's with other classes.
    from django.forms import CheckboxInput as UnfoldBooleanSwitchWidget
    from django.forms import PasswordInput as UnfoldAdminPasswordWidget
else:
    from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanSwitchWidget

STATES = {"not synced yet": INFO, "synced": GOOD, "last sync failed": BAD}


class MarketplaceForm(forms.ModelForm[Marketplace]):
    """What an admin says of a marketplace. The token is written and never shown."""

    token = forms.CharField(
        required=False,
        strip=True,
        max_length=2_000,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Of a private repository. Leave it empty to keep the one that is stored.",
    )
    drop_token = forms.BooleanField(
        required=False, label="Remove the stored token", widget=UnfoldBooleanSwitchWidget()
    )

    class Meta:
        model = Marketplace
        fields = ("url", "slug", "ref", "pinned_sha", "token_variable")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["url"].label = "Address"
        if not self.instance.pk:
            self.fields["token"].help_text = "Of a private repository; it is never shown again."
        if "slug" in self.fields:
            self.fields["slug"].required = False
            self.fields["slug"].help_text = "Empty: made from the address. Never changes."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        try:
            given = check(self.registration(cleaned))
        except AgnesError as error:
            field = error.details.get("field")
            raise forms.ValidationError(
                {field if field in self.fields else "url": f"{error.message} {error.fix}"}
            ) from None
        if not self.instance.pk:
            taken = Marketplace.objects.registered().filter(slug=given.slug)
            if taken.exists():
                raise forms.ValidationError({"slug": "There is a marketplace of this slug."})
            cleaned["slug"] = given.slug
        return cleaned

    def validate_unique(self) -> None:
        """A removed marketplace's slug may be registered again."""

    def registration(self, cleaned: dict[str, Any]) -> Registration:
        token = cleaned.get("token") or None
        return Registration(
            cleaned.get("url") or "",
            cleaned.get("slug") or self.instance.slug or "",
            cleaned.get("ref") or "",
            cleaned.get("pinned_sha") or "",
            "" if cleaned.get("drop_token") else token,
            cleaned.get("token_variable") or "",
        )


@admin.register(Marketplace)
class MarketplaceAdmin(AgnesAdmin):
    note = "Git repositories whose plugins this organisation knows. Each is synced every night."
    when_empty = "Add one: its https:// address is enough."
    form = MarketplaceForm
    list_display = ("slug", "name", "shown_state", "plugins_live", "items_live", "synced_at", "url")
    list_filter = ("state",)
    search_fields = ("slug", "name", "url")
    ordering = ("slug",)
    actions = ("sync_now",)
    derived: ClassVar[tuple[str, ...]] = (
        "shown_state",
        "error",
        "failed_at",
        "synced_at",
        "name",
        "owner",
        "description",
        "version",
        "commit_sha",
        "shown_findings",
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        asked = ["url", "slug", "ref", "pinned_sha", "token", "token_variable"]
        if obj is None:
            return [(None, {"fields": asked})]
        asked[4:5] = ["stored_token", "token", "drop_token"]
        return [(None, {"fields": asked}), ("Last sync", {"fields": list(self.derived)})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("slug", "stored_token", *self.derived) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Marketplace]:
        rows = Marketplace.objects.registered()
        live = Q(plugins__removed_at=None)
        return rows.annotate(
            live_plugins=Count("plugins", filter=live, distinct=True),
            live_items=Count(
                "plugins__items", filter=live & Q(plugins__items__removed_at=None), distinct=True
            ),
        )

    @colored(STATES)
    @admin.display(description="state", ordering="state")
    def shown_state(self, row: Marketplace) -> str:
        return row.get_state_display()

    @admin.display(description="plugins")
    def plugins_live(self, row: Any) -> SafeString:
        address = reverse("admin:marketplace_plugin_changelist")
        return format_html(
            '<a href="{}?marketplace__id__exact={}">{}</a>', address, row.pk, row.live_plugins
        )

    @admin.display(description="items")
    def items_live(self, row: Any) -> int:
        return int(row.live_items)

    @admin.display(description="token now")
    def stored_token(self, row: Marketplace) -> str:
        if row.token_variable:
            return f"From the environment ({row.token_variable})"
        return "Stored, encrypted" if row.token_sealed else "No token"

    @admin.display(description="findings")
    def shown_findings(self, row: Marketplace) -> SafeString | str:
        if not row.findings:
            return "No findings"
        lines = (
            (each["severity"], each["file"], each["line"] or "", each["message"])
            for each in row.findings[:200]
        )
        return format_html(
            "<ul>{}</ul>", format_html_join("", "<li><b>{}</b> {}:{} {}</li>", lines)
        )

    @admin.action(description="Sync now")
    def sync_now(self, request: HttpRequest, queryset: QuerySet[Marketplace]) -> None:
        slugs = list(queryset.values_list("slug", flat=True))
        for slug in slugs:
            enqueue_sync(slug, by=cast("User", request.user))
        self.message_user(
            request, f"Syncing {', '.join(slugs)}: look again in a moment.", messages.SUCCESS
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except AgnesError as error:
            # What the form could not know, such as another admin who was faster.
            self.message_user(request, str(error), messages.ERROR)
            return redirect(request.path)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        user, given = cast("User", request.user), form.registration(form.cleaned_data)
        if change:
            change_marketplace(obj, given, by=user, door=audit.Door.PAGE, request=request)
            return
        row = register_marketplace(
            given, by=user, door=audit.Door.PAGE, now=timezone.now(), request=request
        )
        obj.pk, obj.slug = row.pk, row.slug

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Nothing is deleted: what it offered is closed and figures keep it."""
        shown = [f"{row.slug}: its plugins are closed, figures keep them" for row in objs]
        return shown, {"marketplaces": len(shown)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        remove_marketplace(
            obj,
            by=cast("User", request.user),
            door=audit.Door.PAGE,
            now=timezone.now(),
            request=request,
        )

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Marketplace]) -> None:
        for row in queryset:
            self.delete_model(request, row)


@admin.register(Plugin)
class PluginAdmin(ReadOnlyAdmin):
    note = "What curated marketplaces offer, or offered, as the last good sync found it."
    when_empty = "Register a marketplace, and its plugins are listed here."
    list_display = ("ref_id", "version", "served_name", "category", "problem", "removed_at")
    list_filter = ("marketplace", ("removed_at", admin.EmptyFieldListFilter))
    list_select_related = ("marketplace",)
    search_fields = ("ref_id", "description")
    ordering = ("ref_id",)


@admin.register(Item)
class ItemAdmin(ReadOnlyAdmin):
    note = "Skills, agents, commands and MCP servers under the names that transcripts carry."
    when_empty = "Register a marketplace, and the items of its plugins are listed here."
    list_display = ("name", "kind", "plugin", "description", "removed_at")
    list_filter = ("kind", "plugin__marketplace", ("removed_at", admin.EmptyFieldListFilter))
    list_select_related = ("plugin",)
    search_fields = ("name", "description")
    ordering = ("name",)
