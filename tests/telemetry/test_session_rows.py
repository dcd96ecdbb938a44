"""Which sessions a stored file makes or changes, and what is due for them."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import User
from telemetry import processors
from telemetry.models import (
    ProcessorState,
    Session,
)
from telemetry.session_rows import PROCESSORS
from telemetry.transcript_store import Status, accept
from tests.telemetry.transcript_lines import line, session_of, transcript

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

LATER = NOW + timedelta(hours=1)

SID = session_of("first")

NAME = f"{SID}.jsonl"


def test_a_session_gets_its_rows_and_is_due_for_every_processor(ada: User) -> None:
    content = transcript(SID, range(3))
    accept(user=ada, name=NAME, content=content, now=NOW)

    session = Session.objects.get()
    assert (session.session_id, session.session_file, session.size) == (SID, NAME, len(content))
    due = ProcessorState.objects.filter(session=session, status="due", due_at=NOW, attempts=0)
    assert set(due.values_list("processor", flat=True)) == set(PROCESSORS)


def test_due_rows_are_made_for_exactly_the_registered_processors() -> None:
    assert set(PROCESSORS) == set(processors.names())


def test_a_processed_session_is_due_again_when_a_subagent_file_arrives(ada: User) -> None:
    accept(user=ada, name=NAME, content=transcript(SID, range(3)), now=NOW)
    before = Session.objects.get().content_hash
    ProcessorState.objects.update(status="quarantined", due_at=None, attempts=3)

    accept(user=ada, name=f"{SID}/agent-1a.jsonl", content=line(SID, 7), now=LATER)

    session = Session.objects.get()
    assert session.content_hash != before
    assert session.files.count() == 2
    states = set(ProcessorState.objects.values_list("status", "due_at", "attempts"))
    assert states == {("due", LATER, 0)}


def test_growth_by_lines_without_identity_makes_the_session_due(ada: User) -> None:
    content = transcript(SID, range(3))
    accept(user=ada, name=NAME, content=content, now=NOW)
    title = b'{"type":"ai-title","sessionId":"%s","aiTitle":"Till"}\n' % SID.encode()

    assert accept(user=ada, name=NAME, content=content + title, now=LATER).status == Status.GROWN
    assert Session.objects.get().uploaded_at == LATER


def test_lines_of_two_sessions_in_one_file_belong_to_both(ada: User) -> None:
    other = session_of("second")

    accept(user=ada, name="notes.jsonl", content=line(SID, 0) + line(other, 0), now=NOW)

    assert set(Session.objects.values_list("session_id", flat=True)) == {SID, other}


def test_the_same_session_of_two_people_is_two_sessions_with_names_of_their_own(
    ada: User, bob: User
) -> None:
    for user in (ada, bob):
        accept(user=user, name=NAME, content=transcript(SID, range(3)), now=NOW)

    names = dict(Session.objects.values_list("user__username", "session_file"))
    assert names == {"ada": NAME, "bob": f"{SID}@bob.jsonl"}
