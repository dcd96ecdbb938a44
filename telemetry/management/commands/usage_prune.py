"""What is older than the retention settings removed."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.errors import AgnesError
from accounts.models import AuditEvent
from telemetry.retention import (
    EVENTS,
    FACTS,
    QUESTIONS,
    RESPONSES,
    TRANSCRIPTS,
    WINDOW_DAYS,
    PruneReport,
    Retention,
    plan_prune,
    prune,
)

SETTINGS = {
    EVENTS: ("events", "USAGE_EVENTS_RETENTION_DAYS"),
    RESPONSES: ("responses", "USAGE_RESPONSES_RETENTION_DAYS"),
    FACTS: ("daily rows of sessions and persons", "USAGE_DAILY_RETENTION_DAYS"),
    TRANSCRIPTS: ("transcripts", "USAGE_TRANSCRIPTS_RETENTION_DAYS"),
    QUESTIONS: ("asked questions", "USAGE_QUESTIONS_RETENTION_DAYS"),
}


class Command(BaseCommand):
    help = "Remove what is older than USAGE_…_RETENTION_DAYS. Acts without asking."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only show what would go.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        retention, now = Retention.from_settings(), timezone.now()
        try:
            if options["dry_run"]:
                report = plan_prune(retention, now=now)
            else:
                report = prune(retention, by=None, door=AuditEvent.Door.COMMAND, now=now)
        except AgnesError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps({**report.numbers(), "dry_run": options["dry_run"]}))
        else:
            self._tell(report, retention, dry_run=options["dry_run"])

    def _tell(self, report: PruneReport, retention: Retention, *, dry_run: bool) -> None:
        counts = (
            report.events,
            report.responses,
            report.facts,
            report.transcripts,
            report.questions,
        )
        verb = "would remove" if dry_run else "removed"
        for (name, (what, setting)), count in zip(SETTINGS.items(), counts, strict=True):
            day = (report.first_days or {}).get(name)
            if day is None:
                self.stdout.write(f"{what}: kept for ever ({setting}=0)")
            else:
                self.stdout.write(f"{what} before {day}: {verb} {count} ({setting})")
        if 0 < retention.facts < WINDOW_DAYS:
            self.stdout.write(
                f"USAGE_DAILY_RETENTION_DAYS={retention.facts} is less than the {WINDOW_DAYS} days "
                "that the figures of the last 30 days need, so these are kept."
            )
        if dry_run:
            self.stdout.write("Nothing was removed.")
        else:
            self.stdout.write(f"Done; {report.blobs} stored objects that nothing names deleted.")
