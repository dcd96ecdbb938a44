"""One session's rows replaced in one transaction, idempotently and in bulk.

The only writer of usage_events, usage_responses, usage_session_summary and of the sessions' daily
contributions, but for re-attribution and retention.
"""

import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from django.db import connection

from telemetry.bulk import delete_rows, execute, insert_rows
from telemetry.events import SessionRows
from telemetry.models import Session, SessionIdentity
from telemetry.resolver import Resolver
from telemetry.row_writer import CONTRIBUTIONS, RowWriter

DERIVED = ("usage_events", "usage_responses", *CONTRIBUTIONS)


def replace_sessions(
    pairs: Sequence[tuple[Session, SessionRows]],
    *,
    resolver: Resolver,
    foreign: AbstractSet[int] = frozenset(),
    now: datetime,
    new: bool = False,
) -> None:
    """Make the database hold exactly these rows of the sessions, in the caller's transaction.

    Sessions that share identities have to come together, since a row may move between them.
    `foreign` are the keys that other people hold, for `held_elsewhere`; `new` spares the deletes
    when nothing was ever derived from them. Events and responses before their watermark stay
    pruned, while their days' contributions are written all the same.
    """
    days: set[str] = set()
    if not new:
        for session, _ in pairs:
            days |= _remove_rows(session.pk)
    for session, rows in pairs:
        days |= _write_rows(session, rows, resolver, foreign, now)
        if rows.owned_keys is not None or not new:
            SessionIdentity.objects.filter(pk=session.pk).update(owned=rows.owned_keys)
    announce_change([session.pk for session, _ in pairs], days)


def _write_rows(
    session: Session,
    rows: SessionRows,
    resolver: Resolver,
    foreign: AbstractSet[int],
    now: datetime,
) -> set[str]:
    """Write one session's rows; the ISO days they contribute to."""
    _update_lineage(session, rows)
    writer = RowWriter(session, resolver, now)
    daily = writer.write_events(rows.events)
    cost = writer.write_responses(rows.responses)
    writer.write_contributions(rows, daily)
    writer.write_summary(rows, cost, len(rows.held_keys & foreign))
    days = {key[0] for key in daily} | {key[0] for key in rows.hook_runs}
    return days | {key[0] for key in rows.drift}


def announce_change(session_pks: Iterable[int], days: Iterable[str]) -> None:
    """Tell the mirror which sessions, and the rollups which ISO days, have to be caught up."""
    marks = [("mirror", "session", str(pk)) for pk in session_pks]
    marks += [("rollups", "day", day) for day in sorted(days)]
    insert_rows("telemetry_pendingchange", ("consumer", "kind", "key"), marks)


def remove_session_rows(session_pk: int) -> None:
    """Take away all that was derived from a session, in the caller's transaction."""
    days = _remove_rows(session_pk)
    announce_change([session_pk], days)


def touched_days(session_pk: int) -> set[str]:
    """The ISO days that a session contributes to."""
    days: set[str] = set()
    with connection.cursor() as cursor:
        for table in CONTRIBUTIONS:
            sql = f"SELECT DISTINCT day FROM {table} WHERE session_pk = %s"  # noqa: S608
            cursor.execute(sql, [session_pk])
            days.update(str(day) for (day,) in cursor.fetchall())
    return days


def _remove_rows(session_pk: int) -> set[str]:
    days = touched_days(session_pk)
    for table in (*DERIVED, "usage_session_summary"):
        delete_rows(table, "session_pk", session_pk)
    return days


def _update_lineage(session: Session, rows: SessionRows) -> None:
    lineage = rows.lineage
    session.project = lineage.project[:1000]
    session.title = lineage.title[:500]
    session.versions = [version[:60] for version in lineage.versions[:100]]
    session.git_branch = lineage.git_branch[:300]
    session.forked_from = lineage.forked_from[:200]
    session.resumed_from = lineage.resumed_from[:200]
    session.agent_ids = [agent[:200] for agent in lineage.agent_ids[:1000]]
    execute(
        "UPDATE telemetry_session SET project = %s, title = %s, versions = %s, git_branch = %s, "
        "forked_from = %s, resumed_from = %s, agent_ids = %s WHERE id = %s",
        [
            session.project,
            session.title,
            json.dumps(session.versions),
            session.git_branch,
            session.forked_from,
            session.resumed_from,
            json.dumps(session.agent_ids),
            session.pk,
        ],
    )
