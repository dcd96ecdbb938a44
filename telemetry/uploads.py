"""One transcript over the network: what the server has of it, and taking what it lacks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from accounts.errors import AgnesError
from accounts.models import User
from telemetry import refusals, transcript_blobs
from telemetry.erased_lines import WithoutErased
from telemetry.identity import identity_key
from telemetry.incomplete_sessions import files_missing
from telemetry.models import IdentityKey, Session, TranscriptRevision
from telemetry.preparation import Content, FileContent
from telemetry.revisions import Accepted, known_revisions
from telemetry.transcript_store import accept, checked_name
from telemetry.transcripts import Line, Tally, decode_content, decode_line, read_lines

BATCH = 500


class DifferentBase(AgnesError):
    code = "different_base"
    status = 409


@dataclass(frozen=True)
class Upload:
    """What an upload came to; `held_elsewhere` counts identities that other people brought,
    `missing_files` names what its sessions lack to be counted as far as they go."""

    accepted: Accepted
    held_elsewhere: int
    missing_files: list[str]


class _Grown:
    """A stored revision's bytes and a tail in a file."""

    def __init__(self, base: TranscriptRevision, offset: int, tail: Path) -> None:
        self.base = base
        self.offset = offset
        self.tail = FileContent(str(tail))

    def expected_size(self) -> int:
        return self.offset + self.tail.expected_size()

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        if start < self.offset:
            yield from transcript_blobs.read_revision(self.base, start=start, stop=self.offset)
        yield from self.tail.chunks(max(start - self.offset, 0))


def refuse_opted_out(user: User) -> None:
    """Raises OptedOut, before a body is read for nothing."""
    if user.telemetry_opt_out:
        raise refusals.opted_out(user)


def take_file(*, user: User, name: str, body: Path, now: datetime) -> Upload:
    """Store a whole file. Raises TranscriptRefused."""
    accepted = accept(user=user, name=name, content=body, now=now)
    return _upload(user, accepted, FileContent(str(body)))


def take_tail(*, user: User, name: str, base: tuple[int, str], body: Path, now: datetime) -> Upload:
    """Store what was added to a file since it had `base`: (size, SHA-256).

    Raises DifferentBase, whose details say what is stored, and TranscriptRefused.
    """
    revision = _base(user, name, base)
    content = _Grown(revision, base[0], body)
    accepted = accept(user=user, name=name, content=content, now=now)
    return _upload(user, accepted, content.tail)


def _upload(user: User, accepted: Accepted, sent: Content) -> Upload:
    if accepted.left_out:
        sent = WithoutErased(sent, accepted.name, frozenset(accepted.left_out))
    missing = files_missing(user.pk, accepted.survey.session_ids)
    return Upload(accepted, held_elsewhere(user, sent.chunks()), missing)


def stored_state(user: User, name: str) -> list[dict[str, Any]]:
    """Size and SHA-256 of each stored revision of the file, longest first; [] for none.

    Raises NameRefused.
    """
    name = checked_name(name)
    known = known_revisions(user.pk, [name])[name]
    stored = sorted((one for one in known if one.stored), key=lambda one: -one.size)
    return [{"size": one.size, "sha256": one.sha256} for one in stored]


def held_elsewhere(user: User, chunks: Iterable[bytes]) -> int:
    """How many lines another person brought first, and how many responses and tool calls of the
    others: as a session's summary counts them, which leaves such a line out as a whole."""
    found: set[int] = set()
    lines = _identity_keys(chunks)
    # Only keys that others hold stay in memory, so a long transcript of one's own takes none.
    while batch := list(islice(lines, BATCH)):
        keys = [key for line, inside in batch for key in (line, *inside)]
        others = _held_by_others(user, sorted(set(keys)))
        for line, inside in batch:
            found.update([line] if line in others else others.intersection(inside))
    return len(found)


def _held_by_others(user: User, keys: Sequence[int]) -> set[int]:
    holders: dict[int, int] = {}
    for at in range(0, len(keys), BATCH):
        rows = IdentityKey.objects.filter(key__in=keys[at : at + BATCH])
        holders.update(rows.values_list("key", "session_pk"))
    others = set(_of_others(user, sorted(set(holders.values()))))
    return {key for key, session in holders.items() if session in others}


def _base(user: User, name: str, base: tuple[int, str]) -> TranscriptRevision:
    offset, sha256 = base
    rows = TranscriptRevision.objects.filter(
        file__user=user, file__name=checked_name(name), dropped_at=None
    )
    revision = rows.filter(size=offset, sha256=sha256).first()
    if revision is None:
        raise DifferentBase(
            f"The server does not have these {offset:,} bytes of the file.",
            fix="Compare with what it has, given in details, or send the whole file.",
            details={"revisions": stored_state(user, name)},
        )
    return revision


def _of_others(user: User, sessions: Sequence[int]) -> Iterator[int]:
    for at in range(0, len(sessions), BATCH):
        rows = Session.objects.filter(pk__in=sessions[at : at + BATCH]).exclude(user=user)
        yield from rows.values_list("pk", flat=True)


def _identity_keys(chunks: Iterable[bytes]) -> Iterator[tuple[int, list[int]]]:
    """Each line's key, and those of what it says; repeated where lines repeat."""
    for raw in read_lines(chunks, Tally(too_long=[])):
        decoded = decode_line(raw)
        if decoded is not None and decoded.line.uuid:
            yield identity_key("line", decoded.line.uuid), list(_message_keys(decoded.line))


def _message_keys(line: Line) -> Iterator[int]:
    message = line.message
    if line.type != "assistant" or message is None or line.isApiErrorMessage:
        return
    if message.usage is not None and message.id and message.model != "<synthetic>":
        yield identity_key("response", message.id)
    content = decode_content(message.content)
    for block in content if isinstance(content, list) else []:
        if block.type == "tool_use" and block.id:
            yield identity_key("call", block.id)
