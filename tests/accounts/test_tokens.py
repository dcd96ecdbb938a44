from datetime import UTC, datetime, timedelta

import pytest

from accounts import audit
from accounts.models import ApiToken, AuditEvent, User
from accounts.tokens import (
    ExpiredToken,
    InactiveUser,
    InvalidToken,
    RevokedToken,
    UnusableTokenRequest,
    find_token,
    issue_token,
    revoke_token,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOOR = audit.Door.COMMAND


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org")


def issue(user: User, **changes: object) -> tuple[ApiToken, str]:
    arguments: dict[str, object] = {
        "by": user,
        "user": user,
        "name": "laptop",
        "scopes": ["push"],
        "now": NOW,
        "door": DOOR,
    }
    return issue_token(**{**arguments, **changes})  # type: ignore[arg-type]


def test_a_token_is_found_again_by_its_text(ada: User) -> None:
    token, text = issue(ada)
    assert find_token(text, now=NOW) == token
    assert text.startswith("agn_")
    assert len(text) == 4 + 43 + 6


def test_the_text_of_a_token_is_stored_nowhere(ada: User) -> None:
    token, text = issue(ada)
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    assert text not in str(row)
    assert text[4:47] not in str(row)


@pytest.mark.parametrize("position", [4, 30, 47, 52])
def test_a_token_with_one_wrong_sign_is_refused_without_a_query(
    ada: User, position: int, django_assert_num_queries: object
) -> None:
    _, text = issue(ada)
    wrong = "A" if text[position] != "A" else "B"
    with django_assert_num_queries(0), pytest.raises(InvalidToken):  # type: ignore[operator]
        find_token(text[:position] + wrong + text[position + 1 :], now=NOW)


def test_a_well_formed_token_of_another_instance_is_refused(ada: User) -> None:
    token, text = issue(ada)
    token.delete()
    with pytest.raises(InvalidToken):
        find_token(text, now=NOW)


def test_a_revoked_token_is_refused_and_keeps_its_first_date(ada: User) -> None:
    token, text = issue(ada)
    revoke_token(by=ada, token=token, now=NOW, door=DOOR)
    revoke_token(by=ada, token=token, now=NOW + timedelta(days=1), door=DOOR)
    with pytest.raises(RevokedToken):
        find_token(text, now=NOW)
    token.refresh_from_db()
    assert token.revoked_at == NOW
    assert AuditEvent.objects.filter(action="token.revoke", subject=ada).count() == 1


def test_a_token_ends_at_the_instant_of_its_expiry(ada: User) -> None:
    _, text = issue(ada, expires_at=NOW + timedelta(hours=1))
    assert find_token(text, now=NOW + timedelta(minutes=59)).user == ada
    with pytest.raises(ExpiredToken):
        find_token(text, now=NOW + timedelta(hours=1))


def test_the_token_of_a_switched_off_account_is_refused(ada: User) -> None:
    _, text = issue(ada)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    with pytest.raises(InactiveUser):
        find_token(text, now=NOW)


def test_the_last_use_is_written_at_most_once_a_minute(ada: User) -> None:
    token, text = issue(ada)
    for seconds in (0, 59, 60, 61):
        find_token(text, now=NOW + timedelta(seconds=seconds))
        token.refresh_from_db()
        assert token.last_used_at == NOW + timedelta(seconds=0 if seconds < 60 else 60)


@pytest.mark.parametrize(
    "changes",
    [
        {"scopes": []},
        {"scopes": ["push", "root"]},
        {"scopes": ["admin"]},  # Ada is no admin.
        {"expires_at": NOW},
    ],
)
def test_a_token_that_could_not_be_used_is_not_made(ada: User, changes: dict[str, object]) -> None:
    with pytest.raises(UnusableTokenRequest):
        issue(ada, **changes)
    assert not ApiToken.objects.exists()
    assert not AuditEvent.objects.exists()


def test_making_a_token_leaves_an_audit_row_without_its_text(ada: User) -> None:
    _, text = issue(ada)
    event = AuditEvent.objects.get(action="token.create")
    assert event.actor == event.subject == ada
    assert event.details["scopes"] == ["push"]
    assert text not in str(event.details)
