import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError

from accounts import audit
from accounts.errors import AgnesError
from telemetry.exports import Export, ExportFormat, ExportStream
from telemetry.management.pipes import told_when_reader_leaves


class Command(BaseCommand):
    help = "Write rows of a mirrored table as csv, json, ndjson or parquet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", default="csv", help=f"{', '.join(ExportFormat)}; csv.")
        parser.add_argument("--table", default="usage_events", help="usage_events by default.")
        parser.add_argument("--since", help="UTC day or instant, included: 2026-05-01.")
        parser.add_argument("--until", help="UTC day or instant, not included.")
        parser.add_argument("--user", help="Id, username or e-mail address.")
        parser.add_argument("--source", help="curated, flea, builtin or unattributed.")
        parser.add_argument("--out", type=Path, help="A file; without it, standard output.")

    def handle(self, **options: Any) -> None:
        _refuse_unusable(options["out"])
        words = {name: options[name] for name in ("format", "table", "since", "until")}
        try:
            export = Export.parse(**words, user=options["user"], source=options["source"])
            with ExportStream(export, door=audit.Door.COMMAND) as stream:
                if options["out"] is None:
                    self._print(stream)
                    return
                _write_file(stream, options["out"])
        except AgnesError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"The export broke off: {error}.") from error
        self.stderr.write(f"{stream.row_count:,} rows of {export.table.name} in {options['out']}.")

    def _print(self, stream: ExportStream) -> None:
        binary: IO[bytes] | None = getattr(self.stdout, "buffer", None)
        with told_when_reader_leaves(self.stdout, "The reader of the export went away."):
            for chunk in stream:
                if binary is None:
                    self.stdout.write(chunk.decode(), ending="")
                else:
                    binary.write(chunk)


def _refuse_unusable(out: Path | None) -> None:
    if out is None:
        return
    if out.is_dir():
        raise CommandError(f"--out {out} is a folder: name a file in it, as {out / 'export.csv'}.")
    if not out.parent.is_dir():
        raise CommandError(f"The folder of --out {out} does not exist: run mkdir -p {out.parent}.")


def _write_file(stream: ExportStream, path: Path) -> None:
    """Under another name until it is whole."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as file:
            for chunk in stream:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
