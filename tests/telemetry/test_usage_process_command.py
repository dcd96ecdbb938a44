"""usage_process: all that is due, told to people, scripts and schedulers."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from telemetry import mirror
from telemetry.models import ProcessorState, TranscriptSegment, UsageEvent
from telemetry.processors import by_name
from telemetry.processors.claims import MAX_ATTEMPTS
from telemetry.transcript_blobs import transcripts
from tests.telemetry.processed_sessions import empty_storage, mirrored, store_session

pytestmark = pytest.mark.django_db


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield
    mirror.close()


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org")


def run(*arguments: str) -> str:
    told = StringIO()
    call_command("usage_process", "--processes", "1", *arguments, stdout=told, stderr=StringIO())
    return told.getvalue()


def break_transcript() -> None:
    """The stored bytes are no zstd frame any more."""
    blob = TranscriptSegment.objects.get().blob
    Path(transcripts().path(blob)).write_bytes(b"damaged")


def test_what_is_due_is_processed_and_shown(ada: User) -> None:
    store_session(ada, "one", 1)

    told = run()

    assert told.startswith("Processed 2 sessions (0.0 MB)")
    assert mirrored("SELECT count(*) FROM usage_events") == [(2,)]
    assert AuditEvent.objects.get(action="usage.process").details["sessions"] == 2


def test_one_processor_can_be_chosen(ada: User) -> None:
    store_session(ada, "one", 1)

    told = run("--processor", "verification", "--json")

    assert json.loads(told)["sessions"] == 1
    assert not UsageEvent.objects.exists()
    states = dict(ProcessorState.objects.values_list("processor", "status"))
    assert states == {"usage": "due", "verification": "done"}


def test_a_failure_is_told_and_only_quarantine_fails(ada: User) -> None:
    store_session(ada, "one", 1)
    break_transcript()

    assert json.loads(run("--json"))["failed"] == 2

    ProcessorState.objects.update(attempts=MAX_ATTEMPTS - 1, due_at="2026-01-01T00:00Z")
    with pytest.raises(CommandError, match="2 sessions were quarantined"):
        run()

    assert json.loads(run("--json"))["failed"] == 0  # they are not tried again
    assert set(ProcessorState.objects.values_list("status", flat=True)) == {"quarantined"}


def test_failed_and_quarantined_sessions_are_tried_again_when_asked_for(ada: User) -> None:
    store_session(ada, "one", 1)
    ProcessorState.objects.filter(processor="usage").update(
        status="quarantined", due_at=None, version=by_name("usage").version
    )
    ProcessorState.objects.filter(processor="verification").update(
        status="failed", due_at="2999-01-01T00:00Z"
    )
    assert json.loads(run("--json"))["sessions"] == 0

    assert json.loads(run("--json", "--retry-failed"))["retried"] == 2

    assert set(ProcessorState.objects.values_list("status", flat=True)) == {"done"}


def test_a_terminal_sees_progress_and_a_pipe_does_not(ada: User) -> None:
    store_session(ada, "one", 1)
    terminal, pipe = Terminal(), StringIO()

    call_command("usage_process", "--processes", "1", stdout=StringIO(), stderr=terminal)
    store_session(ada, "two", 1)
    call_command("usage_process", "--processes", "1", stdout=StringIO(), stderr=pipe)

    assert "1 of 2 sessions" in terminal.getvalue()
    assert pipe.getvalue() == ""


def test_a_number_of_processes_that_means_nothing_is_refused() -> None:
    with pytest.raises(CommandError, match="must be 1 or more"):
        call_command("usage_process", "--processes", "0")
