import io
import re
import sys

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from accounts.models import ApiToken, AuditEvent, User

pytestmark = pytest.mark.django_db


def output_of(*command: str) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_create_admin_makes_a_password_and_shows_it() -> None:
    out = output_of("create_admin", "Ada@example.org")
    found = re.search(r"shown only now: (\S+)", out)
    assert found is not None
    ada = authenticate(username="ada@example.org", password=found[1])
    assert isinstance(ada, User)
    assert ada.is_staff
    assert AuditEvent.objects.get().action == "user.create_admin"


def test_create_admin_takes_the_password_from_standard_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse battery\n"))
    out = output_of("create_admin", "ada@example.org", "--password-stdin")
    assert "correct horse" not in out
    assert authenticate(username="ada@example.org", password="correct horse battery")


def test_create_admin_refuses_an_address_that_exists_and_says_what_to_do() -> None:
    User.objects.create_user("ada@example.org")
    with pytest.raises(CommandError, match=r"changepassword ada@example\.org"):
        output_of("create_admin", "ADA@example.org")


@pytest.mark.parametrize(("email", "password"), [("ada", "long enough 123"), ("a@b.org", "short")])
def test_create_admin_refuses_bad_addresses_and_weak_passwords(
    monkeypatch: pytest.MonkeyPatch, email: str, password: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
    with pytest.raises(CommandError):
        output_of("create_admin", email, "--password-stdin")
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["ada", "Ada@example.org"])
def test_create_token_prints_the_token_alone(name: str) -> None:
    User.objects.create_user("ada@example.org")
    assert re.fullmatch(r"agn_[0-9A-Za-z]{49}\n", output_of("create_token", name))
    assert ApiToken.objects.get().scopes == ["push", "read"]


def test_create_token_names_an_unknown_user() -> None:
    with pytest.raises(CommandError, match="No user 'bob'"):
        output_of("create_token", "bob")


def test_create_token_refuses_the_admin_scope_for_others() -> None:
    User.objects.create_user("ada@example.org")
    with pytest.raises(CommandError, match="is no admin"):
        output_of("create_token", "ada", "--scope", "admin")


@pytest.mark.parametrize("days", [0, -3, 99_999_999])
def test_a_token_for_days_that_cannot_be_is_refused(days: int) -> None:
    User.objects.create_user("ada@example.org")
    with pytest.raises(CommandError, match="--days must be 1 or more"):
        call_command("create_token", "ada@example.org", f"--days={days}")
