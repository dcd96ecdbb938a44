"""The export holds every seeded event of the range, the same rows in each format."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet
import pytest
from django.core.management import call_command
from django.test import Client

from accounts import audit
from accounts.models import AuditEvent, Scope, User
from accounts.tokens import issue_token
from telemetry.models import UsageEvent

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 12, 15, tzinfo=UTC)
SINCE = datetime(2026, 5, 1, tzinfo=UTC)
Row = tuple[str, ...]
COLUMNS = ("id", "username", "event_type", "tool_name", "outcome", "source", "occurred_at")


@pytest.fixture
def admin() -> User:
    return User.objects.create_user("ada@example.org", is_staff=True)


@pytest.fixture
def headers(admin: User) -> dict[str, str]:
    _, text = issue_token(
        by=admin, user=admin, name="bi", scopes=[Scope.ADMIN], now=NOW, door=audit.Door.COMMAND
    )
    return {"Authorization": f"Bearer {text}"}


def export(client: Client, headers: dict[str, str], format: str) -> bytes:
    address = f"/api/admin/usage/export?format={format}&since=2026-05-01"
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200
    assert answer.streaming
    return answer.getvalue()


def text_of(value: Any) -> str:
    if value is None:
        return ""
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else str(value)


def rows_of(records: Any) -> list[Row]:
    return sorted(tuple(text_of(record[name]) for name in COLUMNS) for record in records)


def test_csv_json_and_parquet_hold_all_seeded_events_since_a_day(
    client: Client, admin: User, headers: dict[str, str]
) -> None:
    call_command("seed_demo", now=NOW, days=16, people=4, verbosity=0)
    seeded = UsageEvent.objects.filter(occurred_at__gte=SINCE).values(*COLUMNS)
    # Days before the range are in the database and must not be in the export.
    assert 0 < len(seeded) < UsageEvent.objects.count()
    wanted = rows_of(seeded)

    as_csv = csv.DictReader(io.StringIO(export(client, headers, "csv").decode(), newline=""))
    assert rows_of(as_csv) == wanted
    array = json.loads(export(client, headers, "json"))
    assert isinstance(array, list)
    assert rows_of(array) == wanted
    table = pyarrow.parquet.read_table(io.BytesIO(export(client, headers, "parquet")))
    assert rows_of(table.to_pylist()) == wanted

    audited = AuditEvent.objects.filter(action="usage.export", actor=admin)
    assert [row.details["row_count"] for row in audited] == [len(wanted)] * 3
    assert all(row.details["completed"] for row in audited)


def test_nobody_but_an_admin_exports(client: Client) -> None:
    address = "/api/admin/usage/export?format=csv&since=2026-05-01"
    assert client.get(address).status_code == 401
    client.force_login(User.objects.create_user("bob@example.org"))
    assert client.get(address).status_code == 403
