import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from accounts import audit
from accounts.errors import AgnesError
from telemetry.ask.answers import Answer
from telemetry.ask.results import cell_text, csv_lines, is_number
from telemetry.ask.run import Asker, ask, preview, run_sql, run_verified
from telemetry.ask.verified import verified_questions
from telemetry.management.text_table import text_table

UNANSWERED = {"rejected", "failed"}


class Command(BaseCommand):
    help = "Answer a question about the telemetry, or run SQL on it, and show the SQL."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("question", nargs="?", default="", help="In plain language.")
        parser.add_argument("--sql", help="Run this SELECT instead of asking a model.")
        parser.add_argument("--verified", metavar="ID", help="Run a verified question.")
        parser.add_argument("--list", action="store_true", help="List the verified questions.")
        parser.add_argument("--follow", type=int, metavar="ID", help="Follow an earlier question.")
        parser.add_argument(
            "--preview", action="store_true", help="Show what would be sent to the model, only."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument("--csv", action="store_true", help="Print the rows as csv only.")

    def handle(self, **options: Any) -> None:
        asker = Asker(user=None, door=audit.Door.COMMAND, now=timezone.now())
        try:
            if options["list"]:
                self._list(as_json=options["json"])
            elif options["preview"]:
                seen = preview(options["question"], asker=asker, follows=options["follow"])
                self.stderr.write(f"{seen.bytes:,} bytes would go to {seen.address}:")
                self.stdout.write(json.dumps(seen.body, ensure_ascii=False, indent=2))
            else:
                self._show(_answer(options, asker), options)
        except AgnesError as error:
            if error.details.get("sql") and not (options["json"] or options["csv"]):
                self.stdout.write(f"{error.details['sql']}\n")
            raise CommandError(str(error)) from error

    def _list(self, *, as_json: bool) -> None:
        if as_json:
            listed = [{"id": q.id, "lang": q.lang, "text": q.text} for q in verified_questions()]
            self.stdout.write(json.dumps(listed, ensure_ascii=False))
            return
        rows = [(q.id, q.text) for q in verified_questions()]
        width = max(len(id) for id, _ in rows)
        for id, text in rows:
            self.stdout.write(f"{id.ljust(width)}  {text}")

    def _show(self, answer: Answer, options: dict[str, Any]) -> None:
        asked = answer.asked
        if options["json"]:
            shown = json.dumps(answer.as_json(), ensure_ascii=False, cls=DjangoJSONEncoder)
            self.stdout.write(shown)
        elif options["csv"] and answer.result:
            for line in csv_lines(answer.result):
                self.stdout.write(line, ending="")
        else:
            self._tell(answer)
        if asked.outcome in UNANSWERED:
            raise CommandError(asked.error)

    def _tell(self, answer: Answer) -> None:
        asked, result = answer.asked, answer.result
        if asked.sql:
            self.stdout.write(f"{asked.sql}\n\n")
        for sentence in (asked.rationale, asked.message):
            if sentence:
                self.stdout.write(f"{sentence}\n\n")
        if result is None:
            return
        for line in text_table(
            [column.name for column in result.columns],
            [[cell_text(value) for value in row] for row in result.rows],
            right=[is_number(column) for column in result.columns],
        ):
            self.stdout.write(line)
        self.stdout.write(f"\n{_closing(answer)}")


def _answer(options: dict[str, Any], asker: Asker) -> Answer:
    chosen = [name for name in ("sql", "verified") if options[name] is not None]
    if len(chosen) == 2 or (options["verified"] and options["question"]):
        raise CommandError("Give a question, --sql or --verified, one of them.")
    if options["sql"] is not None:
        text = options["question"]
        return run_sql(options["sql"], asker=asker, text=text, follows=options["follow"])
    if options["verified"] is not None:
        return run_verified(options["verified"], asker=asker)
    return ask(options["question"], asker=asker, follows=options["follow"])


def _closing(answer: Answer) -> str:
    asked = answer.asked
    rows = f"{asked.row_count} row{'' if asked.row_count == 1 else 's'}"
    more = ", and there are more" if asked.truncated else ""
    read = ", ".join(
        f"{table.name} ({table.first_day} to {table.last_day})" if table.first_day else table.name
        for table in answer.read
    )
    sent = f"{asked.sent_bytes:,} bytes sent to {asked.model}" if asked.sent_bytes else ""
    parts = (
        f"{rows}{more}",
        f"read {read}" if read else "",
        asked.get_origin_display(),
        sent or "nothing left this server",
        f"{asked.duration_ms['total'] / 1000:.1f} s",
        f"follow with --follow {asked.pk}",
    )
    return "; ".join(part for part in parts if part) + "."
