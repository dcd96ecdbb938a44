import json
from argparse import ArgumentTypeError
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from marketplace.demo import register
from telemetry.demo.people import PEOPLE
from telemetry.demo.seed import Seeded, SeedRefused, seed

WINDOWS = "usagemarketplaceitemwindow"


class Command(BaseCommand):
    help = (
        "Fill an empty instance with a made-up organisation: people, plugins of two marketplaces "
        "and a flea market, and weeks of sessions up to now."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--now", type=_moment, help="The end of all sessions, ISO 8601 (UTC).")
        parser.add_argument("--days", type=int, default=60, help="Complete days before today.")
        parser.add_argument("--people", type=int, default=len(PEOPLE))
        parser.add_argument("--seed", type=int, default=1, help="Another number, other stories.")
        parser.add_argument("--add", action="store_true", help="Also where there are sessions.")
        parser.add_argument("--json", action="store_true", help="Print what was made as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            seeded = seed(
                now=options["now"] or datetime.now(UTC),
                days=options["days"],
                people=options["people"],
                number=options["seed"],
                add=options["add"],
                register=register,
            )
        except SeedRefused as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps(asdict(seeded), default=datetime.isoformat))
        elif options["verbosity"] > 0:
            self.stdout.write(_sentence(seeded))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is no moment: write 2026-05-01 or 2026-05-01T12:00:00Z"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _sentence(seeded: Seeded) -> str:
    rest = "" if seeded.caught_up else " Another process is bringing the figures up to date."
    return (
        f"Made {seeded.sessions} sessions of {seeded.people} people over {seeded.days} days and "
        f"today, and {seeded.plugins} plugins; {seeded.events} events are stored. "
        f"Look at {_list('session')} and, for what is used most, {_list(WINDOWS)}.{rest}"
    )


def _list(model: str) -> str:
    """The address of a list in the admin, below the instance's own."""
    return reverse(f"admin:telemetry_{model}_changelist")
