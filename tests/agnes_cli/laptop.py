"""A laptop with Claude Code's folder and the client on it, and people of a running Agnes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

from agnes_cli.credentials import Credentials
from agnes_cli.server import Server
from tests.telemetry.transcript_lines import transcript

PROJECT = "-home-ada-till"

MAKE_PEOPLE = """
import json
from django.utils import timezone
from accounts.models import AuditEvent, User
from accounts.tokens import issue_token
told = {}
for name, admin, scopes in json.loads(PEOPLE):
    user, _ = User.objects.get_or_create(
        email=f"{name}@example.org", defaults={"username": name, "is_staff": admin})
    told[name] = issue_token(by=None, user=user, name="test", scopes=scopes, now=timezone.now(),
                             door=AuditEvent.Door.COMMAND)[1]
print("TOKENS" + json.dumps(told))
"""


def manage(data_dir: Path, *arguments: str) -> str:
    """A management command of the instance in this folder."""
    environment = {"PATH": os.environ["PATH"], "AGNES_DATA_DIR": str(data_dir)}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_people(data_dir: Path, *people: tuple[str, bool, list[str]]) -> dict[str, str]:
    """Accounts (name, is admin, scopes of the token) and their tokens, by name."""
    code = f"PEOPLE = {json.dumps(json.dumps(people))}\n{MAKE_PEOPLE}"
    told = manage(data_dir, "shell", "--no-imports", "-c", code)
    tokens: dict[str, str] = json.loads(told.partition("TOKENS")[2])
    return tokens


class Laptop:
    def __init__(self, home: Path, url: str = "", token: str = "") -> None:
        self.home = home
        self.claude = home / ".claude"
        self.agnes = home / ".agnes"
        self.projects = self.claude / "projects"
        self.projects.mkdir(parents=True, exist_ok=True)
        self.url = url
        if token:
            self.login(token)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONPATH": str(settings.BASE_DIR),
            "CLAUDE_CONFIG_DIR": str(self.claude),
            "AGNES_HOME": str(self.agnes),
        }

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "agnes_cli", *arguments],
            cwd=options.pop("cwd", self.home),
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(
        self, *arguments: str, input: str = "", cwd: Path | None = None
    ) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        process = self.start(*arguments, cwd=cwd or self.home)
        out, err = process.communicate(input, timeout=120)
        return process.returncode, out, err

    def ask(self, *arguments: str, input: str = "", code: int = 0) -> Any:
        """The JSON that a command prints."""
        done, out, err = self.run(*arguments, "--json", input=input)
        assert done == code, (done, out, err)
        return json.loads(out)

    def login(self, token: str) -> None:
        code, out, err = self.run("login", self.url, input=f"{token}\n")
        assert code == 0, (out, err)

    def push(self, code: int = 0) -> Any:
        return self.ask("push", code=code)

    def path(self, session_id: str, project: str = PROJECT) -> Path:
        return self.projects / project / f"{session_id}.jsonl"

    def write(self, session_id: str, content: bytes | None = None, project: str = PROJECT) -> Path:
        path = self.path(session_id, project)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(transcript(session_id, range(4)) if content is None else content)
        return path

    def ledger(self) -> Path:
        return next(self.agnes.glob("ledger-*.json"))


def asked(laptop: Laptop, path: str, **query: object) -> Any:
    stored = json.loads((laptop.agnes / "credentials.json").read_text())
    with Server(Credentials(stored["url"], stored["token"])) as server:
        return server.get(path, query)


def revisions(laptop: Laptop, session_id: str) -> list[dict[str, Any]]:
    told = asked(laptop, "/api/sessions/state", name=f"{session_id}.jsonl")
    found: list[dict[str, Any]] = told["revisions"]
    return found


def arrived(laptop: Laptop) -> list[str]:
    told = asked(laptop, "/api/me/sessions", limit=200)
    return sorted(one["session_id"] for one in told["sessions"])
