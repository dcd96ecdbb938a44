"""Acceptance 7: reprocess clears and restores, touches nothing else, and loses nothing."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from accounts.tokens import issue_token
from benchmarks.transcript_lines import encode
from telemetry import mirror
from telemetry.models import ProcessorState, Session, UsageEvent, UsageResponse
from tests.acceptance.conftest import LaptopOf
from tests.agnes_cli.laptop import Laptop
from tests.telemetry.processed_sessions import days_ago, empty_storage, figures, mirrored, turns
from tests.telemetry.transcript_lines import session_of

pytestmark = pytest.mark.django_db(transaction=True)
SHOWN = (
    "SELECT * FROM usage_tool_daily ORDER BY ALL",
    "SELECT * FROM usage_user_daily ORDER BY ALL",
    "SELECT session_id, tool_calls, responses, input_tokens FROM usage_session_summary "
    "ORDER BY ALL",
)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    settings.USAGE_TRANSCRIPTS_RETENTION_DAYS = 1000
    mirror.close()
    empty_storage()
    yield
    mirror.close()


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("root@example.org", username="root")


@pytest.fixture
def seeded(tmp_path: Path) -> None:
    """Two people's sessions imported and processed; the transcript of a very old one is gone."""
    root = tmp_path / "people"
    for person, name, days in [
        ("ada", "recent", (40, 2, 1)),
        ("ada", "ancient", (4000, 3999)),
        ("bob", "other", (70, 1, 0)),
    ]:
        folder = root / person
        folder.mkdir(parents=True, exist_ok=True)
        session_id = session_of(name)
        content = encode(turns(session_id, days_ago(*days)))
        (folder / f"{session_id}.jsonl").write_bytes(content)
    call_command(
        "usage_import", str(root), "--users-from-folders", "--processes", "1", stdout=StringIO()
    )
    call_command("usage_process", "--processes", "1", stdout=StringIO())
    call_command("usage_prune", stdout=StringIO())
    assert Session.objects.filter(transcript_dropped_at__isnull=False).count() == 1


def by_command(admin: User, laptop: Laptop) -> None:
    call_command("usage_reprocess", "--yes", stdout=StringIO())


def by_api(admin: User, laptop: Laptop) -> None:
    _, text = issue_token(
        by=admin,
        user=admin,
        name="test",
        scopes=["admin"],
        now=timezone.now(),
        door=AuditEvent.Door.API,
    )
    answer = Client().post(
        "/api/admin/usage/reprocess",
        {"yes": True},
        content_type="application/json",
        headers={"Authorization": f"Bearer {text}"},
    )
    assert answer.status_code == 200
    assert answer.json()["skipped"] == [f"{session_of('ancient')}.jsonl"]


def by_client(admin: User, laptop: Laptop) -> None:
    assert "--yes does it" in laptop.run("admin", "usage", "reprocess")[1]
    told = laptop.ask("admin", "usage", "reprocess", "--yes")
    assert told["skipped"] == [f"{session_of('ancient')}.jsonl"]


def shown() -> list[Any]:
    return [mirrored(sql) for sql in SHOWN]


def stored_events() -> dict[int, dict[str, Any]]:
    """Every event with all it says, but for when it was extracted."""
    columns = [field.name for field in UsageEvent._meta.concrete_fields]
    columns.remove("extracted_at")
    return {row["id"]: row for row in UsageEvent.objects.values(*columns)}


@pytest.mark.parametrize("reprocess", [by_command, by_api, by_client])
@pytest.mark.usefixtures("seeded")
def test_reprocess_clears_and_everything_comes_back(
    reprocess: Any, admin: User, laptop_of: LaptopOf
) -> None:
    verification = list(ProcessorState.objects.filter(processor="verification").values())
    events = stored_events()
    gone = {pk for pk, row in events.items() if row["session_id"] == session_of("ancient")}
    before, pages = figures(), shown()

    reprocess(admin, laptop_of(admin))
    mirror.sync(now=timezone.now())

    assert set(UsageEvent.objects.values_list("pk", flat=True)) == gone
    assert set(UsageResponse.objects.values_list("session_id", flat=True)) == {
        session_of("ancient")
    }
    usage = ProcessorState.objects.filter(processor="usage")
    assert sorted(usage.values_list("status", flat=True)) == ["done", "due", "due"]
    assert list(ProcessorState.objects.filter(processor="verification").values()) == verification
    assert mirrored("SELECT count(*) FROM usage_events") == [(len(gone),)]
    assert (figures(), shown()) == (before, pages)  # pages do not go dark meanwhile

    call_command("usage_process", "--processes", "1", stdout=StringIO())

    assert (figures(), shown()) == (before, pages)
    assert stored_events() == events
    assert len(events) == 16
    assert not usage.exclude(status="done").exists()
    assert list(ProcessorState.objects.filter(processor="verification").values()) == verification
    assert AuditEvent.objects.filter(action="usage.reprocess").count() == 1
