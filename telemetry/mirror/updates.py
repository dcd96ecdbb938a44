"""From pending changes to a published mirror."""

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
from django.db import transaction

from telemetry import leases
from telemetry.mirror import build as build_file
from telemetry.mirror import damage
from telemetry.mirror.build import BuildBroken, BuildFile
from telemetry.mirror.connection import (
    folder,
    noted_damage,
    published_meta,
    published_path,
    refuse_damaged,
)
from telemetry.mirror.errors import MirrorBusy, MirrorUnavailable
from telemetry.mirror.publish import Publication, publish
from telemetry.mirror.tables import BY_NAME, PEOPLE, Scope
from telemetry.models import PendingChange

logger = logging.getLogger(__name__)

CONSUMER = "mirror"
REBUILD = "rebuild"
LEASE = timedelta(seconds=60)
# Half of what a task of the worker may take; a longer rebuild goes on at the next tick.
BUDGET = timedelta(seconds=60)
SESSIONS_AT_ONCE = 200
DAYS_AT_ONCE = 10
DELETE_AT_ONCE = 500
# DuckDB's spill folders of processes that died; a living query does not last a day.
SPILL_SECONDS = 86_400


@dataclass
class MirrorReport:
    """What one call did. `complete`: nothing that was pending at its start is left."""

    sessions: int = 0
    days: int = 0
    tables: int = 0
    rebuilt: bool = False
    complete: bool = True
    publication: Publication | None = None


@dataclass
class Pending:
    """The marks this call saw, by what they name. Exactly these are deleted: one with a lower
    number may be committed later than one with a higher."""

    marks: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    applied: list[int] = field(default_factory=list)

    @classmethod
    def read(cls) -> "Pending":
        pending = cls()
        marks = PendingChange.objects.filter(consumer=CONSUMER).order_by("pk")
        for pk, kind, key in marks.values_list("pk", "kind", "key").iterator():
            pending.marks.setdefault((kind, key), []).append(pk)
        return pending

    def keys(self, kind: str) -> list[str]:
        return [key for of_kind, key in self.marks if of_kind == kind]

    def ids(self, kind: str) -> set[int]:
        return {pk for (of_kind, _), pks in self.marks.items() if of_kind == kind for pk in pks}

    def done(self, kind: str, keys: list[str]) -> None:
        for key in keys:
            self.applied += self.marks.pop((kind, key))

    def all_done(self) -> None:
        for kind, key in list(self.marks):
            self.done(kind, [key])


class Deadline:
    def __init__(self, budget: timedelta | None) -> None:
        self._end = None if budget is None else time.monotonic() + budget.total_seconds()

    @property
    def passed(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end


def sync(
    *, now: datetime, budget: timedelta | None = BUDGET, from_nothing: bool = False
) -> MirrorReport:
    """Applies what is pending and publishes. Safe to run at any time and to be killed at any time.

    A build file that is missing, broken or of other tables is built anew; what does not fit into
    `budget` stays pending. Raises MirrorBusy while another process does this.
    """
    pending = Pending.read()
    problem = published_problem()
    if not pending.marks and problem is None and not from_nothing:
        return MirrorReport()
    with _writing() as held:
        report = MirrorReport()
        deadline = Deadline(budget)
        path = _build_path()
        if from_nothing:
            build_file.remove(_draft_path())
        if from_nothing or noted_damage():
            # It may be damaged too, and a publication uses old blocks again.
            build_file.remove(path)
        try:
            if pending.ids(REBUILD) or not path.exists():
                raise BuildBroken("a rebuild is wanted, or there is no file yet")
            _apply(path, pending, report, deadline, held, now)
        except (BuildBroken, duckdb.Error) as reason:
            logger.info("The mirror is built anew: %s", reason)
            report.rebuilt = True
            if not _rebuild(path, pending, deadline, held):
                report.complete = False
                return report
            _apply(path, pending, report, deadline, held, now)
        held.renew()
        report.publication = publish(path, folder(), whole=report.rebuilt)
        damage.forget(folder=folder())
        report.complete = not pending.marks
        _delete(pending.applied, held)
    return report


def rebuild(*, now: datetime) -> MirrorReport:
    """The whole mirror from the relational database, in one go; readers keep the old one until
    then. Afterwards no file holds what was deleted before."""
    return sync(now=now, budget=None, from_nothing=True)


def pending_changes() -> int:
    return PendingChange.objects.filter(consumer=CONSUMER).count()


def _build_path() -> Path:
    return folder() / "build.duckdb"


def _draft_path() -> Path:
    return folder() / "rebuild.duckdb"


_fine: list[int] | None = None
"""The mark of the file that this process found to be readable."""


def published_problem() -> str | None:
    """Why the published file has to be published again; None when it is fine, "missing" when
    there is none.

    A readable file is opened once per publication and process, so an idle tick costs a stat and
    the look for a note. A problem is looked at anew each time: it may have passed.
    """
    global _fine
    try:
        mark = damage.mark_of(published_path().stat())
    except OSError:
        return "missing"
    try:
        refuse_damaged()
        if _fine != mark:
            published_meta()
    except MirrorUnavailable as error:
        return str(error)
    _fine = mark
    return None


def published_mark() -> str:
    """Changes whenever another file is published, or damage of it is noted; empty without one."""
    try:
        mark = damage.mark_of(published_path().stat())
    except OSError:
        return ""
    return "-".join(map(str, mark)) + ("-damaged" if noted_damage() else "")


@contextmanager
def _writing() -> Iterator[leases.Held]:
    """The lease, and a lock on this machine that a process gives back even when it is killed."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    held = leases.take("mirror", ttl=LEASE)
    if held is None:
        raise MirrorBusy
    try:
        with (folder() / "writer.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                # Its lease ran out while it was only slow.
                raise MirrorBusy from None
            _remove_old_spills()
            yield held
    finally:
        held.release()


def _apply(
    path: Path,
    pending: Pending,
    report: MirrorReport,
    deadline: Deadline,
    held: leases.Held,
    now: datetime,
) -> None:
    with BuildFile(path) as build:
        for done, (kind, keys) in enumerate(_units(pending)):
            # One unit at least, so that even a slow machine gets through.
            if done and deadline.passed:
                break
            _apply_unit(build, kind, keys, report)
            pending.done(kind, keys)
            held.renew()
        if report.sessions:
            build.replace_tables([BY_NAME[PEOPLE]])
        build.stamp(now=now, applied_id=max(pending.applied, default=0))


def _units(pending: Pending) -> list[tuple[str, list[str]]]:
    units: list[tuple[str, list[str]]] = []
    sizes = {Scope.SESSION: SESSIONS_AT_ONCE, Scope.DAY: DAYS_AT_ONCE, Scope.TABLE: len(BY_NAME)}
    for kind, size in sizes.items():
        keys = pending.keys(kind)
        units += [(kind, keys[at : at + size]) for at in range(0, len(keys), size)]
    return units


def _apply_unit(build: BuildFile, kind: str, keys: list[str], report: MirrorReport) -> None:
    if kind == Scope.SESSION:
        build.replace_sessions([int(key) for key in keys])
        report.sessions += len(keys)
    elif kind == Scope.DAY:
        build.replace_days([date.fromisoformat(key) for key in keys])
        report.days += len(keys)
    else:
        # Tables that are not mirrored, or no longer, are nothing to do.
        build.replace_tables([BY_NAME[key] for key in keys if key in BY_NAME])
        report.tables += len(keys)


def _rebuild(path: Path, pending: Pending, deadline: Deadline, held: leases.Held) -> bool:
    """False when the time was up: the next call goes on with the same draft."""
    draft = _draft_path()
    build = _open_draft(draft, pending.ids(REBUILD))
    # Marks seen before the first row was read are answered by a rebuild in one go.
    in_one_go = build.answered_marks() is None
    with build:
        if in_one_go:
            build.begin_rebuild(pending.ids(REBUILD))
        for _ in build.fill():
            held.renew()
            if deadline.passed:
                return False
        build.end_rebuild()
    build_file.take_over(draft, path)
    if in_one_go:
        pending.all_done()
    else:
        pending.done(REBUILD, pending.keys(REBUILD))
    return True


def _open_draft(draft: Path, marks: set[int]) -> BuildFile:
    """The draft of a rebuild that was stopped, else a fresh one.

    A draft begun before one of the `marks` may hold the very rows that are to vanish.
    """
    if draft.exists():
        try:
            build = BuildFile(draft)
        except BuildBroken:
            pass
        else:
            answered = build.answered_marks()
            if answered is not None and marks <= answered:
                return build
            build.database.close()
    build_file.remove(draft)
    return BuildFile(draft)


def _delete(ids: list[int], held: leases.Held) -> None:
    with transaction.atomic():
        held.check()
        for at in range(0, len(ids), DELETE_AT_ONCE):
            PendingChange.objects.filter(pk__in=ids[at : at + DELETE_AT_ONCE]).delete()


def _remove_old_spills() -> None:
    old = time.time() - SPILL_SECONDS
    with os.scandir(folder()) as entries:
        spills = [
            e.path for e in entries if e.name.startswith("spill-") and e.stat().st_mtime < old
        ]
    for path in spills:
        shutil.rmtree(path, ignore_errors=True)
