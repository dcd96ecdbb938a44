"""Accounts in the Django admin: people can be edited, tokens revoked, the audit trail only read."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit
from accounts.models import ApiToken, AuditEvent, User
from accounts.tokens import revoke_token


class NewUserForm(AdminUserCreationForm[User]):
    class Meta:
        model = User
        fields = ("email", "name")


class UserForm(UserChangeForm[User]):
    class Meta:
        model = User
        fields = ("email", "name", "is_active", "is_staff", "telemetry_opt_out")
        field_classes: dict[str, type[forms.Field]] = {}


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    form = UserForm
    add_form = NewUserForm
    list_display = ("username", "email", "name", "is_staff", "is_active", "last_login")
    list_filter = ("is_staff", "is_active", "telemetry_opt_out", "date_joined")
    search_fields = ("username", "email", "name")
    ordering = ("username",)
    filter_horizontal = ()
    # Other tables and every export carry the username, so it never changes.
    readonly_fields = ("username", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "email", "name", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff")}),
        ("Telemetry", {"fields": ("telemetry_opt_out",)}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("email", "name", "usable_password", "password1", "password2"),
            },
        ),
    )


class TokenState(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("usable", "usable"), ("expired", "expired"), ("revoked", "revoked")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ApiToken]
    ) -> QuerySet[ApiToken] | None:
        now = timezone.now()
        if self.value() == "revoked":
            return queryset.exclude(revoked_at=None)
        if self.value() == "expired":
            return queryset.filter(revoked_at=None, expires_at__lte=now)
        if self.value() == "usable":
            return queryset.filter(revoked_at=None).exclude(expires_at__lte=now)
        return None


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Rows can be looked at and found, not added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = ("name", "user", "prefix", "scopes", "last_used_at", "expires_at", "revoked_at")
    list_filter = (TokenState, "created_at")
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username", "user__email")
    actions = ("revoke",)
    exclude = ("digest",)

    @admin.action(description="Revoke the selected tokens")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        assert isinstance(request.user, User)
        now = timezone.now()
        for token in queryset:
            revoke_token(by=request.user, token=token, now=now, door=audit.Door.PAGE)
        self.message_user(request, "The selected tokens are revoked.", messages.SUCCESS)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = (
        "at",
        "actor_label",
        "action",
        "resource_type",
        "resource_id",
        "subject",
        "result",
        "door",
    )
    list_filter = ("result", "door", "action", "at")
    list_select_related = ("subject",)
    search_fields = ("actor_label", "action", "resource_id", "subject__username", "request_id")
    date_hierarchy = "at"
    show_full_result_count = False
