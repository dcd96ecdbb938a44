"""What people use that no catalogue has, and what the catalogue offers that nobody uses."""

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from marketplace.gaps import Unlisted, Unused, offered_but_unused, used_but_unlisted

SHOWN = 50


class Command(BaseCommand):
    help = "List what is used but in no catalogue, and what is in the catalogue but never used."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, help="Only what was used in the last N days.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object, complete.")

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["days"]
        if days is not None and not 0 < days <= 36_500:
            raise CommandError(f"--days {days} is no number of days: write 30, or leave it out.")
        since = None if days is None else timezone.now().date() - timedelta(days=days)
        unlisted, unused = used_but_unlisted(since=since), offered_but_unused(since=since)
        if options["json"]:
            body = {
                "unlisted": [row._asdict() for row in unlisted],
                "unused": [row._asdict() for row in unused],
            }
            self.stdout.write(json.dumps(body, default=str))
            return
        self._tell_unlisted(unlisted)
        self._tell_unused(unused)

    def _tell_unlisted(self, rows: list[Unlisted]) -> None:
        self.stdout.write(f"Used, but in no catalogue: {len(rows)}")
        for row in rows[:SHOWN]:
            self.stdout.write(
                f"  {row.kind:<8} {row.name}  {row.calls} calls, {row.people} people, "
                f"last on {row.last_day}"
            )
        self._tell_rest(len(rows))

    def _tell_unused(self, rows: list[Unused]) -> None:
        self.stdout.write(f"In the catalogue, but never used: {len(rows)}")
        for row in rows[:SHOWN]:
            self.stdout.write(f"  {row.kind:<8} {row.name}  ({row.ref_id})")
        self._tell_rest(len(rows))

    def _tell_rest(self, count: int) -> None:
        if count > SHOWN:
            self.stdout.write(f"  and {count - SHOWN} more: --json shows all")
