"""No room: SQLite says so itself once its file may not grow."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.full_disks import is_disk_full
from accounts.models import User
from telemetry.models import ProcessorState
from telemetry.processors.base import Claim
from telemetry.processors.claims import MAX_ATTEMPTS, give_back
from tests.telemetry.usage_rows import make_session, make_user


@pytest.fixture
def full_database() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        (pages,) = cursor.fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        yield
        cursor.execute("PRAGMA max_page_count = 1073741823")


@pytest.mark.django_db(transaction=True)
def test_an_upload_is_507_in_the_envelope(
    client: Client, settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("SQLite can be told how large its file may grow")
    client.force_login(User.objects.create_user("ada@example.org"))
    lines = "\n".join(
        json.dumps(
            {
                "type": "user",
                "uuid": f"u{number}",
                "sessionId": f"s{number}" + "x" * 180,
                "timestamp": "2026-05-01T09:00:00Z",
                "message": {"role": "user", "content": "hello"},
            }
        )
        for number in range(200)
    )
    request.getfixturevalue("full_database")

    answer = client.post("/api/sessions?name=s.jsonl", lines, content_type="application/x-ndjson")

    assert answer.status_code == 507, answer.content
    error = answer.json()["error"]
    assert error["code"] == "storage_full"
    assert "AGNES_DATA_DIR" in error["message"]
    assert error["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.django_db
def test_a_full_disk_costs_a_session_no_attempt() -> None:
    now = timezone.now()
    state = ProcessorState.objects.create(
        processor="usage",
        session=make_session(make_user("ada"), "s1"),
        attempts=MAX_ATTEMPTS,
        claim_token=1,
    )
    claim = Claim(state.pk, state.session_id, 1)
    give_back(claim, OSError(28, "No space left on device"), now=now)
    state.refresh_from_db()
    assert (state.status, state.attempts) == (ProcessorState.Status.FAILED, MAX_ATTEMPTS - 1)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(28, "No space left on device"), True),
        (OSError(13, "Permission denied"), False),
        (duckdb.IOException("Could not write file: No space left on device"), True),
        # A person's words are no sign of anything.
        (ValueError("the disk is full"), False),
    ],
)
def test_full_disks_are_told_by_who_knows(error: Exception, full: bool) -> None:
    assert is_disk_full(error) is full
    outer = RuntimeError("it failed")
    outer.__cause__ = error
    assert is_disk_full(outer) is full
