"""Schedules of the queue as the settings want them."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from agnes_project.schedules import Ensured, ensure_schedules


class Command(BaseCommand):
    help = "Make the periodic jobs match the SCHEDULER_…_INTERVAL settings. Run it at any time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON array.")

    def handle(self, *args: Any, **options: Any) -> None:
        ensured = ensure_schedules(now=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps([asdict(one) for one in ensured]))
            return
        if options["verbosity"] == 0:
            return
        for one in ensured:
            self.stdout.write(f"{one.state:<8}  {one.name}{_interval(one)}")
        running = sum(bool(one.minutes) for one in ensured)
        self.stdout.write(f"{running} jobs are scheduled; the worker (qcluster) runs them.")


def _interval(one: Ensured) -> str:
    if not one.minutes:
        return ""
    unit = "minute" if one.minutes == 1 else f"{one.minutes} minutes"
    return f", every {unit}" + (" (the setting rounded to whole minutes)" if one.rounded else "")
