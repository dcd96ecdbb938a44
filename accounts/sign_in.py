"""Audit rows for signing in and out.

Django's login signals are the one seam that every sign-in page passes through, the Django
admin's own among them.
"""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from accounts import audit
from accounts.models import User, normalize_email


def connect() -> None:
    user_logged_in.connect(_record_sign_in, dispatch_uid="accounts.sign_in")
    user_logged_out.connect(_record_sign_out, dispatch_uid="accounts.sign_out")
    user_login_failed.connect(_record_failure, dispatch_uid="accounts.sign_in_failed")


def _record_sign_in(request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    audit.record(
        action="user.sign_in", actor=user, subject=user, door=audit.Door.PAGE, request=request
    )


def _record_sign_out(request: HttpRequest | None, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        audit.record(
            action="user.sign_out", actor=user, subject=user, door=audit.Door.PAGE, request=request
        )


def _record_failure(
    credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    given = normalize_email(str(credentials.get("username") or credentials.get("email") or ""))
    # What was typed is kept only where it names an account: it may be a password.
    subject = User.objects.filter(email=given).first()
    audit.record(
        action="user.sign_in",
        actor_label=subject.username if subject else "unknown",
        subject=subject,
        result=audit.Result.FAILED,
        door=audit.Door.PAGE,
        request=request,
    )
