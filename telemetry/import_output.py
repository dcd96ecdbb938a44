"""What an import prints: a line for each file, a closing summary, or all of it as JSON."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import OutputWrapper
from django.db.models import Sum

from accounts.models import User
from telemetry.imports import FileReport
from telemetry.incomplete_sessions import incomplete_sessions
from telemetry.models import Session, UsageEvent, UsageSessionSummary

WIDTH = 10
NAMED = 20
REDRAW_SECONDS = 0.1
ERASE_LINE = "\r\033[K"


class Output:
    """Lines to `out` as files are done, progress to `err` where that is a terminal."""

    def __init__(self, out: OutputWrapper, err: OutputWrapper, *, as_json: bool) -> None:
        self.out = out
        self.as_json = as_json
        self.err = err if err.isatty() else None
        self.reports: list[dict[str, Any]] = []
        self.people: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()
        self.bytes = 0
        self.expected = 0
        self._drawn_at = 0.0

    def created(self, user: User) -> None:
        self.people.append({"username": user.username, "email": user.email, "created": True})
        self.line(f"created {user.username}, a person without sign-in ({user.email})")

    def expect(self, files: int) -> None:
        self.expected = files

    def tell(self, user: User | None, report: FileReport) -> None:
        self.counts[report.status] += 1
        self.bytes += report.size
        if self.as_json:
            name = user.username if user else None
            self.reports.append({"user": name, **asdict(report), "path": printable(report.path)})
        else:
            self.line(f"{report!s:{WIDTH}}  {printable(report.path)}")
        self._draw()

    def line(self, text: str) -> None:
        if self.as_json:
            return
        self._write_progress("")
        self.out.write(text)

    def finish(self) -> None:
        """Take the progress line away."""
        self._write_progress("")

    @property
    def all_refused(self) -> bool:
        return 0 < self.counts["refused"] == self.counts.total()

    def close(
        self,
        *,
        skipped: Mapping[str, int],
        seconds: float,
        processed: Mapping[str, Any] | None,
        totals: Mapping[str, int],
        incomplete: Sequence[str],
    ) -> None:
        """The summary; `processed` is None when the import only stored, `incomplete` are names of
        main files."""
        if self.as_json:
            summary = {
                "people": self.people,
                "files": self.reports,
                "counts": dict(self.counts),
                "skipped": dict(skipped),
                "bytes": self.bytes,
                "seconds": round(seconds, 3),
                "processed": dict(processed) if processed is not None else None,
                "totals": dict(totals),
                "incomplete": list(incomplete),
            }
            self.out.write(json.dumps(summary))
            return
        self.line(f"{self.counts.total()} files: {_listed(self.counts) or 'nothing to import'}")
        if any(skipped.values()):
            self.line(f"passed over: {_listed(skipped)}")
        self.line(f"{self.bytes / 1e6:.1f} MB in {seconds:.1f} s")
        if processed is None:
            self.line("Nothing was processed: usage_process or the worker does that.")
        else:
            problem = processed.get("mirror_problem", "")
            counts = {name: count for name, count in processed.items() if isinstance(count, int)}
            self.line(f"processed: {_listed(counts)}")
            if problem:
                self.line(f"The mirror is behind: {problem}. Run usage_mirror rebuild.")
        counted = dict(totals)
        held = counted.pop("held_by_another_person")
        self.line(f"in all: {_listed(counted)}")
        if held:
            self.line(
                f"held by another person: {held:,} lines and what stands in them. Somebody else's "
                "transcripts brought them first, so they count there and nothing here."
            )
        self._warn(incomplete)

    def _warn(self, incomplete: Sequence[str]) -> None:
        if not incomplete:
            return
        count = len(incomplete)
        keep = "1 session keeps its" if count == 1 else f"{count:,} sessions keep their"
        part = "its" if count == 1 else "their"
        self.line(
            f"{keep} former figures: part of {part} transcript was removed by retention; import it "
            "again to count what is new:"
        )
        for name in incomplete[:NAMED]:
            self.line(f"  {printable(name)}")
        if count > NAMED:
            self.line(f"  and {count - NAMED:,} more")

    def _draw(self) -> None:
        if not self.err or time.monotonic() - self._drawn_at < REDRAW_SECONDS:
            return
        self._drawn_at = time.monotonic()
        done = self.counts.total()
        self._write_progress(f"{done} of {self.expected} files, {self.bytes / 1e6:.0f} MB")

    def _write_progress(self, text: str) -> None:
        if self.err:
            # Without a style, since progress is no error.
            self.err.write(ERASE_LINE + text, style_func=str, ending="")
            self.err.flush()


def printable(path: str) -> str:
    """A path from a stranger's disk as a terminal and a JSON file can take it."""
    whole = path.encode("utf-8", "replace").decode()
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in whole)


def totals(users: Sequence[User]) -> dict[str, int]:
    """What is known about these people after the import."""
    summed = UsageSessionSummary.objects.filter(user__in=users).aggregate(
        responses=Sum("responses"),
        input_tokens=Sum("input_tokens"),
        output_tokens=Sum("output_tokens"),
        cache_creation_tokens=Sum("cache_creation_tokens"),
        cache_read_tokens=Sum("cache_read_tokens"),
        held_elsewhere=Sum("held_elsewhere"),
    )
    responses, held = summed.pop("responses"), summed.pop("held_elsewhere")
    return {
        "sessions": Session.objects.filter(user__in=users).count(),
        "responses": responses or 0,
        "events": UsageEvent.objects.filter(user__in=users).count(),
        **{name: value or 0 for name, value in summed.items()},
        "held_by_another_person": held or 0,
    }


def incomplete(users: Sequence[User]) -> list[str]:
    """Main files of these people's sessions that are not counted as far as they go, since
    retention removed a part of them; in order."""
    found = incomplete_sessions().filter(user__in=users).order_by("session_file")
    return list(found.values_list("session_file", flat=True))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
