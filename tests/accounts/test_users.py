import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.usernames import numbered, username_from

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("email", "username"),
    [
        ("ada@example.org", "ada"),
        ("Ada.Lovelace@example.org", "ada-lovelace"),
        ("ada+claude_code@example.org", "ada-claude-code"),
        ("Åsa.Ö@example.org", "asa-o"),
        ("...@example.org", "user"),
        ("李@example.org", "user"),
    ],
)
def test_a_username_is_a_slug_of_the_local_part(email: str, username: str) -> None:
    assert username_from(email) == username


def test_a_long_name_is_cut_and_still_numbered() -> None:
    slug = username_from("a" * 100)
    assert len(slug) == 64
    assert len(numbered(slug, 12)) == 64
    assert numbered(slug, 12).endswith("-12")


def test_equal_local_parts_get_numbers() -> None:
    names = [User.objects.create_user(f"ada@{n}.example.org").username for n in range(3)]
    assert names == ["ada", "ada-2", "ada-3"]


def test_the_username_stays_when_the_email_changes() -> None:
    ada = User.objects.create_user("ada@example.org")
    ada.email = "countess@example.org"
    ada.save()
    ada.refresh_from_db()
    assert (ada.username, ada.email) == ("ada", "countess@example.org")


def test_an_email_cannot_be_a_username() -> None:
    with pytest.raises(ValidationError):
        User.objects.create_user("ada@example.org", username="ada@example.org")


def test_emails_are_one_whatever_their_case() -> None:
    User.objects.create_user("Ada@Example.org", "correct horse")
    assert authenticate(username="ADA@example.ORG", password="correct horse") is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("ada@example.org")
    # Past save(), too.
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.bulk_create([User(email="ADA@EXAMPLE.ORG", username="other")])
    assert User.objects.count() == 1


def test_somebody_without_a_password_cannot_sign_in() -> None:
    User.objects.create_user("ada@example.org")
    assert authenticate(username="ada@example.org", password="") is None


def test_an_admin_has_every_permission_until_switched_off() -> None:
    ada = User.objects.create_user("ada@example.org", is_staff=True)
    bob = User.objects.create_user("bob@example.org")
    assert ada.has_perm("telemetry.view_session")
    assert not bob.has_perm("telemetry.view_session")
    ada.is_active = False
    assert not ada.has_perm("telemetry.view_session")
