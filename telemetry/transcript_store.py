"""Transcript files in, kept for good: the only writer of files, revisions and segments.

A file's content only ever grows: bytes that begin with a stored revision add a segment, bytes that
a revision begins with add nothing, and anything else is one more revision. So an upload never
takes a line away, in whatever order copies of a file arrive.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from django.db import IntegrityError, OperationalError, connection, transaction

from accounts.models import User
from telemetry import private_marks, refusals, transcript_blobs
from telemetry.compaction import compact
from telemetry.erased_lines import WithoutErased
from telemetry.models import TranscriptFile, TranscriptRevision, TranscriptSegment
from telemetry.preparation import (
    BytesContent,
    Content,
    ContentChanged,
    FileContent,
    Known,
    Prepared,
    prepare,
)
from telemetry.refusals import TranscriptRefused
from telemetry.revisions import (
    Accepted,
    Item,
    is_beginning,
    known_revisions,
    lock_person,
    write_revisions,
)
from telemetry.revisions import Status as Status
from telemetry.session_rows import link_sessions
from telemetry.surveys import Survey
from telemetry.tombstones import erased_sessions, is_erased_person
from telemetry.transcript_names import UnusableName, check_session_id, transcript_name

MOST_SESSIONS = 1000
"""Session ids in one file; Claude Code writes one, and every id costs rows."""

MOST_ATTEMPTS = 6

Outcome = Accepted | TranscriptRefused | None
"""None: somebody else changed the file since it was prepared, so prepare it again."""


def accept(*, user: User, name: str, content: Content | Path | bytes, now: datetime) -> Accepted:
    """Store one file of this person under its relative path or name.

    Lines of erased sessions are left out. Raises TranscriptRefused: a name, session id or content
    that is not taken, nothing but erased sessions, an opted-out person, a file that is rewritten
    faster than it can be read.
    """
    name = checked_name(name)
    content = whole = _as_content(content)
    sent: Prepared | None = None
    erased: frozenset[str] = frozenset()
    for _ in range(MOST_ATTEMPTS):
        with contextlib.suppress(ContentChanged):
            item = prepare_here(user.pk, name, content, known_revisions(user.pk, [name])[name])
            outcome = keep(user=user, items=[item], now=now)[0]
            if isinstance(outcome, refusals.PartlyErased):
                sent = sent or item.prepared
                erased |= outcome.session_ids
                content = WithoutErased(whole, name, erased)
                continue
            if isinstance(outcome, TranscriptRefused):
                raise outcome
            if outcome is not None:
                return _as_sent(outcome, sent, erased)
    raise refusals.StillChanging("The file keeps changing.", fix="Send it again in a moment.")


def checked_name(path: str) -> str:
    """`TranscriptFile.name` for a relative path; raises NameRefused."""
    try:
        return transcript_name(path)
    except UnusableName as error:
        raise refusals.NameRefused(
            f"The name is refused: {error}.",
            fix="Send the file's path below ~/.claude/projects.",
        ) from error


def prepare_here(user_id: int, name: str, content: Content, known: tuple[Known, ...]) -> Item:
    """Prepare a file in this process, ready for `keep`."""
    folder = str(transcript_blobs.temp_folder())
    item = Item(name, prepare(content, name=name, known=known, folder=folder), known)
    return decided(user_id, item, content)


def decided(user_id: int, item: Item, content: Content) -> Item:
    """The item, prepared anew where its content proves to be no beginning of a revision."""
    if not item.prepared.undecided or is_beginning(user_id, item.name, item.prepared):
        return item
    folder = str(transcript_blobs.temp_folder())
    again = prepare(content, name=item.name, known=item.known, folder=folder, decided=True)
    return Item(item.name, again, item.known)


def keep(
    *,
    user: User,
    items: Sequence[Item],
    now: datetime,
    also: Callable[[Sequence[Outcome]], None] | None = None,
) -> list[Outcome]:
    """Store prepared files of one person in one transaction: blobs first, then all rows.

    Returns an outcome for each item, in their order. `also` runs inside the transaction. The
    frames are used up, also when this raises.
    """
    refused: list[Outcome] = [refusal(item.prepared.survey) for item in items]
    blobs: list[str] = []
    try:
        for item, verdict in zip(items, refused, strict=True):
            blobs.append("" if verdict else _write_blob(user, item))
        outcomes = _retry(lambda: _keep_rows(user, items, refused, blobs, now, also))
    except BaseException:
        # An interrupted commit may have happened, so only what has no row goes.
        transcript_blobs.delete_unnamed(blobs)
        raise
    finally:
        for item in items:
            item.prepared.discard()
    changed = [one for one in outcomes if isinstance(one, Accepted) and one.status.is_change]
    if len(changed) < sum(map(bool, blobs)):
        transcript_blobs.delete_unnamed(blobs)
    grown = [one.file_id for one in changed if one.status == Status.GROWN]
    if grown:
        compact(grown, now=now)
    return outcomes


def refusal(survey: Survey) -> TranscriptRefused | None:
    """Why a file with this survey is not taken, whoever sends it; None when it is."""
    if survey.program:
        return refusals.foreign(survey.program)
    if not survey.session_ids:
        return refusals.nothing_to_count(survey.lines)
    if len(survey.session_ids) > MOST_SESSIONS:
        return refusals.SessionIdRefused(
            f"The file holds lines of more than {MOST_SESSIONS} sessions.",
            fix="Send each session's own file.",
        )
    for session_id in survey.session_ids:
        try:
            check_session_id(session_id)
        except UnusableName as error:
            return refusals.SessionIdRefused(
                f"A session id in the file is refused: {error}.",
                fix="Send files as Claude Code wrote them.",
            )
    return None


def read(file: TranscriptFile) -> Iterator[bytes]:
    """The lines of all stored revisions of a file, one revision after the other, in chunks."""
    for revision in file.revisions.filter(dropped_at=None).order_by("number"):
        last = b"\n"
        for last in transcript_blobs.read_revision(revision):
            yield last
        if not last.endswith(b"\n"):
            yield b"\n"


def drop_bytes(files: Collection[TranscriptFile], *, now: datetime) -> None:
    """Remove the bytes of these files for good; the hashes stay, to know the content again."""
    pks = [file.pk for file in files]
    with transaction.atomic():
        for user_id in sorted({file.user_id for file in files}):
            lock_person(user_id)
        segments = TranscriptSegment.objects.filter(revision__file__in=pks)
        transcript_blobs.doom(list(segments.values_list("blob", flat=True)), now=now)
        segments.delete()
        kept = TranscriptRevision.objects.filter(file__in=pks, dropped_at=None)
        kept.update(dropped_at=now)
        TranscriptFile.objects.filter(pk__in=pks).update(stored_size=0)


def _as_sent(accepted: Accepted, sent: Prepared | None, erased: frozenset[str]) -> Accepted:
    """What was stored without erased lines, told by the size and hash of the whole.

    Nothing that is stored has that hash, so who goes on from it is asked for the whole file.
    """
    if sent is None:
        return accepted
    return replace(accepted, size=sent.size, sha256=sent.sha256, left_out=tuple(sorted(erased)))


def _as_content(content: Content | Path | bytes) -> Content:
    if isinstance(content, bytes):
        return BytesContent(content)
    return FileContent(str(content)) if isinstance(content, Path) else content


def _write_blob(user: User, item: Item) -> str:
    prepared = item.prepared
    if not prepared.stored_size:
        return ""
    return transcript_blobs.write_blob(
        user.pk,
        item.name,
        mark=f"{prepared.frame_start}-{prepared.sha256[:12]}",
        frame=prepared.frame,
        frame_path=prepared.frame_path,
    )


def _retry(work: Callable[[], list[Outcome]]) -> list[Outcome]:
    """Run a transaction again when another process came between."""
    for _ in range(MOST_ATTEMPTS - 1):
        with contextlib.suppress(IntegrityError, OperationalError):
            return work()
        if connection.in_atomic_block:
            break
    return work()


def _keep_rows(
    user: User,
    items: Sequence[Item],
    refused: Sequence[Outcome],
    blobs: Sequence[str],
    now: datetime,
    also: Callable[[Sequence[Outcome]], None] | None,
) -> list[Outcome]:
    with transaction.atomic():
        locked = lock_person(user.pk)
        outcomes = _refuse_people(locked, items, refused)
        outcomes = _refuse_private(locked, items, outcomes, blobs)
        fresh = _fresh(locked, [at for at, one in enumerate(outcomes) if one is None], items)
        files = write_revisions(locked, [(items[at], blobs[at]) for at in fresh], now=now)
        linked: dict[TranscriptFile, list[str]] = {}
        for at in fresh:
            item, file = items[at], files[items[at].name]
            survey = item.prepared.survey
            outcomes[at] = Accepted(
                item.status, item.name, file.pk, item.prepared.size, item.prepared.sha256, survey
            )
            if item.status.is_change:
                linked[file] = survey.session_ids
        link_sessions(locked, linked, now=now)
        if also:
            also(outcomes)
        return outcomes


def _refuse_people(user: User, items: Sequence[Item], refused: Sequence[Outcome]) -> list[Outcome]:
    """Refusals that depend on who sends: opted out, erased, or sessions that were erased."""
    if user.telemetry_opt_out:
        return [refusals.opted_out(user) for _ in items]
    if is_erased_person(user.email, user.username):
        return [refusals.person_erased(user) for _ in items]
    outcomes = list(refused)
    erased = erased_sessions(
        user.pk, {one for item in items for one in item.prepared.survey.session_ids}
    )
    for at, item in enumerate(items):
        found = set(item.prepared.survey.session_ids)
        if outcomes[at] is None and not erased.isdisjoint(found):
            outcomes[at] = (
                refusals.session_erased()
                if found <= erased
                else refusals.PartlyErased(found & erased)
            )
    return outcomes


def _refuse_private(
    user: User, items: Sequence[Item], outcomes: Sequence[Outcome], blobs: Sequence[str]
) -> list[Outcome]:
    """Refusals of what this person keeps private; asked here, so that no upload that is under way
    while a session is marked gets in."""
    marks = private_marks.standing_marks(user.pk)
    if not marks:
        return list(outcomes)
    return [
        outcome or private_marks.refusal(marks, item.prepared, blob)
        for item, outcome, blob in zip(items, outcomes, blobs, strict=True)
    ]


def _fresh(user: User, candidates: Sequence[int], items: Sequence[Item]) -> list[int]:
    """Positions of items that were prepared against what is stored now; one for each name."""
    current = known_revisions(user.pk, [items[at].name for at in candidates])
    chosen = {items[at].name: at for at in reversed(candidates)}
    return sorted(at for name, at in chosen.items() if items[at].known == current[name])
