"""Making the accounts that may do everything."""

from django.core.validators import validate_email
from django.db import transaction

from accounts import audit
from accounts.errors import AgnesError
from accounts.models import User, normalize_email


class EmailTaken(AgnesError):
    code = "email_taken"
    status = 409


@transaction.atomic
def create_admin(*, email: str, password: str, name: str = "") -> User:
    """A new active admin; raises EmailTaken, or Django's ValidationError for a bad address."""
    validate_email(normalize_email(email))
    existing = User.objects.filter(email=normalize_email(email)).first()
    if existing is not None:
        raise EmailTaken(
            f"There is an account {existing.email} already.",
            fix=f"Use `manage.py changepassword {existing.email}` to set its password.",
        )
    user = User.objects.create_user(email, password, name=name, is_staff=True)
    audit.record(
        action="user.create_admin",
        resource_type="user",
        resource_id=str(user.pk),
        subject=user,
        door=audit.Door.COMMAND,
    )
    return user
