"""What a processor is: a name, a version, and `process(session)` in two halves.

`read` only reads transcripts, so it may run in any process, without a database; `store` runs in a
transaction of the process that holds the claim. A session is due for a processor when its content
hash or the processor's version differs from what was processed last.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

import msgspec
from django.db import connection
from django.db.models import Prefetch

from accounts.errors import AgnesError
from telemetry import transcript_blobs
from telemetry.bulk import execute, time_value
from telemetry.extracts import SourceFile
from telemetry.models import ProcessorState, Session, TranscriptFile, TranscriptRevision


class TranscriptGone(AgnesError):
    """A session's transcript is not stored any more, so it cannot be processed."""

    code: ClassVar[str] = "transcript_gone"
    status: ClassVar[int] = 410


class ClaimLost(AgnesError):
    """Another worker took the session over, because this one took too long."""

    code: ClassVar[str] = "claim_lost"
    status: ClassVar[int] = 409


class JobFile(msgspec.Struct, frozen=True):
    """A transcript file and its bytes: each revision's size and its (offset, size, blob) runs."""

    name: str
    revisions: list[tuple[int, list[tuple[int, int, str]]]]

    def source(self) -> SourceFile:
        """The file as `telemetry.extracts.extract` takes it."""
        return SourceFile(
            self.name, [partial(_read_runs, runs, size) for size, runs in self.revisions]
        )


class Job(msgspec.Struct, frozen=True):
    """One session to read, with all that is needed to do so without the database."""

    session_pk: int
    session_id: str
    content_hash: str
    size: int
    files: list[JobFile]

    def sources(self) -> list[SourceFile]:
        return [file.source() for file in self.files]


class Claim(msgspec.Struct):
    """The right to store one session's result: `token` is the fence."""

    state_pk: int
    session_pk: int
    token: int

    def finish(
        self, processor: "Processor", content_hash: str, *, now: datetime, report: Any = None
    ) -> None:
        """Write down what was processed, in the transaction of the work; a session that grew
        meanwhile stays due. Raises ClaimLost when another worker took over."""
        moment = time_value(now)
        timestamp = "timestamptz" if connection.vendor == "postgresql" else "text"
        changed = execute(
            _FINISH.format(current=_CURRENT, timestamp=timestamp),
            [
                content_hash,
                processor.version,
                moment,
                content_hash,
                content_hash,
                moment,
                self.state_pk,
                self.token,
            ],
        )
        if changed and report is not None:
            ProcessorState.objects.filter(pk=self.state_pk).update(report=report)
        if not changed:
            raise ClaimLost(
                f"Another worker took over session {self.session_pk}.",
                fix="Nothing is lost: the other worker does it.",
            )


_FINISH = """
    UPDATE session_processor_state AS state SET
        content_hash = %s, version = %s, processed_at = %s,
        attempts = 0, error = '', claimed_by = '',
        status = CASE WHEN %s = {current} THEN 'done' ELSE 'due' END,
        due_at = CASE WHEN %s = {current} THEN NULL ELSE CAST(%s AS {timestamp}) END
    WHERE id = %s AND claim_token = %s
"""
_CURRENT = "(SELECT s.content_hash FROM telemetry_session s WHERE s.id = state.session_id)"


class Processor(ABC):
    """One thing done with each session, independent of all the others."""

    name: ClassVar[str]
    version: ClassVar[int]

    def begin(self) -> None:  # noqa: B027 - an optional hook
        """Before sessions are stored, in their transaction; nothing, unless overridden."""

    def end(self) -> None:  # noqa: B027 - an optional hook
        """After each batch of sessions; nothing, unless overridden."""

    @abstractmethod
    def read(self, job: Job) -> Any:
        """What the session's transcript says; picklable. No database, no side effects."""

    @abstractmethod
    def store(self, session: Session, found: Any, *, claim: Claim, now: datetime) -> bool:
        """Keep what `read` found, in a transaction of its own that ends with `claim.finish`.

        False when it has to wait for `settle`.
        """

    def settle(
        self, waiting: "Waiting", *, read_all: "ReadAll", now: datetime
    ) -> list[ProcessorState.Status]:
        """Do what `store` left for the end of the batch; what became of those that failed."""
        return []

    def process(self, session: Session, *, now: datetime) -> None:
        """Read and store one session here and now. Raises TranscriptGone."""
        from telemetry.processors.runner import process_session

        process_session(self, session, now=now)


Waiting = list[tuple[Claim, Session]]
"""Claims whose `store` returned False."""

ReadAll = Callable[[Iterable[tuple[Any, Any]], Callable[[Any], Any]], Iterable[Any]]
"""`read_all(pairs, function)` applies a function to the second of each pair, perhaps in other
processes, and yields (first, result or exception) in their order."""


def jobs_of(session_pks: list[int]) -> dict[int, Job]:
    """What there is to read of these sessions. Those whose transcript is not stored have no files,
    also when a part of it arrived again: a part would lower what the whole has shown."""
    revisions = TranscriptRevision.objects.filter(dropped_at=None).prefetch_related("segments")
    files = TranscriptFile.objects.order_by("name").prefetch_related(
        Prefetch("revisions", queryset=revisions.order_by("number"))
    )
    sessions = Session.objects.filter(pk__in=session_pks).prefetch_related(
        Prefetch("files", queryset=files)
    )
    return {
        session.pk: Job(
            session.pk,
            session.session_id,
            session.content_hash,
            session.size,
            [
                JobFile(
                    file.name,
                    [
                        (
                            revision.size,
                            sorted(
                                (run.offset, run.size, run.blob) for run in revision.segments.all()
                            ),
                        )
                        for revision in file.revisions.all()
                    ],
                )
                for file in session.files.all()
                if file.revisions.all() and session.transcript_dropped_at is None
            ],
        )
        for session in sessions
    }


def read_job(processor_name: str, job: Job) -> Any:
    """What a processor reads of a session; runs in pool processes."""
    from telemetry.processors import by_name

    return by_name(processor_name).read(job)


def _read_runs(runs: list[tuple[int, int, str]], size: int) -> Iterator[bytes]:
    return transcript_blobs.read_runs(runs, size)
