"""What was erased stays out: keyed hashes of ids, so that the list itself names nobody."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from telemetry.models import Tombstone

SALT = "agnes.tombstone"


def session_digest(user_id: int, session_id: str) -> str:
    """The digest of one person's session; with user_id 0, of a session whoever sends it.

    Erasing one's own session must not keep out another person who has a session of that id, so a
    person's erasure is theirs alone, and only an admin's is everybody's.
    """
    return _digest("session", f"{user_id}:{session_id}")


def person_digest(address: str) -> str:
    """The digest of an e-mail address or a username."""
    return _digest("person", address.strip().lower())


def erased_sessions(user_id: int, session_ids: Iterable[str]) -> set[str]:
    """Those of the session ids that this person may not bring back."""
    by_digest = {
        session_digest(holder, session_id): session_id
        for session_id in session_ids
        for holder in (user_id, 0)
    }
    return {by_digest[digest] for digest in _standing(Tombstone.Kind.SESSION, by_digest)}


def is_erased_person(*addresses: str) -> bool:
    """Whether a person with one of these e-mail addresses or usernames was erased."""
    digests = [person_digest(address) for address in addresses]
    return bool(_standing(Tombstone.Kind.PERSON, digests))


def leave_tombstone(kind: Tombstone.Kind, digest: str, *, now: datetime) -> None:
    """Refuse what has this digest from now on, also after an earlier tombstone was lifted."""
    Tombstone.objects.update_or_create(
        kind=kind, digest=digest, defaults={"lifted_at": None}, create_defaults={"created_at": now}
    )


def lift_standing(tombstones: QuerySet[Tombstone], *, now: datetime) -> list[Tombstone]:
    """Lift those of the tombstones that stand, in the caller's transaction; returns them."""
    standing = list(tombstones.filter(lifted_at=None).select_for_update())
    Tombstone.objects.filter(pk__in=[one.pk for one in standing]).update(lifted_at=now)
    return standing


def _standing(kind: Tombstone.Kind, digests: Iterable[str]) -> set[str]:
    wanted = list(digests)
    found: set[str] = set()
    for at in range(0, len(wanted), 500):
        rows = Tombstone.objects.filter(kind=kind, digest__in=wanted[at : at + 500], lifted_at=None)
        found.update(rows.values_list("digest", flat=True))
    return found


def _digest(kind: str, value: str) -> str:
    return salted_hmac(SALT, f"{kind}:{value}", algorithm="sha256").hexdigest()
