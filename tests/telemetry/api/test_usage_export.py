import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts import audit
from accounts.models import AuditEvent, User
from accounts.tokens import issue_token
from telemetry import mirror
from tests.telemetry.usage_rows import fill_session, make_session, make_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
URL = "/api/admin/usage/export"


@pytest.fixture(autouse=True)
def mirror_folder(tmp_path: Path, settings: Any) -> None:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"


@pytest.fixture
def admin() -> User:
    return User.objects.create_user("root@example.org", username="root", is_staff=True)


@pytest.fixture
def api(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


@pytest.fixture
def _events() -> None:
    fill_session(make_session(make_user("ada"), "s1"))
    mirror.sync(now=NOW)


@pytest.mark.usefixtures("_events")
def test_an_admin_gets_a_stream_with_a_sensible_file_name(api: Client, admin: User) -> None:
    answer = api.get(URL, {"format": "json", "since": "2026-05-01"})
    assert answer.status_code == 200
    assert answer.streaming
    assert answer["Content-Type"] == "application/json"
    assert answer["Content-Disposition"] == 'attachment; filename="usage_events_2026-05-01.json"'
    assert len(json.loads(answer.getvalue())) == 20
    event = AuditEvent.objects.get(action="usage.export")
    assert (event.actor, event.door, event.details["completed"]) == (admin, "api", True)


@pytest.mark.usefixtures("_events")
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"since": "2026-05-02", "until": "2026-05-01"}, "export_refused"),
        ({"since": "soon"}, "export_refused"),
        ({"format": "xml"}, "export_refused"),
        ({"table": "accounts_apitoken"}, "export_refused"),
        ({"user_id": "9999"}, "export_refused"),
        ({"source": "x' OR 1=1 --"}, "export_refused"),
    ],
)
def test_a_bad_filter_is_400_with_the_fix(api: Client, query: dict[str, str], code: str) -> None:
    answer = api.get(URL, query)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["fix"]


def test_without_a_mirror_it_is_503_with_the_fix(api: Client) -> None:
    answer = api.get(URL)
    assert answer.status_code == 503
    assert "usage_mirror rebuild" in answer.json()["error"]["fix"]


def test_others_than_admins_are_refused() -> None:
    assert Client().get(URL).status_code == 401
    ada = make_user("ada")
    client = Client()
    client.force_login(ada)
    assert client.get(URL).status_code == 403


@pytest.mark.usefixtures("_events")
def test_an_admins_token_needs_the_admin_scope(admin: User) -> None:
    for scope, status in (("read", 403), ("admin", 200)):
        _, text = issue_token(
            by=admin, user=admin, name=scope, scopes=[scope], now=datetime.now(UTC),
            door=audit.Door.COMMAND,
        )  # fmt: skip
        answer = Client().get(URL, headers={"Authorization": f"Bearer {text}"})
        assert answer.status_code == status
        if answer.streaming:
            answer.getvalue()


# The end of a request closes the database connection, so this needs real transactions.
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_events")
def test_a_reader_who_leaves_is_audited_as_incomplete(api: Client) -> None:
    answer = api.get(URL)
    next(iter(answer.streaming_content))  # type: ignore[attr-defined]
    answer.close()
    assert AuditEvent.objects.get(action="usage.export").details["completed"] is False
