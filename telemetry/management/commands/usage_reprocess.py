"""Sessions derived again from their transcripts."""

import json
from datetime import UTC, date, datetime, time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import AuditEvent
from telemetry.import_people import UnusablePerson, find_person
from telemetry.reprocess import Choice, Plan, plan_reprocess, reprocess
from telemetry.task_queue import enqueue_processing

SKIPPED_SHOWN = 10


class Command(BaseCommand):
    help = (
        "Delete what was derived from stored transcripts and derive it again. Figures stay on the "
        "pages meanwhile. Only shows what it would do, unless --yes is given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", help="E-mail or username; else everybody's sessions.")
        parser.add_argument("--session", default="", help="A session id or main file's name.")
        parser.add_argument("--since", help="Sessions begun on this UTC day or later.")
        parser.add_argument("--until", help="Sessions begun before this UTC day.")
        parser.add_argument("--yes", action="store_true", help="Do it.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        choice = _choice(options)
        if options["yes"]:
            plan = reprocess(choice, by=None, door=AuditEvent.Door.COMMAND, now=timezone.now())
            enqueue_processing()
        else:
            plan = plan_reprocess(choice)
        if choice.session and not plan.sessions and not plan.skipped:
            raise CommandError(f"There is no session {choice.session!r}: give another --session.")
        self._tell(plan, done=options["yes"], as_json=options["json"])

    def _tell(self, plan: Plan, *, done: bool, as_json: bool) -> None:
        if as_json:
            body = {
                "done": done,
                "sessions": len(plan.sessions),
                "events": plan.events,
                "responses": plan.responses,
                "skipped": plan.skipped,
            }
            self.stdout.write(json.dumps(body))
            return
        if plan.skipped:
            self.stdout.write(
                f"skipped: {len(plan.skipped)} sessions keep their rows, since their transcript "
                "is not stored any more:"
            )
            for name in plan.skipped[:SKIPPED_SHOWN]:
                self.stdout.write(f"  {name}")
            if len(plan.skipped) > SKIPPED_SHOWN:
                self.stdout.write(f"  and {len(plan.skipped) - SKIPPED_SHOWN} more")
        counts = (
            f"the usage state of {len(plan.sessions)} sessions, "
            f"{plan.events} events and {plan.responses} responses"
        )
        if done:
            self.stdout.write(f"Cleared {counts}. The worker, or usage_process, derives them anew.")
        else:
            self.stdout.write(f"Would clear {counts}, and derive them anew. Add --yes to do it.")


def _choice(options: dict[str, Any]) -> Choice:
    user = None
    if options["user"]:
        try:
            user = find_person(options["user"])
        except UnusablePerson as error:
            raise CommandError(str(error)) from error
        if user is None:
            raise CommandError(f"There is no person {options['user']!r}: give another --user.")
    since, until = _day(options, "since"), _day(options, "until")
    if since and until and since >= until:
        raise CommandError(f"--since {options['since']} is not before --until {options['until']}.")
    return Choice(user, options["session"], since, until)


def _day(options: dict[str, Any], name: str) -> datetime | None:
    if not options[name]:
        return None
    try:
        day = date.fromisoformat(options[name])
    except ValueError:
        raise CommandError(
            f"--{name} {options[name]!r} is no day: write it as 2026-05-01."
        ) from None
    return datetime.combine(day, time(), UTC)
