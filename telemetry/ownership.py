"""Who holds which identity, and which sessions have to be derived together.

Between people the first copy holds: a key in `telemetry_identity_key` stays with the person whose
session brought it. Among one person's sessions the key only leads to the others that share it;
who owns what is worked out from their lines (telemetry.families).
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec
from django.db import connection
from django.db.models import Q

from telemetry.bulk import insert_rows
from telemetry.identity import pack_keys, unpack_keys
from telemetry.models import Session, SessionIdentity, SessionOverlap
from telemetry.session_rows import mark_due
from telemetry.store import remove_session_rows

_TABLE = "telemetry_identity_key"
_CHUNK = 5000


class FamilyPlan(msgspec.Struct, frozen=True):
    """The sessions to derive together as they stood, and what others hold of theirs."""

    members: tuple[tuple[int, str], ...]
    """Primary key and content hash of each session whose transcript is stored."""
    held: frozenset[int]
    """Keys that another person's sessions hold."""
    frozen: frozenset[int]
    """Keys that belong to sessions of the person whose transcript is no longer stored."""


class Claimed(NamedTuple):
    """What registering a session's identities showed."""

    alone: bool
    """No other session shares any of them."""
    new: bool
    """Nothing was ever derived from the session."""


def claim_identities(session: Session, keys: bytes) -> Claimed:
    """Register a session's identity keys (packed).

    Keys that nobody holds become this session's. What it shares with whom goes to SessionOverlap,
    for the family and for the day when the holder is erased. Runs in the caller's transaction.
    """
    carried = unpack_keys(keys)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT keys FROM telemetry_sessionidentity WHERE session_id = %s", [session.pk]
        )
        before = next((row[0] for row in cursor.fetchall()), None)
    if before is None:
        insert_rows("telemetry_sessionidentity", ("session_id", "keys"), [(session.pk, keys)])
        fresh = carried
    else:
        # Keys once carried stay registered: retention may have dropped the bytes they were in.
        known = set(unpack_keys(before))
        fresh = [key for key in carried if key not in known]
        if fresh:
            union = pack_keys(known.union(fresh))
            SessionIdentity.objects.filter(pk=session.pk).update(keys=union)
    if fresh and _insert_keys(fresh, session.pk) < len(fresh):
        _take_back(session, fresh)
        _record_overlaps(session, fresh)
    elif before is None:
        return Claimed(True, True)
    same = Q(holder=session, session__user_id=session.user_id)
    shared = SessionOverlap.objects.filter(Q(session=session) | same).exists()
    return Claimed(not shared, before is None)


def plan_family(session: Session, without: AbstractSet[int] = frozenset()) -> FamilyPlan:
    """Everything that has to be derived with this session, at this moment.

    The sessions `without` (primary keys) cannot be read: what they own stays theirs.
    """
    members = _members(session)
    rows = Session.objects.filter(pk__in=members).values_list(
        "pk", "content_hash", "transcript_dropped_at"
    )
    stored = tuple(
        sorted((pk, digest) for pk, digest, dropped in rows if not dropped and pk not in without)
    )
    gone = [pk for pk, _, dropped in rows if dropped or pk in without]
    return FamilyPlan(stored, _held_by_others(members, session.user_id), _owned_keys(gone))


def release_identities(session_pks: Collection[int]) -> list[int]:
    """Give up what these sessions hold, before they are erased; in the caller's transaction.

    Keys that other sessions carry go to those: first to the same person's. Returns the primary
    keys of all sessions that have to be derived again.
    """
    pks = set(session_pks)
    pairs = SessionOverlap.objects.filter(Q(session__in=pks) | Q(holder__in=pks))
    others = {pk for pair in pairs.values_list("session_id", "holder_id") for pk in pair} - pks
    owners = dict(Session.objects.filter(pk__in=pks).values_list("pk", "user_id"))
    for pk in sorted(pks):
        _delete_keys(pk)
    heirs = Session.objects.filter(pk__in=others).values_list("pk", "user_id", "uploaded_at")
    people = set(owners.values())
    for pk, _, _ in sorted(heirs, key=lambda heir: (heir[1] not in people, heir[2], heir[0])):
        row = SessionIdentity.objects.filter(session_id=pk).first()
        if row is not None:
            _insert_keys(unpack_keys(row.keys), pk)
            _record_overlaps(Session.objects.get(pk=pk), unpack_keys(row.keys))
    return sorted(others)


def _insert_keys(keys: Sequence[int], session_pk: int) -> int:
    """Take the keys that nobody holds; how many these were."""
    inserted = 0
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"INSERT INTO {_TABLE} (key, session_pk) SELECT unnest(%s::bigint[]), %s "
                "ON CONFLICT DO NOTHING",
                [sorted(keys), session_pk],
            )
            inserted = cursor.rowcount
        else:
            cursor.executemany(
                f"INSERT INTO {_TABLE} (key, session_pk) VALUES (%s, {session_pk:d}) "  # noqa: S608
                "ON CONFLICT DO NOTHING",
                [(key,) for key in sorted(keys)],
            )
            inserted = cursor.rowcount
    return int(inserted)


def _delete_keys(session_pk: int) -> None:
    row = SessionIdentity.objects.filter(session_id=session_pk).first()
    keys = unpack_keys(row.keys) if row else []
    with connection.cursor() as cursor:
        for part in _chunks(keys):
            cursor.execute(
                f"DELETE FROM {_TABLE} WHERE session_pk = %s AND key IN ({_places(part)})",  # noqa: S608
                [session_pk, *part],
            )


def _holders(keys: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(key, session) of the keys that somebody holds."""
    with connection.cursor() as cursor:
        for part in _chunks(keys):
            cursor.execute(
                f"SELECT key, session_pk FROM {_TABLE} WHERE key IN ({_places(part)})",  # noqa: S608
                part,
            )
            yield from cursor.fetchall()


def _take_back(session: Session, keys: Sequence[int]) -> None:
    """Take over what another person holds only because their later copy was processed sooner.

    Between people the first copy to arrive holds. That this one was first is certain when it never
    grew and its row is older than the other's. The other one is derived again without what it
    loses, so its transcript has to be stored whole.
    """
    if session.uploaded_at != session.created_at:
        return
    by_holder: dict[int, list[int]] = defaultdict(list)
    for key, holder in _holders(keys):
        if holder != session.pk:
            by_holder[holder].append(key)
    others = Session.objects.filter(pk__in=list(by_holder), pk__gt=session.pk)
    whole = others.exclude(files__revisions__dropped_at__isnull=False)
    late = list(whole.exclude(user_id=session.user_id))
    for other in late:
        with connection.cursor() as cursor:
            for part in _chunks(by_holder[other.pk]):
                cursor.execute(
                    f"UPDATE {_TABLE} SET session_pk = %s "  # noqa: S608
                    f"WHERE session_pk = %s AND key IN ({_places(part)})",
                    [session.pk, other.pk, *part],
                )
        SessionOverlap.objects.update_or_create(
            session=other, holder=session, defaults={"shared": len(by_holder[other.pk])}
        )
        remove_session_rows(other.pk)
    mark_due([other.pk for other in late], now=session.uploaded_at)


def _record_overlaps(session: Session, keys: Sequence[int]) -> None:
    shared = Counter(holder for _, holder in _holders(keys) if holder != session.pk)
    for holder, count in shared.items():
        SessionOverlap.objects.update_or_create(
            session=session, holder_id=holder, defaults={"shared": count}
        )


def _members(session: Session) -> set[int]:
    """The person's sessions that share identities with this one, directly or by way of others."""
    found: set[int] = set()
    waiting = {session.pk}
    while waiting:
        found |= waiting
        pairs = SessionOverlap.objects.filter(
            Q(session__in=waiting) | Q(holder__in=waiting),
            session__user_id=session.user_id,
            holder__user_id=session.user_id,
        ).values_list("session_id", "holder_id")
        waiting = {pk for pair in pairs for pk in pair} - found
    return found


def _held_by_others(members: Collection[int], user_id: int) -> frozenset[int]:
    foreign = (
        SessionOverlap.objects.filter(session__in=members)
        .exclude(holder__user_id=user_id)
        .values_list("session_id", "holder_id")
    )
    holders: dict[int, set[int]] = defaultdict(set)
    for carrier, holder in foreign:
        holders[carrier].add(holder)
    held: set[int] = set()
    for row in SessionIdentity.objects.filter(session__in=list(holders)):
        others = holders[row.session_id]
        held.update(key for key, holder in _holders(unpack_keys(row.keys)) if holder in others)
    return frozenset(held)


def _owned_keys(session_pks: Iterable[int]) -> frozenset[int]:
    keys: set[int] = set()
    for row in SessionIdentity.objects.filter(session__in=list(session_pks)):
        keys.update(unpack_keys(row.keys if row.owned is None else row.owned))
    return frozenset(keys)


def _chunks(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    for at in range(0, len(keys), _CHUNK):
        yield keys[at : at + _CHUNK]


def _places(part: Sequence[int]) -> str:
    return ", ".join(["%s"] * len(part))
