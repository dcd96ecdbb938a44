"""Which sessions a transcript file holds: their rows, content hashes and what is due for them.

Everything here runs inside the transaction that stores the file, under the person's lock.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import connection

from accounts.models import User
from telemetry.bulk import time_value
from telemetry.bulk_updates import update_rows
from telemetry.content_hashes import session_digest
from telemetry.models import Session, SessionFile, TranscriptFile
from telemetry.transcript_names import session_file_name

PROCESSORS = ("usage", "verification")
"""The registered processors, by name; telemetry.processors registers exactly these."""

BATCH = 500


def link_sessions(
    user: User, files: Mapping[TranscriptFile, Collection[str]], *, now: datetime
) -> None:
    """Bring sessions up to date with files whose content changed and the ids found in them."""
    if not files:
        return
    sessions = _sessions(user, sorted({one for ids in files.values() for one in ids}), now=now)
    SessionFile.objects.bulk_create(
        (
            SessionFile(session=sessions[session_id], file=file)
            for file, ids in files.items()
            for session_id in ids
        ),
        ignore_conflicts=True,
        batch_size=BATCH,
    )
    # A file may hold sessions that only its earlier revisions name.
    touched = SessionFile.objects.filter(file__in=list(files)).values_list("session_id", flat=True)
    refresh_sessions(set(touched), now=now)


def refresh_sessions(session_pks: Collection[int], *, now: datetime) -> None:
    """Recompute content hash and size of sessions from their files, and mark them due."""
    pks = sorted(session_pks)
    for at in range(0, len(pks), BATCH):
        _refresh(pks[at : at + BATCH], now=now)


def mark_due(session_pks: Collection[int], *, now: datetime) -> None:
    """Every processor has to look at these sessions again, whatever came of them before.

    A claim that is under way keeps its time: whoever holds it sees at its end that the session
    grew and leaves it due, so a session that grows all the time is not passed from hand to hand.
    One that waits already keeps its turn: of two people's copies the first that came is counted.
    """
    rows = [(processor, pk, now) for pk in session_pks for processor in PROCESSORS]
    with connection.cursor() as cursor:
        cursor.executemany(_MARK_DUE, [(*row[:2], time_value(row[2])) for row in rows])


_MARK_DUE = """
    INSERT INTO session_processor_state AS state
        (processor, session_id, status, due_at, attempts, content_hash, version, error,
         claim_token, claimed_by)
    VALUES (%s, %s, 'due', %s, 0, '', 0, '', 0, '')
    ON CONFLICT (processor, session_id) DO UPDATE SET
        status = 'due',
        attempts = 0,
        due_at = CASE WHEN state.due_at < excluded.due_at OR state.claimed_by <> ''
            THEN state.due_at ELSE excluded.due_at END
"""


def _refresh(pks: list[int], *, now: datetime) -> None:
    contents: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
    links = SessionFile.objects.filter(session_id__in=pks)
    for pk, name, digest, size in links.values_list(
        "session_id", "file__name", "file__content_hash", "file__size"
    ):
        contents[pk].append((name, digest, size))
    dropped = set(
        links.filter(file__revisions__dropped_at__isnull=False).values_list("session_id", flat=True)
    )
    rows = []
    for pk in pks:
        files = contents[pk]
        digest = session_digest((name, digest) for name, digest, _ in files)
        rows.append((digest, sum(size for _, _, size in files), pk))
    update_rows(Session, ["content_hash", "size"], rows)
    Session.objects.filter(pk__in=pks).update(uploaded_at=now)
    whole = Session.objects.filter(pk__in=set(pks) - dropped, transcript_dropped_at__isnull=False)
    whole.update(transcript_dropped_at=None)
    mark_due(pks, now=now)


def _sessions(user: User, session_ids: list[str], *, now: datetime) -> dict[str, Session]:
    found = {
        session.session_id: session
        for session in Session.objects.filter(user=user, session_id__in=session_ids)
    }
    missing = [session_id for session_id in session_ids if session_id not in found]
    names = _free_names(missing, user.username)
    created = Session.objects.bulk_create(
        (
            Session(
                user=user,
                session_id=session_id,
                session_file=names[session_id],
                created_at=now,
                uploaded_at=now,
            )
            for session_id in missing
        ),
        batch_size=BATCH,
    )
    return found | {session.session_id: session for session in created}


def _free_names(session_ids: list[str], username: str) -> dict[str, str]:
    """A session_file for each id; raises nothing, but a race is caught by the unique column."""
    names: dict[str, str] = {}
    number = 0
    waiting = session_ids
    while waiting:
        wanted = {one: session_file_name(one, username, number) for one in waiting}
        taken = set(names.values()) | set(
            Session.objects.filter(session_file__in=list(wanted.values())).values_list(
                "session_file", flat=True
            )
        )
        for session_id, name in wanted.items():
            if name not in taken:
                names[session_id] = name
                taken.add(name)
        waiting = [one for one in waiting if one not in names]
        number += 1
    return names
