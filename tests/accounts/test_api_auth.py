"""Tokens and sessions through the real API stack."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from pytest_django import Settings

from accounts import audit
from accounts.models import User
from accounts.tokens import issue_token, revoke_token
from tests.agnes_project import test_api_errors

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _routes(settings: Settings) -> None:
    settings.ROOT_URLCONF = test_api_errors.__name__


def bearer(user: User, *scopes: str) -> dict[str, str]:
    _, text = issue_token(
        by=user, user=user, name="t", scopes=list(scopes), now=NOW, door=audit.Door.COMMAND
    )
    return {"Authorization": f"Bearer {text}"}


def test_a_token_may_do_what_its_scopes_say(client: Client) -> None:
    headers = bearer(User.objects.create_user("ada@example.org"), "push")
    allowed = client.get("/api/sample/scoped/push", headers=headers)
    refused = client.get("/api/sample/scoped/read", headers=headers)
    assert (allowed.status_code, allowed.json()) == (200, "ada")
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "missing_scope"


@pytest.mark.parametrize(
    ("is_staff", "scopes", "status", "code"),
    [
        (True, ["admin"], 200, None),
        (True, ["push", "read"], 403, "missing_scope"),
        (False, ["push", "read"], 403, "admin_only"),
    ],
)
def test_admin_needs_the_account_and_the_scope(
    client: Client, is_staff: bool, scopes: list[str], status: int, code: str | None
) -> None:
    ada = User.objects.create_user("ada@example.org", is_staff=is_staff)
    response = client.get("/api/sample/admin-only", headers=bearer(ada, *scopes))
    assert response.status_code == status
    assert code is None or response.json()["error"]["code"] == code


def test_an_admin_token_loses_its_power_with_the_account(client: Client) -> None:
    ada = User.objects.create_user("ada@example.org", is_staff=True)
    headers = bearer(ada, "admin")
    User.objects.filter(pk=ada.pk).update(is_staff=False)
    response = client.get("/api/sample/admin-only", headers=headers)
    assert response.json()["error"]["code"] == "admin_only"


def test_a_bad_token_is_refused_even_beside_a_good_session(client: Client) -> None:
    client.force_login(User.objects.create_user("ada@example.org"))
    response = client.get(
        "/api/sample/scoped/read", headers={"Authorization": "Bearer agn_nonsense"}
    )
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_token"
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_session_has_every_scope_its_account_has(client: Client) -> None:
    client.force_login(User.objects.create_user("ada@example.org"))
    assert client.get("/api/sample/scoped/read").status_code == 200
    assert client.get("/api/sample/admin-only").json()["error"]["code"] == "admin_only"


def test_revoked_tokens_and_switched_off_people_are_refused(client: Client) -> None:
    ada = User.objects.create_user("ada@example.org")
    headers = bearer(ada, "read")
    revoke_token(by=ada, token=ada.tokens.get(), now=NOW, door=audit.Door.PAGE)
    assert client.get("/api/sample/scoped/read", headers=headers).status_code == 401

    headers = bearer(ada, "read")
    client.force_login(ada)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert client.get("/api/sample/scoped/read", headers=headers).status_code == 401
    assert client.get("/api/sample/scoped/read").status_code == 401
