"""Acceptance 9: what `agnes mark-private` names, and its forks, stay out of usage_events."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import AuditEvent, User
from benchmarks.transcript_lines import encode
from telemetry.erasure import finish_erasures
from telemetry.models import Session, UsageEvent, UsageResponse, UsageSessionSummary
from tests.acceptance.conftest import LaptopOf
from tests.agnes_cli.laptop import Laptop
from tests.telemetry.processed_sessions import empty_storage, mirrored, turns
from tests.telemetry.transcript_lines import session_of

pytestmark = pytest.mark.django_db(transaction=True)

OWN, FORK, OTHER = session_of("nine own"), session_of("nine fork"), session_of("nine other")


@pytest.fixture
def laptop(laptop_of: LaptopOf) -> Laptop:
    empty_storage()
    return laptop_of(User.objects.create_user("ada@example.org", username="ada"))


def days(*ago: int) -> Sequence[datetime]:
    return [timezone.now() - timedelta(days=one) for one in ago]


def write(laptop: Laptop) -> None:
    own = turns(OWN, days(3, 2))
    copied = [
        json.loads(raw) | {"sessionId": FORK, "forkedFrom": {"sessionId": OWN, "messageUuid": "x"}}
        for raw in encode(own).splitlines()
    ]
    fork = b"".join(json.dumps(line).encode() + b"\n" for line in copied)
    laptop.write(OWN, encode(own))
    laptop.write(FORK, fork + encode(turns(FORK, days(1))))
    laptop.write(OTHER, encode(turns(OTHER, days(1))))


def counted() -> set[str]:
    """Sessions of which anything is left anywhere."""
    call_command("usage_process", "--processes", "1", stdout=StringIO())
    found = {row[0] for row in mirrored("SELECT DISTINCT session_id FROM usage_events")}
    for model in (UsageEvent, UsageResponse, UsageSessionSummary, Session):
        found.update(model._default_manager.values_list("session_id", flat=True))
    return found


def test_a_private_session_and_its_fork_are_not_in_usage_events(laptop: Laptop) -> None:
    write(laptop)
    laptop.ask("mark-private", OWN)
    assert laptop.push()["private"] == 2
    assert counted() == {OTHER}
    assert AuditEvent.objects.filter(action="session.mark_private").exists()


def test_with_purge_also_what_was_uploaded_is_gone(laptop: Laptop) -> None:
    write(laptop)
    laptop.push()
    assert counted() == {OWN, FORK, OTHER}
    calls = mirrored("SELECT sum(invocations) FROM usage_tool_daily")

    told = laptop.ask("mark-private", OWN, "--purge")
    finish_erasures(now=timezone.now())

    assert sorted(told["purged"]) == sorted([OWN, FORK])
    assert counted() == {OTHER}
    assert mirrored("SELECT sum(invocations) FROM usage_tool_daily") < calls
    laptop.write(OWN, encode(turns(OWN, days(3, 2, 0))))  # it goes on
    laptop.push()
    assert counted() == {OTHER}
