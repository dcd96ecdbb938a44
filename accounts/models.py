"""People, their access tokens and the audit trail."""

from typing import Any, ClassVar, NoReturn

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import ProtectedError
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.errors import AgnesError
from accounts.usernames import LONGEST, numbered, username_from, validate_username


class UsageStored(AgnesError):
    """Somebody tried to delete a person whose usage is stored."""

    code = "usage_stored"
    status = 409

    def __init__(self, *usernames: str) -> None:
        super().__init__(
            f"Usage of {', '.join(usernames)} is stored.",
            fix="Erase it first: "
            + ", ".join(f"usage_erase --user {name} --yes" for name in usernames)
            + ".",
        )


class UserQuerySet(models.QuerySet["User"]):
    def delete(self) -> tuple[int, dict[str, int]]:
        """Raises UsageStored."""
        try:
            return super().delete()
        except ProtectedError as error:
            raise UsageStored(*sorted(_people_of(error))) from error

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class UserManager(BaseUserManager["User"]):
    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A new user; without a password they cannot sign in by one.

        The username is derived from the e-mail unless `username` is given. Raises IntegrityError
        when the e-mail is taken.
        """
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, **{**fields, "is_staff": True})

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=normalize_email(username or ""))


def normalize_email(email: str) -> str:
    """The one spelling under which an address is stored and looked up."""
    return email.strip().lower()


class User(AbstractBaseUser, PermissionsMixin):
    """A person. `is_staff` makes them an admin, who may do and see everything."""

    email = models.EmailField(max_length=254, unique=True)
    username = models.CharField(
        max_length=LONGEST, unique=True, validators=[validate_username], blank=True
    )
    name = models.CharField(max_length=150, blank=True)
    is_active = models.BooleanField("active", default=True)
    is_staff = models.BooleanField("admin", default=False)
    telemetry_opt_out = models.BooleanField(
        default=False, help_text="Uploads of this person's sessions are refused."
    )
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("username",)
        constraints = [
            models.UniqueConstraint(Lower("email"), name="accounts_user_email_any_case"),
        ]

    def __str__(self) -> str:
        return self.username

    # There is one admin flag, so the column that PermissionsMixin brings is this property.
    @property
    def is_superuser(self) -> bool:  # type: ignore[override]
        return self.is_staff

    def clean(self) -> None:
        super().clean()
        self.email = normalize_email(self.email)

    def get_full_name(self) -> str:
        return self.name or self.username

    def get_short_name(self) -> str:
        return self.username

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Raises UsageStored."""
        try:
            return super().delete(*args, **kwargs)
        except ProtectedError as error:
            raise UsageStored(self.username) from error

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Stores the e-mail in lower case; a new user without a username gets a free one."""
        self.email = normalize_email(self.email)
        if self.username:
            validate_username(self.username)
            super().save(*args, **kwargs)
            return
        self._save_with_free_username(*args, **kwargs)

    def _save_with_free_username(self, *args: Any, **kwargs: Any) -> None:
        slug = username_from(self.email)
        number = 1
        while True:
            self.username = numbered(slug, number)
            taken = User.objects.filter(username=self.username)
            if not taken.exists():
                try:
                    with transaction.atomic():
                        super().save(*args, **kwargs)
                    return
                except IntegrityError:
                    # Another process took the name between the look and the write.
                    if not taken.exists():
                        self.username = ""
                        raise
            number += 1


def _people_of(error: ProtectedError) -> set[str]:
    """Usernames of those on whom the protected rows hang."""
    pks = {row.user_id for row in error.protected_objects if hasattr(row, "user_id")}
    return set(User.objects.filter(pk__in=pks).values_list("username", flat=True))


class Scope(models.TextChoices):
    """What a token may be used for. Admin needs an admin's account as well."""

    PUSH = "push", "Upload own sessions"
    READ = "read", "Read what its owner may read"
    PUBLISH = "publish", "Publish to the flea market"
    ADMIN = "admin", "Act as admin"


def validate_scopes(value: object) -> None:
    if not isinstance(value, list) or not value or set(map(str, value)) - set(Scope.values):
        raise ValidationError(
            f"Scopes are a list with at least one of {', '.join(Scope.values)}.",
            code="invalid_scopes",
        )


class ApiToken(models.Model):
    """A personal access token. Only a keyed hash is stored; accounts.tokens knows the text form."""

    user = models.ForeignKey(User, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=8, db_index=True, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list, validators=[validate_scopes])
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-created_at",)
        verbose_name = "access token"

    def __str__(self) -> str:
        return f"{self.name} (agn_{self.prefix}...)"


class AppendOnly(TypeError):
    """Somebody tried to change or delete a row of the audit trail."""

    def __init__(self) -> None:
        super().__init__("Audit events are append-only: write a new one with accounts.audit.")


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def about(self, user: User) -> "AuditEventQuerySet":
        """The events that touched this person's data, whoever caused them."""
        return self.filter(subject=user)

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly


class AuditEvent(models.Model):
    """Who did what, to what, about whom. Rows are only ever added, by accounts.audit.record."""

    class Result(models.TextChoices):
        OK = "ok"
        DENIED = "denied"
        FAILED = "failed"

    class Door(models.TextChoices):
        PAGE = "page"
        API = "api"
        COMMAND = "command"
        CLIENT = "client"
        SYSTEM = "system"

    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    # Kept when the actor's account is gone, and the only name where there is no account.
    actor_label = models.CharField(max_length=100, blank=True)
    action = models.CharField(max_length=100)
    resource_type = models.CharField(max_length=50, blank=True)
    resource_id = models.CharField(max_length=255, blank=True)
    # Whose data it was about; this person may see the row.
    subject = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    result = models.CharField(max_length=10, choices=Result, default=Result.OK)
    details = models.JSONField(default=dict, blank=True)
    door = models.CharField(max_length=10, choices=Door)
    ip = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ("-at", "-id")
        indexes = [
            models.Index(fields=["action", "-at"], name="accounts_audit_action_at"),
            models.Index(fields=["subject", "-at"], name="accounts_audit_subject_at"),
            models.Index(fields=["resource_type", "resource_id"], name="accounts_audit_resource"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor_label} {self.action} {self.result}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly
