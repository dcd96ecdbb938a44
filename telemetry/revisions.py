"""The revisions of transcript files as rows: what is stored, and what a prepared file adds.

The writing functions run inside a transaction that holds the person's lock; the blobs they name
are in the storage already.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec
from django.db import connection
from django.db.models import Max

from accounts.models import User
from telemetry import transcript_blobs
from telemetry.bulk_updates import update_rows
from telemetry.content_hashes import file_digest
from telemetry.incomplete_sessions import files_wanted_again
from telemetry.models import TranscriptFile, TranscriptRevision, TranscriptSegment
from telemetry.preparation import Known, Prepared
from telemetry.surveys import Survey, is_subagent_file

BATCH = 500


class Status(StrEnum):
    """What storing a file came to."""

    NEW = "new"
    GROWN = "grown"
    UNCHANGED = "unchanged"
    OLDER = "older"
    REVISED = "revised"
    RESTORED = "restored"

    @property
    def is_change(self) -> bool:
        return self not in (Status.UNCHANGED, Status.OLDER)


@dataclass(frozen=True)
class Item:
    """A prepared file and the stored revisions it was prepared against."""

    name: str
    prepared: Prepared
    known: tuple[Known, ...]

    @property
    def status(self) -> Status:
        if self.prepared.restored:
            return Status.RESTORED
        if self.prepared.equal:
            return Status.UNCHANGED
        if self.prepared.undecided:
            return Status.OLDER
        if self.prepared.base is not None:
            return Status.GROWN
        return Status.REVISED if self.known else Status.NEW

    @property
    def is_known_by_hash_only(self) -> bool:
        """Whether it equals a revision whose bytes are gone, and leaves it so."""
        removed = {one.number for one in self.known if not one.stored}
        return self.status == Status.UNCHANGED and self.prepared.base in removed


@dataclass(frozen=True)
class Accepted:
    """A file whose content is stored, in the row `file_id`; size and hash are of what was sent.

    `left_out` are erased sessions whose lines were not taken; the survey is without them.
    """

    status: Status
    name: str
    file_id: int
    size: int
    sha256: str
    survey: Survey
    left_out: tuple[str, ...] = ()


def known_revisions(user_id: int, names: Sequence[str]) -> dict[str, tuple[Known, ...]]:
    """What is stored under each of the names, in order of revision number; () for nothing."""
    found: dict[str, list[Known]] = {name: [] for name in names}
    for at in range(0, len(names), BATCH):
        rows = TranscriptRevision.objects.filter(
            file__user=user_id, file__name__in=names[at : at + BATCH]
        ).order_by("number")
        for name, number, size, sha256, dropped in rows.values_list(
            "file__name", "number", "size", "sha256", "dropped_at"
        ):
            found[name].append(Known(number, size, sha256, dropped is None))
    removed = [name for name, known in found.items() if not all(one.stored for one in known)]
    for name in files_wanted_again(user_id, removed):
        found[name] = [msgspec.structs.replace(one, wanted=not one.stored) for one in found[name]]
    return {name: tuple(known) for name, known in found.items()}


def is_beginning(user_id: int, name: str, prepared: Prepared) -> bool:
    """Whether a longer stored revision begins with this content.

    Where a segment ends at the content's size its hash decides; else the stored bytes are read.
    """
    longer = TranscriptRevision.objects.filter(
        file__user=user_id, file__name=name, size__gt=prepared.size, dropped_at=None
    )
    return any(_digest_up_to(one, prepared.size) == prepared.sha256 for one in longer)


def write_revisions(
    user: User, entries: Sequence[tuple[Item, str]], *, now: datetime
) -> dict[str, TranscriptFile]:
    """Rows for items and the blobs of their frames; returns the file row of every item's name.

    Names are distinct, and each item's `known` is what is stored now.
    """
    files = _files(user, [item for item, _ in entries], now=now)
    changed = [(item, blob) for item, blob in entries if item.status.is_change]
    revisions = _revisions(files, [item for item, _ in changed])
    numbers = _next_numbers(revisions.values())
    TranscriptSegment.objects.bulk_create(
        (
            TranscriptSegment(
                revision=revisions[item.name],
                number=numbers[revisions[item.name].pk],
                offset=item.prepared.frame_start,
                size=item.prepared.size - item.prepared.frame_start,
                stored_size=item.prepared.stored_size,
                sha256=item.prepared.sha256,
                blob=blob,
            )
            for item, blob in changed
        ),
        batch_size=BATCH,
    )
    return files


def lock_person(user_id: int) -> User:
    """The person, locked until the transaction ends: their files have one writer at a time.

    On SQLite every writing transaction is alone already.
    """
    rows = User.objects.filter(pk=user_id)
    if connection.features.has_select_for_no_key_update:
        rows = rows.select_for_update(no_key=True)
    return rows.get()


def _digest_up_to(revision: TranscriptRevision, size: int) -> str:
    for offset, length, digest in revision.segments.values_list("offset", "size", "sha256"):
        if offset + length == size:
            return digest
    hasher = hashlib.sha256()
    for chunk in transcript_blobs.read_revision(revision, stop=size):
        hasher.update(chunk)
    return hasher.hexdigest()


def _files(user: User, items: Sequence[Item], *, now: datetime) -> dict[str, TranscriptFile]:
    """The file row of each item, new ones as they will be with the item in them."""
    found: dict[str, TranscriptFile] = {}
    for at in range(0, len(items), BATCH):
        names = [item.name for item in items[at : at + BATCH]]
        rows = TranscriptFile.objects.filter(user=user, name__in=names)
        found |= {file.name: file for file in rows}
    changed = [(found[item.name], item) for item in items if item.name in found]
    _update_files([entry for entry in changed if entry[1].status.is_change], now=now)
    new = [
        _with_item(
            TranscriptFile(
                user=user, name=item.name, kind=_kind(item.name), created_at=now, uploaded_at=now
            ),
            item,
        )
        for item in items
        if item.name not in found
    ]
    created = TranscriptFile.objects.bulk_create(new, batch_size=BATCH)
    return found | {file.name: file for file in created}


def _kind(name: str) -> str:
    kinds = TranscriptFile.Kind
    return kinds.SUBAGENT if is_subagent_file(name) else kinds.MAIN


def _revisions(
    files: dict[str, TranscriptFile], items: Sequence[Item]
) -> dict[str, TranscriptRevision]:
    """The revision each item's bytes go to, by name: the one that grows, or another one."""
    growing = {item.name: item for item in items if item.status in (Status.GROWN, Status.RESTORED)}
    grown: dict[str, TranscriptRevision] = {}
    rows = TranscriptRevision.objects.filter(file__in=[files[name] for name in growing])
    for revision in rows.select_related("file"):
        item = growing[revision.file.name]
        if revision.number == item.prepared.base:
            revision.size, revision.sha256 = item.prepared.size, item.prepared.sha256
            grown[item.name] = revision
    update_rows(
        TranscriptRevision,
        ["size", "sha256"],
        [(revision.size, revision.sha256, revision.pk) for revision in grown.values()],
    )
    restored = [revision.pk for revision in grown.values() if revision.dropped_at]
    TranscriptRevision.objects.filter(pk__in=restored).update(dropped_at=None)
    created = TranscriptRevision.objects.bulk_create(
        (
            TranscriptRevision(
                file=files[item.name],
                number=len(item.known),
                size=item.prepared.size,
                sha256=item.prepared.sha256,
            )
            for item in items
            if item.name not in growing
        ),
        batch_size=BATCH,
    )
    return grown | {revision.file.name: revision for revision in created}


def _next_numbers(revisions: Collection[TranscriptRevision]) -> dict[int, int]:
    last = (
        TranscriptSegment.objects.filter(revision__in=list(revisions))
        .values_list("revision")
        .annotate(last=Max("number"))
    )
    numbers = dict.fromkeys((revision.pk for revision in revisions), 0)
    return numbers | {pk: number + 1 for pk, number in last}


def _update_files(changed: Sequence[tuple[TranscriptFile, Item]], *, now: datetime) -> None:
    files = [_with_item(file, item) for file, item in changed]
    update_rows(
        TranscriptFile,
        ["content_hash", "size", "stored_size"],
        [(file.content_hash, file.size, file.stored_size, file.pk) for file in files],
    )
    TranscriptFile.objects.filter(pk__in=[file.pk for file in files]).update(uploaded_at=now)


def _with_item(file: TranscriptFile, item: Item) -> TranscriptFile:
    prepared = item.prepared
    hashes = {revision.number: revision.sha256 for revision in item.known}
    sizes = {revision.number: revision.size for revision in item.known}
    number = len(item.known) if prepared.base is None else prepared.base
    hashes[number], sizes[number] = prepared.sha256, prepared.size
    file.content_hash = file_digest(hashes.values())
    file.size = sum(sizes.values())
    file.stored_size += prepared.stored_size
    return file
