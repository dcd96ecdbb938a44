"""The flea market in the Django admin: read, approve, reject, remove, restore."""

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts import audit
from accounts.admin_base import ReadOnlyInline
from accounts.errors import AgnesError
from accounts.models import User
from marketplace.models import FleaInstall, FleaItem, FleaState, FleaVersion
from marketplace.store_states import change_state
from telemetry.admin.base import TelemetryAdmin

if TYPE_CHECKING:
    # The theme's own, without types.
    from django.contrib.admin.helpers import ActionForm
else:
    from unfold.forms import ActionForm


class ReasonForm(ActionForm):
    """Beside the choice of an action: why an item is rejected or removed."""

    reason = forms.CharField(required=False, max_length=2_000, label="Reason")


class WaitingFilter(admin.SimpleListFilter):
    title = "review"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "a version waits")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[FleaItem]
    ) -> QuerySet[FleaItem] | None:
        if self.value() == "yes":
            return queryset.filter(versions__state=FleaState.PENDING).distinct()
        return None


class VersionInline(ReadOnlyInline):
    model = FleaVersion
    fields = ("number", "label", "state", "state_at", "state_by_name", "state_reason", "told")
    readonly_fields = fields

    @admin.display(description="findings")
    def told(self, version: FleaVersion) -> SafeString:
        return _findings(version)


@admin.register(FleaItem)
class FleaItemAdmin(TelemetryAdmin):
    note = "What people share. Reject and remove need a reason; nothing is deleted."
    when_empty = "Nobody has published anything yet: see docs/flea-market.md."
    list_display = (
        "public_name",
        "kind",
        "state",
        "state_at",
        "state_by_name",
        "installs",
        "live_version",
    )
    list_filter = (WaitingFilter, "state", "kind")
    list_select_related = ("live_version__item",)
    search_fields = ("public_name", "description")
    action_form = ReasonForm
    actions = ("approve", "reject", "remove", "restore")
    inlines: ClassVar[Any] = (VersionInline,)

    @admin.action(description="Approve the version that waits")
    def approve(self, request: HttpRequest, queryset: QuerySet[FleaItem]) -> None:
        self._change(request, queryset, "approve")

    @admin.action(description="Reject (with a reason)")
    def reject(self, request: HttpRequest, queryset: QuerySet[FleaItem]) -> None:
        self._change(request, queryset, "reject")

    @admin.action(description="Remove (with a reason)")
    def remove(self, request: HttpRequest, queryset: QuerySet[FleaItem]) -> None:
        self._change(request, queryset, "remove")

    @admin.action(description="Restore")
    def restore(self, request: HttpRequest, queryset: QuerySet[FleaItem]) -> None:
        self._change(request, queryset, "restore")

    def _change(self, request: HttpRequest, queryset: QuerySet[FleaItem], action: str) -> None:
        """Each item by itself: what one cannot be does not stop the others."""
        done = 0
        for item in queryset:
            try:
                change_state(
                    item,
                    action,
                    by=cast("User", request.user),
                    as_admin=True,
                    now=timezone.now(),
                    door=audit.Door.PAGE,
                    reason=request.POST.get("reason", ""),
                    request=request,
                )
                done += 1
            except AgnesError as error:
                self.message_user(request, str(error), messages.ERROR)
        if done:
            self.message_user(request, f"Done for {done}: {action}.", messages.SUCCESS)


@admin.register(FleaVersion)
class FleaVersionAdmin(TelemetryAdmin):
    list_display = ("item", "number", "label", "state", "state_at", "uploaded_by_name", "size")
    list_filter = ("state",)
    list_select_related = ("item",)
    search_fields = ("item__public_name", "digest")


@admin.register(FleaInstall)
class FleaInstallAdmin(TelemetryAdmin):
    list_display = ("item", "user", "first_at", "last_at", "times")
    list_select_related = ("item", "user")
    search_fields = ("item__public_name", "user__username")


def _findings(version: FleaVersion) -> SafeString:
    if not version.findings:
        return format_html("none")
    return format_html_join(
        "",
        "<div>{} · {}{}: {}</div>",
        (
            (
                found["rule"],
                found["file"],
                f":{found['line']}" if found["line"] else "",
                found["message"],
            )
            for found in version.findings
        ),
    )
