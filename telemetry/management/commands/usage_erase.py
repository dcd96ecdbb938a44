"""A session or a person erased for good."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.errors import AgnesError
from accounts.models import AuditEvent, User
from telemetry.erasure import ErasurePlan, Target, erase, lift, plan_erasure, plan_lift
from telemetry.import_people import find_person, known_addresses
from telemetry.task_queue import enqueue_processing

SESSIONS_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Erase a session, or a person's usage: files, rows, figures and mirror. Uploads of it are "
        "refused afterwards. Only shows what it would do, unless --yes is given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--session", default="", help="A session id or main file's name.")
        parser.add_argument(
            "--user",
            help="E-mail or username. Alone: all their usage. With --session: only their copy.",
        )
        parser.add_argument("--yes", action="store_true", help="Do it.")
        parser.add_argument(
            "--lift", action="store_true", help="Take uploads again; brings nothing back."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["session"] and not options["user"]:
            raise CommandError("Erase what? Give --session, --user, or both.")
        try:
            if options["lift"]:
                target = _erased(options["user"], options["session"])
                self._lift(target, yes=options["yes"], as_json=options["json"])
            else:
                target = Target(_person(options["user"]), options["session"])
                self._erase(target, yes=options["yes"], as_json=options["json"])
        except AgnesError as error:
            raise CommandError(str(error)) from error

    def _erase(self, target: Target, *, yes: bool, as_json: bool) -> None:
        if yes:
            plan = erase(target, by=None, door=AuditEvent.Door.COMMAND, now=timezone.now())
            if plan.derived_again:
                enqueue_processing()
        else:
            plan = plan_erasure(target)
        if as_json:
            self.stdout.write(json.dumps({**asdict(plan), "done": yes}))
        else:
            self._tell(plan, done=yes)
        if plan.unfinished:
            raise CommandError(
                f"Not all of it is gone yet: {'; '.join(plan.unfinished)}. The worker's sweep ends "
                "it; running this command again does so too."
            )

    def _tell(self, plan: ErasurePlan, *, done: bool) -> None:
        for username, name in plan.sessions[:SESSIONS_SHOWN]:
            self.stdout.write(f"{username}  {name}")
        if len(plan.sessions) > SESSIONS_SHOWN:
            self.stdout.write(f"and {len(plan.sessions) - SESSIONS_SHOWN} more")
        counts = (
            f"{len(plan.sessions)} sessions with {plan.files} files "
            f"({plan.stored_bytes / 1e6:.1f} MB stored), {plan.events} events and "
            f"{plan.responses} responses"
        )
        if plan.derived_again:
            self.stdout.write(
                f"{plan.derived_again} other sessions carry some of the same lines: these count "
                "there once they are processed again."
            )
        if plan.questions or plan.saved_questions or plan.audit_texts:
            counts += (
                f"; {plan.questions} questions of or about them, {plan.saved_questions} saved "
                f"ones, and the texts of {plan.audit_texts} audit rows"
            )
        if plan.others_saved:
            self.stdout.write(
                "Saved questions of others name them and stay; ask their owners to delete them: "
                + "; ".join(plan.others_saved)
            )
        if done:
            self.stdout.write(f"Erased {counts}. Uploads of it are refused from now on.")
        else:
            self.stdout.write(f"Would erase {counts}, for good. Add --yes to do it.")

    def _lift(self, target: Target, *, yes: bool, as_json: bool) -> None:
        if not yes:
            standing = plan_lift(target)
            if as_json:
                self.stdout.write(json.dumps({"lifted": standing, "done": False}))
            else:
                self.stdout.write(
                    "It was erased and is refused since. Would take uploads of it again. "
                    "Add --yes to do it."
                )
            return
        lifted = lift(target, by=None, door=AuditEvent.Door.COMMAND, now=timezone.now())
        if as_json:
            self.stdout.write(json.dumps({"lifted": lifted, "done": True}))
        else:
            self.stdout.write("Lifted: uploads are taken again.")


def _erased(text: str | None, session: str) -> Target:
    """Also of a person whose account is gone, as only then an import asks for it by name."""
    if text and not session and find_person(text) is None:
        return Target(addresses=known_addresses(text))
    return Target(_person(text), session)


def _person(text: str | None) -> User | None:
    """The person of that name; raises an error when there is none."""
    if not text:
        return None
    person = find_person(text)
    if person is None:
        raise CommandError(f"There is no person {text!r}: give another --user.")
    return person
