"""Accounts in the Django admin: people can be edited, tokens revoked, the audit trail only read."""

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import audit
from accounts.admin_base import BAD, GOOD, WARN, AgnesAdmin, ReadOnlyAdmin, colored
from accounts.models import ApiToken, AuditEvent, UsageStored, User
from accounts.tokens import revoke_token

if TYPE_CHECKING:
    # The theme's forms are these with its own widgets.
    from django.contrib.auth.forms import (
        AdminPasswordChangeForm,
        AdminUserCreationForm,
        UserChangeForm,
    )
else:
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm
    from unfold.forms import UserCreationForm as AdminUserCreationForm

# There is one admin flag and nothing else that gives rights.
admin.site.unregister(Group)

FLAGS = ("is_active", "is_staff", "telemetry_opt_out")
"""What of a person the audit trail holds with its values; of other fields only the names."""


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
class UserAdmin(AgnesAdmin, DjangoUserAdmin[User]):
    form = UserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = (
        "username",
        "name",
        "email",
        "is_staff",
        "is_active",
        "last_login",
        "related",
    )
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

    @admin.display(description="look at")
    def related(self, user: User) -> SafeString:
        address = reverse("admin:telemetry_session_changelist")
        return format_html('<a href="{}?user__id__exact={}">sessions</a>', address, user.pk)

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            _audit(request, "user.create", obj, {"sign_in": obj.has_usable_password()})
        elif form.changed_data:
            flags = {
                name: [form.initial[name], form.cleaned_data[name]]
                for name in form.changed_data
                if name in FLAGS
            }
            _audit(request, "user.change", obj, {"changed": sorted(form.changed_data), **flags})

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Instead of all rows that keep a person, what to do about them."""
        deleted, counts, missing, kept = super().get_deleted_objects(objs, request)
        if not kept:
            return deleted, counts, missing, kept
        advice = [
            UsageStored(user.username).fix
            for user in objs
            if super(UserAdmin, self).get_deleted_objects([user], request)[3]
        ]
        # Rights that are missing to delete the rows would be told instead of it.
        return deleted, counts, set(), advice

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: User) -> None:
        _audit(request, "user.delete", obj, {"username": obj.username})
        super().delete_model(request, obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            _audit(request, "user.delete", user, {"username": user.username})
        super().delete_queryset(request, queryset)

    @transaction.atomic
    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        before = self.get_object(request, unquote(id))
        response: HttpResponse = super().user_change_password(request, id, form_url)
        after = self.get_object(request, unquote(id))
        if before and after and before.password != after.password:
            sign_in = after.has_usable_password()
            _audit(request, "user.change", after, {"changed": ["password"], "sign_in": sign_in})
        return response


def _audit(request: HttpRequest, action: str, user: User, details: dict[str, Any]) -> None:
    audit.record(
        action=action,
        door=audit.Door.PAGE,
        actor=cast("User", request.user),
        resource_type="user",
        resource_id=str(user.pk),
        subject=user,
        details=details,
        request=request,
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


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    note = "Tokens that people use the API and the client with. The secret itself is not kept."
    when_empty = "manage.py create_token makes one; the client makes its own when people sign in."
    list_display = (
        "name",
        "user",
        "prefix",
        "scopes",
        "state",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    list_filter = (TokenState, "created_at")
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username", "user__email")
    actions = ("revoke",)
    exclude = ("digest",)

    @colored({"usable": GOOD, "expired": WARN, "revoked": BAD})
    @admin.display(description="state")
    def state(self, token: ApiToken) -> str:
        if token.revoked_at is not None:
            return "revoked"
        ended = token.expires_at is not None and token.expires_at <= timezone.now()
        return "expired" if ended else "usable"

    @admin.action(description="Revoke the selected tokens")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        assert isinstance(request.user, User)
        now = timezone.now()
        for token in queryset:
            revoke_token(
                by=request.user, token=token, now=now, door=audit.Door.PAGE, request=request
            )
        self.message_user(request, "The selected tokens are revoked.", messages.SUCCESS)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    note = "Who looked at, took out, changed or erased what; rows are only ever added."
    list_display = (
        "at",
        "actor_label",
        "action",
        "resource_type",
        "resource_id",
        "subject",
        "outcome",
        "door",
    )
    list_filter = ("result", "door", "action", "at")
    list_select_related = ("subject",)
    search_fields = ("actor_label", "action", "resource_id", "subject__username", "request_id")
    date_hierarchy = "at"
    show_full_result_count = False

    @colored({"ok": GOOD, "failed": BAD, "denied": WARN})
    @admin.display(description="result")
    def outcome(self, event: AuditEvent) -> str:
        return str(event.result)
