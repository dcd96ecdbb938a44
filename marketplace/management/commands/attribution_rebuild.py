"""The attribution tables written again from what the catalogue holds."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts import audit
from marketplace.rebuild import rebuild_attribution


class Command(BaseCommand):
    help = (
        "Write the names of every plugin in the catalogue to the attribution tables, and have "
        "stored events attributed anew. Safe at any time; changes nothing where all is right."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--events", action="store_true", help="Attribute events anew even if no name changed."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        report = rebuild_attribution(
            by=None, door=audit.Door.COMMAND, now=timezone.now(), events=options["events"]
        )
        counts = (
            f"{report.plugins} plugins of {report.marketplaces} marketplaces, "
            f"{report.flea_items} flea items"
        )
        if report.changed:
            self.stdout.write(f"{counts}: names written. Events follow in the background.")
        elif options["events"]:
            self.stdout.write(f"{counts}: no name changed. Events follow in the background.")
        else:
            self.stdout.write(f"{counts}: every name is there already.")
