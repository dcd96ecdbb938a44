import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from accounts.errors import AgnesError
from telemetry import mirror


class Command(BaseCommand):
    help = "Look at the DuckDB mirror, hold it against the database, or build it anew."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["status", "verify", "rebuild"])
        parser.add_argument("--json", action="store_true", help="One JSON object.")

    def handle(self, *, action: str, json: bool, **options: Any) -> None:
        try:
            {"status": self._status, "verify": self._verify, "rebuild": self._rebuild}[action](json)
        except AgnesError as error:
            raise CommandError(str(error)) from error

    def _print(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, cls=DjangoJSONEncoder))

    def _status(self, as_json: bool) -> None:
        status = mirror.status()
        if as_json:
            self._print(asdict(status))
            return
        self.stdout.write(f"file            {status.file}")
        self.stdout.write(f"pending         {status.pending} changes")
        if status.problem:
            self.stdout.write(f"problem         {status.problem} {status.fix}")
            return
        self.stdout.write(f"size            {status.bytes / 1e6:.1f} MB")
        self.stdout.write(f"data time       {status.data_time:%Y-%m-%d %H:%M:%S} UTC")
        self.stdout.write(f"schema version  {status.schema_version}")
        for table, rows in status.rows.items():
            self.stdout.write(f"{rows:>15,} {table}")

    def _verify(self, as_json: bool) -> None:
        verification = mirror.verify()
        if as_json:
            self._print({**asdict(verification), "same": verification.same})
        else:
            for check in verification.checks:
                word = "same" if check.same else "DIFFERS"
                self.stdout.write(
                    f"{check.database.rows:>12,} {check.mirror.rows:>12,}  {word:<8}{check.table}"
                )
        if verification.same:
            return
        differing = ", ".join(check.table for check in verification.checks if not check.same)
        fix = "run manage.py usage_mirror rebuild"
        if verification.pending:
            fix = f"{verification.pending} changes are pending, let the worker catch up; or {fix}"
        raise CommandError(f"The mirror differs from the database in {differing}: {fix}.")

    def _rebuild(self, as_json: bool) -> None:
        report = mirror.rebuild(now=timezone.now())
        if as_json:
            self._print(asdict(report))
        elif report.publication:
            self.stdout.write(f"The mirror was built anew: {report.publication.size / 1e6:.1f} MB.")
