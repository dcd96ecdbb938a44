"""Everything due processed now, and shown."""

import json
import time
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import AuditEvent
from telemetry.due_sessions import due_count
from telemetry.import_output import ERASE_LINE, REDRAW_SECONDS
from telemetry.processing import Processed, process_for
from telemetry.processors import names
from telemetry.processors.storing import RunReport


class Command(BaseCommand):
    help = (
        "Process all sessions that are due, then bring rollups and mirror up to date. "
        "Fails when a session was quarantined."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--processor", choices=names(), help="Only this one; else all.")
        parser.add_argument("--processes", type=int, default=2, help="How many at once (2).")
        parser.add_argument(
            "--retry-failed", action="store_true", help="Failed and quarantined sessions too."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["processes"] < 1:
            raise CommandError("--processes must be 1 or more.")
        started = time.monotonic()
        done = process_for(
            by=None,
            door=AuditEvent.Door.COMMAND,
            processor=options["processor"] or "",
            processes=options["processes"],
            retry=options["retry_failed"],
            progress=self._progress(options["processor"]),
        )
        self._close(done, time.monotonic() - started, as_json=options["json"])
        if done.quarantined:
            raise CommandError(
                f"{done.quarantined} sessions were quarantined. Their errors are in the admin "
                "under processor states; usage_process --retry-failed tries them again."
            )

    def _progress(self, processor: str | None) -> Any:
        if not self.stderr.isatty():
            return None
        total = due_count([processor] if processor else names(), now=timezone.now())
        drawn = [0.0]
        bases = [0]
        last = [0]

        def draw(report: RunReport) -> None:
            # Each processor's run begins to count anew.
            if report.sessions < last[0]:
                bases[0] += last[0]
            last[0] = report.sessions
            if time.monotonic() - drawn[0] >= REDRAW_SECONDS:
                drawn[0] = time.monotonic()
                text = f"{bases[0] + report.sessions} of {total} sessions"
                self.stderr.write(ERASE_LINE + text, style_func=str, ending="")
                self.stderr.flush()

        return draw

    def _close(self, done: Processed, seconds: float, *, as_json: bool) -> None:
        if self.stderr.isatty():
            self.stderr.write(ERASE_LINE, style_func=str, ending="")
        if as_json:
            self.stdout.write(json.dumps({**asdict(done), "seconds": round(seconds, 3)}))
            return
        self.stdout.write(
            f"Processed {done.sessions} sessions ({done.bytes / 1e6:.1f} MB) in {seconds:.1f} s; "
            f"{done.failed} failed, {done.quarantined} quarantined, "
            f"{done.skipped} without a stored transcript; {done.days} days rolled up."
        )
        if done.mirror_problem:
            self.stderr.write(f"The mirror is out of date: {done.mirror_problem}")
