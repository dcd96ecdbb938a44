from datetime import UTC, datetime

import pytest
from django.contrib.auth import authenticate
from django.test import Client

from accounts import audit
from accounts.models import ApiToken, AuditEvent, User
from accounts.tokens import issue_token

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def ada(client: Client) -> User:
    ada = User.objects.create_user("ada@example.org", is_staff=True)
    client.force_login(ada)
    return ada


@pytest.fixture
def token(ada: User) -> ApiToken:
    token, _ = issue_token(
        by=ada, user=ada, name="laptop", scopes=["push"], now=NOW, door=audit.Door.PAGE
    )
    return token


@pytest.mark.parametrize(
    "address",
    [
        "/admin/",
        "/admin/accounts/user/?q=ada&is_staff__exact=1",
        "/admin/accounts/user/add/",
        "/admin/accounts/apitoken/?q=laptop&state=usable",
        "/admin/accounts/apitoken/?state=expired",
        "/admin/accounts/apitoken/?state=revoked",
        "/admin/accounts/auditevent/?q=token&result__exact=ok",
    ],
)
def test_every_page_opens(client: Client, token: ApiToken, address: str) -> None:
    assert client.get(address).status_code == 200


def test_every_row_opens(client: Client, ada: User, token: ApiToken) -> None:
    event = AuditEvent.objects.get(action="token.create")
    assert client.get(f"/admin/accounts/user/{ada.pk}/change/").status_code == 200
    assert client.get(f"/admin/accounts/auditevent/{event.pk}/change/").status_code == 200
    page = client.get(f"/admin/accounts/apitoken/{token.pk}/change/")
    assert page.status_code == 200
    assert token.digest not in page.content.decode()


def test_somebody_who_is_no_admin_sees_the_sign_in_page(client: Client) -> None:
    client.force_login(User.objects.create_user("bob@example.org"))
    response = client.get("/admin/accounts/user/")
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/admin/login/")


def test_an_admin_adds_a_person(client: Client, ada: User) -> None:
    response = client.post(
        "/admin/accounts/user/add/",
        {
            "email": "Bob@example.org",
            "name": "Bob",
            "usable_password": "true",
            "password1": "correct horse battery",
            "password2": "correct horse battery",
        },
    )
    assert response.status_code == 302, response.content
    bob = authenticate(username="bob@example.org", password="correct horse battery")
    assert isinstance(bob, User)
    assert (bob.username, bob.is_staff) == ("bob", False)


def test_the_audit_trail_can_only_be_read(client: Client, token: ApiToken) -> None:
    event = AuditEvent.objects.get(action="token.create")
    assert client.get("/admin/accounts/auditevent/add/").status_code == 403
    assert client.post(f"/admin/accounts/auditevent/{event.pk}/delete/").status_code == 403
    assert client.post(f"/admin/accounts/auditevent/{event.pk}/change/").status_code == 403
    assert AuditEvent.objects.filter(pk=event.pk).exists()


def test_tokens_are_revoked_by_the_action(client: Client, ada: User, token: ApiToken) -> None:
    response = client.post(
        "/admin/accounts/apitoken/", {"action": "revoke", "_selected_action": [token.pk]}
    )
    assert response.status_code == 302
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert AuditEvent.objects.get(action="token.revoke").actor == ada
