"""Transcripts from disk into Agnes: a folder, a single file or a zip, as one person's or many's."""

import time
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.errors import AgnesError
from accounts.models import User
from telemetry import transcript_blobs
from telemetry.import_output import Output, incomplete, totals
from telemetry.import_people import create_person, find_person
from telemetry.import_sources import Found, Skipped, UnusableSource, find_files
from telemetry.imports import FileReport, import_files
from telemetry.management.pipes import told_when_reader_leaves
from telemetry.preparers import WORTH_PROCESSES, Preparers
from telemetry.processes import expect_processes


class Command(BaseCommand):
    help = (
        "Import transcripts: ~/.claude/projects, any folder, a .jsonl file or a .zip. "
        "Run it again at any time: what is stored is recognised."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="Folder, .jsonl file or .zip.")
        parser.add_argument("--user", help="E-mail or username; unknown ones are created.")
        parser.add_argument(
            "--users-from-folders",
            action="store_true",
            help="PATH holds a folder for each person, named by e-mail or username.",
        )
        parser.add_argument(
            "--no-process", action="store_true", help="Store only; the worker does the rest."
        )
        parser.add_argument("--processes", type=int, default=2, help="How many at once (2).")
        parser.add_argument(
            "--verify", action="store_true", help="Read every file, also unchanged ones."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_: object, **options: Any) -> None:
        path: Path = options["path"].expanduser()
        if options["user"] and options["users_from_folders"]:
            raise CommandError(
                "Both --user and --users-from-folders were given. Give --user for transcripts of "
                "one person, or --users-from-folders when PATH holds a folder for each."
            )
        if not options["user"] and not options["users_from_folders"]:
            raise CommandError(
                "Whose transcripts are these? Give either --user E-MAIL-OR-USERNAME for one "
                "person, or --users-from-folders when PATH holds a folder for each person."
            )
        if options["processes"] < 1:
            raise CommandError("--processes must be 1 or more.")
        # The listing is in a buffer, so what was read may be more than what was shown.
        gone = (
            "The reader of the output went away. What was read by then is stored: run the import "
            "again for the rest."
        )
        with told_when_reader_leaves(self.stdout, gone):
            self._run(path, options)

    def _run(self, path: Path, options: dict[str, Any]) -> None:
        started = time.monotonic()
        output = Output(self.stdout, self.stderr, as_json=options["json"])
        skipped = Skipped()
        try:
            found = find_files(path, skipped)
            people = self._people(path, found, options["user"], output)
            if options["processes"] > 1 and _bytes(people) > WORTH_PROCESSES:
                expect_processes()
            processing = None if options["no_process"] else _Processing(options["processes"])
            self._import(people, output, options, processing)
            output.finish()
            processed = None if processing is None else processing.finish()
        except (UnusableSource, AgnesError) as error:
            raise CommandError(str(error)) from error
        except BrokenProcessPool as error:
            raise CommandError(
                "A process that prepared files was killed, perhaps for want of memory. What was "
                "listed is stored: run the import again, with --processes 1."
            ) from error
        except KeyboardInterrupt:
            raise CommandError(
                "Interrupted. What was listed is stored: run the import again for the rest.",
                returncode=130,
            ) from None
        output.close(
            skipped=skipped,
            seconds=time.monotonic() - started,
            processed=processed,
            totals=totals([user for user, _ in people]),
            incomplete=incomplete([user for user, _ in people]),
        )
        if output.all_refused:
            raise CommandError(
                "Nothing was stored: every file was refused, for the reason told beside it."
            )

    def _people(
        self, path: Path, found: Iterable[Found], user: str | None, output: Output
    ) -> list[tuple[User, list[Found]]]:
        """Each person with their files; people are known before anything is stored."""
        if user:
            return [(self._person(user, output), list(found))]
        if path.is_file() and path.suffix.lower() != ".zip":
            raise CommandError("--users-from-folders needs a folder or a zip. Use --user here.")
        folders: dict[str, list[Found]] = defaultdict(list)
        for file in found:
            folder, inside, _ = file.path.partition("/")
            if inside:
                folders[folder].append(file)
            else:
                output.tell(None, FileReport(file.path, "refused", "it lies in no person's folder"))
        for folder in folders:
            find_person(folder)  # a name that is not usable stops everything, not half of it
        return [(self._person(folder, output), files) for folder, files in folders.items()]

    def _person(self, text: str, output: Output) -> User:
        user = find_person(text)
        if user is None:
            user = create_person(text)
            output.created(user)
        return user

    def _import(
        self,
        people: list[tuple[User, list[Found]]],
        output: Output,
        options: dict[str, Any],
        processing: "_Processing | None",
    ) -> None:
        output.expect(sum(len(files) for _, files in people))
        folder = str(transcript_blobs.temp_folder())
        with Preparers(options["processes"], folder=folder) as preparers:
            import_files(
                people,
                tell=output.tell,
                now=timezone.now,
                preparers=preparers,
                verify=options["verify"],
                store_sessions=processing.arrivals.store if processing else None,
                stored=processing.catch_up if processing else lambda: None,
            )


def _bytes(people: list[tuple[User, list[Found]]]) -> int:
    return sum(file.size for _, files in people for file in files)


class _Processing:
    """Everything that is due, up to the pages: sessions, rollups, mirror.

    Sessions are counted as they come; their integrity checks are left to the worker.
    """

    def __init__(self, processes: int) -> None:
        # Loaded late: an import that only stores needs neither DuckDB nor prices.
        from telemetry import prices
        from telemetry.processing import Processed
        from telemetry.processors import PROCESSORS
        from telemetry.processors.arrivals import Arrivals

        # Here rather than later, while other processes start.
        prices.load()
        self.processes = processes
        self.processors = PROCESSORS[:1]
        self.arrivals = Arrivals()
        self.done = Processed()

    def catch_up(self) -> None:
        """Count what is left of one person's sessions before another's come: of two people's
        copies the first that came is counted."""
        from telemetry.processors.runner import run_until_idle

        if self.arrivals.leave_others():
            self.done.add(run_until_idle(processors=self.processors, processes=self.processes))

    def finish(self) -> dict[str, Any]:
        from telemetry.models import ProcessorState
        from telemetry.processing import process_due

        done = process_due(processors=self.processors, processes=self.processes)
        self.done.add(self.arrivals.report)
        counts = {
            "sessions": done.sessions + self.done.sessions,
            "failed": done.failed + self.done.failed,
            "quarantined": done.quarantined,
            "left_to_the_worker": ProcessorState.objects.filter(due_at__isnull=False).count(),
        }
        return counts | ({"mirror_problem": done.mirror_problem} if done.mirror_problem else {})
