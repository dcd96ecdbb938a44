"""How well a model answers questions about the demo."""

import json
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import audit
from accounts.errors import AgnesError
from telemetry.ask.evaluation import (
    OWN_SET,
    Answering,
    Report,
    Score,
    by_gold,
    by_model,
    evaluate,
    read_set,
    share,
)
from telemetry.ask.provider import Provider
from telemetry.management.text_table import text_table

DAYS, PEOPLE = 45, 6


class Command(BaseCommand):
    help = (
        "Ask a set of questions with gold SQL and score the answers by the rows they give, on demo "
        "data that is made for it. Asking a model costs what its tokens cost."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--set", type=Path, default=OWN_SET, help="A set of one's own (TOML).")
        parser.add_argument(
            "--provider",
            default="settings",
            help="settings: the model of the settings; gold: the right answers, to check the set; "
            "or the address of a server that speaks the Messages API.",
        )
        parser.add_argument("--rounds", type=int, default=1, help="Times each question is asked.")
        parser.add_argument("--seeds", type=int, default=2, help="Demos a hit must hold on.")
        parser.add_argument(
            "--here", action="store_true", help="Use this instance's mirror instead of demos."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, **options: Any) -> None:
        if options["rounds"] < 1 or options["seeds"] < 1:
            raise CommandError("Give at least 1 to --rounds and --seeds.")
        try:
            questions = read_set(options["set"])
            answering = _answering(options["provider"])
            with _mirrors(options, self.stderr.write) as mirrors:
                report = evaluate(
                    questions,
                    answering,
                    mirrors=mirrors,
                    now=timezone.now,
                    rounds=options["rounds"],
                    told=self._progress,
                )
        except AgnesError as error:
            raise CommandError(str(error)) from error
        numbers = report.numbers()
        audit.record(
            action="usage.ask_eval",
            door=audit.Door.COMMAND,
            details={"set": options["set"].name, "here": options["here"], **numbers},
        )
        if options["json"]:
            each = [_as_json(score) for score in report.scores]
            self.stdout.write(json.dumps({**numbers, "scores": each}, ensure_ascii=False))
        else:
            self._tell(report, numbers)

    def _progress(self, score: Score) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"{'hit ' if score.hit else 'miss'}  {score.question.id}")

    def _tell(self, report: Report, numbers: dict[str, Any]) -> None:
        rows = [
            [
                score.question.id,
                score.question.lang,
                score.question.difficulty,
                score.question.kind,
                score.said.kind or score.said.problem,
                "hit" if score.hit else score.said.problem or "miss",
                f"{score.said.seconds:.1f}",
            ]
            for score in report.scores
        ]
        names = ["question", "lang", "difficulty", "wanted", "said", "result", "s"]
        self._table(names, rows, right=[False] * 6 + [True])
        self.stdout.write("")
        groups = [
            [name, str(len(scores)), f"{100 * (share(scores) or 0):.0f} %"]
            for name, scores in report.groups()
        ]
        self._table(["group", "asked", "match"], groups, right=[False, True, True])
        cost = "unknown" if numbers["cost_usd"] is None else f"${numbers['cost_usd']:.4f}"
        self.stdout.write(
            f"\nSQL that ran: {100 * (numbers['ran'] or 0):.0f} %; asked twice: "
            f"{numbers['repaired']}; {numbers['tokens']:,} tokens, {cost}; "
            f"p50 {numbers['seconds_p50']} s, p95 {numbers['seconds_p95']} s."
        )

    def _table(self, names: list[str], rows: list[list[str]], *, right: list[bool]) -> None:
        for line in text_table(names, rows, right=right):
            self.stdout.write(line)


def _answering(provider: str) -> Answering:
    if provider == "gold":
        return by_gold
    chosen = Provider.from_settings()
    if provider.startswith(("http://", "https://")):
        chosen = replace(chosen, base_url=provider.rstrip("/"))
    elif provider != "settings":
        raise CommandError(f"--provider {provider!r}: give settings, gold or an http address.")
    chosen.check_configured()
    return by_model(chosen)


@contextmanager
def _mirrors(options: dict[str, Any], say: Any) -> Iterator[list[Path]]:
    """Folders with published mirrors: this instance's, or of demos that go afterwards."""
    if options["here"]:
        yield [Path(settings.AGNES_MIRROR_DIR)]
        return
    with tempfile.TemporaryDirectory(prefix="agnes-eval-") as folder:
        seeds = range(1, options["seeds"] + 1)
        for seed in seeds:
            say(f"Making demo {seed} of {options['seeds']} …")
            _seed(Path(folder) / str(seed), seed)
        yield [Path(folder) / str(seed) / "mirror" for seed in seeds]


def _seed(folder: Path, seed: int) -> None:
    """An instance of its own, in processes of its own: nothing of this one is touched."""
    env = {
        "AGNES_DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "agnes_project.settings",
        "LANG": "C.UTF-8",
        "PATH": os.defpath,
    }
    for command in (
        ["migrate"],
        ["seed_demo", "--days", str(DAYS), "--people", str(PEOPLE), "--seed", str(seed)],
    ):
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py"), *command, "-v0"]
        done = subprocess.run(manage, env=env, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise CommandError(f"The demo could not be made: {done.stderr.strip()[-300:]}")


def _as_json(score: Score) -> dict[str, Any]:
    return {
        "id": score.question.id,
        "wanted": score.question.kind,
        "said": score.said.kind,
        "hit": score.hit,
        "sql": score.said.sql or None,
        "problem": score.said.problem or None,
        "repaired": score.said.repaired,
        "seconds": round(score.said.seconds, 2),
    }
