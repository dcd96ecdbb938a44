import ast
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from agnes_project.env import Env

ROOT = Path(settings.BASE_DIR)
READERS = {name for name in dir(Env) if not name.startswith("_")}


def variables_read_by_the_code() -> set[str]:
    """Every name given to a reader of `env`, and to os.environ, outside the tests."""
    names: set[str] = set()
    for folder in ("agnes_project", "accounts", "telemetry", "marketplace"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    on_env = isinstance(node.func.value, ast.Name) and node.func.value.id == "env"
                    if on_env and node.func.attr in READERS:
                        first = node.args[0]
                        assert isinstance(first, ast.Constant), f"{file}:{node.lineno}"
                        names.add(str(first.value))
    return names


def test_env_example_lists_exactly_the_variables_that_are_read() -> None:
    text = (ROOT / ".env.example").read_text()
    listed = re.findall(r"^([A-Z0-9_]+)=", text, re.MULTILINE)
    assert len(listed) == len(set(listed))
    # A prefix stands for whatever the operator calls it, so only an example of it is shown.
    prefixes = {name for name in variables_read_by_the_code() if name.endswith("_")}
    assert set(listed) == variables_read_by_the_code() - prefixes
    assert [name for name in prefixes if f"# {name}EXAMPLE=" not in text] == []


def test_only_the_settings_read_the_environment() -> None:
    readers = [
        str(file.relative_to(ROOT))
        for folder in ("agnes_project", "accounts", "telemetry", "marketplace")
        for file in (ROOT / folder).rglob("*.py")
        if re.search(r"os\.(environ\b(?!\.(?:setdefault|pop)\()|getenv)", file.read_text())
    ]
    assert readers == ["agnes_project/env.py"]


def test_the_defaults_in_env_example_are_the_defaults_of_the_code(tmp_path: Path) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    example["AGNES_SECRET_KEY"] = "x" * 50
    names = [
        "ALLOWED_HOSTS AGNES_HTTPS AGNES_DATA_DIR AGNES_ADMIN_EMAIL AGNES_UPLOAD_MAX_BYTES",
        "USAGE_EVENTS_RETENTION_DAYS USAGE_TRANSCRIPTS_RETENTION_DAYS USAGE_DAILY_RETENTION_DAYS",
        "SCHEDULER_USAGE_PROCESS_INTERVAL SCHEDULER_USAGE_ROLLUP_INTERVAL AGNES_LOG_FORMAT",
        "SCHEDULER_USAGE_PRUNE_INTERVAL SCHEDULER_HEARTBEAT_INTERVAL AGNES_WORKERS DATABASES",
        "AGNES_LOG_LEVEL STORAGES DEBUG CSRF_TRUSTED_ORIGINS",
    ]
    expression = f"{{n: str(getattr(s, n)) for n in {' '.join(names).split()!r}}}"
    assert shown(expression, example, tmp_path) == shown(
        expression, {"AGNES_SECRET_KEY": "x" * 50}, tmp_path
    )


def shown(expression: str, variables: dict[str, str], folder: Path) -> str:
    """What the settings give in a fresh process with only these variables."""
    code = f"import agnes_project.settings as s; print({expression})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_processes_that_start_at_once_agree_on_the_secret_key(tmp_path: Path) -> None:
    code = "import agnes_project.settings as s; print(s.SECRET_KEY)"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "AGNES_DATA_DIR": str(tmp_path),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    keys = {process.communicate()[0] for process in running}
    assert len(keys) == 1
    assert len(keys.pop().strip()) == 50
    file = tmp_path / "secret_key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("secret_key*")] == ["secret_key"]


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's own switches")
def test_sqlite_writes_ahead_and_waits() -> None:
    with connection.cursor() as cursor:
        pragmas = {
            name: cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 1,
        "busy_timeout": 20_000,
        "foreign_keys": 1,
    }
