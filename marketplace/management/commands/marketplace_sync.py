"""Curated marketplaces brought up to date with their repositories."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts import audit
from accounts.errors import AgnesError
from marketplace.models import Marketplace
from marketplace.registry import find_marketplace
from marketplace.sync import SyncReport, sync_marketplace

PATIENT_SECONDS = 900.0
"""Nobody ends a command that is run by hand or by cron."""


class Command(BaseCommand):
    help = (
        "Fetch one curated marketplace, or all, and store what they offer. A marketplace that "
        "cannot be synced keeps its last good state; the command then ends with status 1."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="", help="Slug of a marketplace.")
        parser.add_argument("--all", action="store_true", help="Every registered marketplace.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object for each.")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["name"]) == options["all"]:
            raise CommandError("Name one marketplace, or give --all.")
        try:
            chosen = (
                list(Marketplace.objects.registered())
                if options["all"]
                else [find_marketplace(options["name"])]
            )
        except AgnesError as error:
            raise CommandError(str(error)) from error
        failed = [each.slug for each in chosen if not self._sync(each, options["json"])]
        if failed:
            raise CommandError(f"{len(failed)} of {len(chosen)} failed: {', '.join(failed)}.")
        if not chosen:
            self.stdout.write("No marketplace is registered: add one in the admin or by the API.")

    def _sync(self, marketplace: Marketplace, as_json: bool) -> bool:
        try:
            report = sync_marketplace(
                marketplace,
                by=None,
                door=audit.Door.COMMAND,
                now=timezone.now(),
                seconds=PATIENT_SECONDS,
            )
        except AgnesError as error:
            told = {"slug": marketplace.slug, "error": error.code, "message": str(error)}
            if as_json:
                self.stdout.write(json.dumps(told))
            else:
                self.stderr.write(f"{marketplace.slug}: {error}")
            return False
        self.stdout.write(json.dumps(report.numbers()) if as_json else sentence(report))
        return True


def sentence(report: SyncReport) -> str:
    offered = f"{report.plugins} plugins, {report.items} items, {report.findings} findings"
    if not report.changed:
        return f"{report.slug}: nothing new at {report.commit[:12]} ({offered})."
    changes = report.changes
    added = changes.plugins_added + changes.items_added
    changed = changes.plugins_changed + changes.plugins_renamed + changes.items_changed
    removed = changes.plugins_removed + changes.items_removed
    return (
        f"{report.slug}: synced {report.commit[:12]} ({offered}); "
        f"{added} added, {changed} changed, {removed} removed."
    )
