"""The `verification` processor: how whole a transcript is, reported and never changed."""

from collections import Counter
from datetime import datetime
from typing import ClassVar

import msgspec
from django.db import transaction

from telemetry.drift import Drift
from telemetry.models import Session
from telemetry.processors.base import Claim, Job, Processor
from telemetry.transcripts import (
    Line,
    Tally,
    decode_content,
    decode_line,
    epoch_ms,
    read_lines,
)

GAP_MS = 24 * 60 * 60 * 1000
"""A pause of more than a day between two neighbouring lines is named as a gap."""

NAMES_KEPT = 20


class Integrity(msgspec.Struct):
    """What was found in a session's files, all revisions included. A whole transcript has only
    zeros but for `lines`; `unknown` counts lines by what they hold that is not known."""

    lines: int = 0
    bad_lines: int = 0
    mended_lines: int = 0
    repeated_lines: int = 0
    broken_parents: int = 0
    calls_without_result: int = 0
    results_without_call: int = 0
    gaps: int = 0
    times_out_of_order: int = 0
    unknown: dict[str, int] = msgspec.field(default_factory=dict)


class VerificationProcessor(Processor):
    """Bad lines, unknown types, broken parent links, unpaired tool calls, gaps in time."""

    name: ClassVar[str] = "verification"
    version: ClassVar[int] = 1

    def read(self, job: Job) -> Integrity:
        return _Inspector(job).inspect()

    def store(self, session: Session, found: Integrity, *, claim: Claim, now: datetime) -> bool:
        report = msgspec.to_builtins(found)
        with transaction.atomic():
            claim.finish(self, session.content_hash, now=now, report=report)
        return True


class _Inspector:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.found = Integrity()
        self.seen: set[str] = set()
        self.parents: set[str] = set()
        self.calls: set[str] = set()
        self.results: set[str] = set()
        self.drift = Drift()

    def inspect(self) -> Integrity:
        tally = Tally(too_long=[])
        for source in self.job.sources():
            for open_revision in source.revisions:
                last: int | None = None
                for raw in read_lines(open_revision(), tally):
                    last = self._look_at(raw, last)
        found = self.found
        found.lines = tally.lines
        found.bad_lines += len(tally.too_long)
        found.broken_parents = len(self.parents - self.seen)
        found.calls_without_result = len(self.calls - self.results)
        found.results_without_call = len(self.results - self.calls)
        unknown: Counter[str] = Counter()
        for kind, name, lines in self.drift.items():
            unknown[f"{kind} {name}"] += len(lines)
        found.unknown = dict(unknown.most_common(NAMES_KEPT))
        return found

    def _look_at(self, raw: bytes, last: int | None) -> int | None:
        """Take one line in; the time in ms up to which the file has come."""
        decoded = decode_line(raw)
        if decoded is None:
            self.found.bad_lines += 1
            return last
        line = decoded.line
        self.found.mended_lines += decoded.mended
        at = epoch_ms(line.timestamp)
        self.drift.notice(decoded, line.uuid, raw, at or 0)
        if line.uuid:
            self.found.repeated_lines += line.uuid in self.seen
            self.seen.add(line.uuid)
            if line.parentUuid:
                self.parents.add(line.parentUuid)
        self._look_at_blocks(line)
        if at is None or last is None:
            return at if last is None else last
        self.found.gaps += at - last > GAP_MS
        self.found.times_out_of_order += at < last
        return max(at, last)

    def _look_at_blocks(self, line: Line) -> None:
        content = decode_content(line.message.content) if line.message else None
        for block in content if isinstance(content, list) else []:
            self.drift.notice_block(block, line.uuid or "", 0)
            if block.type == "tool_use" and block.id:
                self.calls.add(block.id)
            elif block.type == "tool_result" and block.tool_use_id:
                self.results.add(block.tool_use_id)
