"""Asked questions go by their own retention; saved ones stay."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import AuditEvent, User
from telemetry.models import AskedQuestion, SavedQuestion
from telemetry.retention import Retention, plan_prune, prune

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)


def test_old_questions_go_and_threads_saved_ones_and_the_audit_trail_stay() -> None:
    ada = User.objects.create_user("ada@example.org", is_staff=True)
    midnight = datetime(2026, 6, 5, tzinfo=UTC)
    old, kept = (
        AskedQuestion.objects.create(
            user=ada, text=text, origin="generated", outcome="ok", door="page", asked_at=at
        )
        for text, at in (("old", midnight - timedelta(seconds=1)), ("kept", midnight))
    )
    AskedQuestion.objects.filter(pk=kept.pk).update(follows=old)
    SavedQuestion.objects.create(
        user=ada, name="n", sql="SELECT 1", created_at=old.asked_at, updated_at=old.asked_at
    )
    keep = Retention(questions=10)

    assert plan_prune(keep, now=NOW).questions == 1
    report = prune(keep, by=None, door=AuditEvent.Door.COMMAND, now=NOW)

    assert report.questions == 1
    assert [(q.text, q.follows_id) for q in AskedQuestion.objects.all()] == [("kept", None)]
    assert SavedQuestion.objects.count() == 1
    assert AuditEvent.objects.get(action="usage.prune").details["questions"] == 1


def test_zero_keeps_them_for_ever() -> None:
    AskedQuestion.objects.create(
        text="old",
        origin="generated",
        outcome="ok",
        door="command",
        asked_at=NOW.replace(year=1999),
    )
    assert prune(Retention(), by=None, door=AuditEvent.Door.COMMAND, now=NOW).questions == 0
    assert AskedQuestion.objects.count() == 1
