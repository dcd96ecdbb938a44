import fcntl
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from agnes_project.first_run import prepare
from agnes_project.supervisor import Program, ProgramStopped, supervise

START_SECONDS = 60


class Command(BaseCommand):
    help = (
        "Run all of Agnes here: prepare the database, then web server and worker. Ctrl-C ends it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--host", default="127.0.0.1", help="The address to listen on.")
        parser.add_argument("--no-demo", action="store_true", help="Leave an empty database empty.")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        try:
            refuse_taken_port(host, port)
        except CommandError:
            remove_empty_database()
            raise
        held = hold_data_folder(settings.AGNES_DATA_DIR)
        try:
            self._run(host, port, demo=not options["no_demo"])
        finally:
            os.close(held)

    def _run(self, host: str, port: int, *, demo: bool) -> None:
        try:
            prepare(admin_email=settings.AGNES_ADMIN_EMAIL, demo=demo, say=self._say)
        except KeyboardInterrupt:
            raise CommandError("Stopped while preparing; the next start goes on.") from None

        def announce(stopping: Callable[[], bool]) -> None:
            if wait_until_alive(host, port, stopping):
                self._say(f"Agnes is running at http://localhost:{port}/ (Ctrl-C stops it).")

        try:
            supervise(
                [
                    Program("web server", web_server_command(host, port)),
                    Program("worker", [sys.executable, "manage.py", "qcluster"]),
                ],
                on_started=announce,
                say=self._say,
            )
        except ProgramStopped as error:
            raise CommandError(str(error)) from None
        self._say("Agnes has stopped.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def web_server_command(host: str, port: int) -> list[str]:
    """gunicorn with threads: a slow export does not hold up other requests."""
    options = {
        "--bind": f"{host}:{port}",
        "--workers": "2",
        "--worker-class": "gthread",
        "--threads": "8",
        "--max-requests": "2000",
        "--max-requests-jitter": "200",
        "--graceful-timeout": "10",
        "--log-level": "warning",
    }
    pairs = [part for pair in options.items() for part in pair]
    return [
        sys.executable,
        "-m",
        "gunicorn",
        "agnes_project.wsgi:application",
        "--no-control-socket",
        *pairs,
    ]


def hold_data_folder(folder: Path) -> int:
    """An open file whose lock says that Agnes runs on the folder; it ends with the process."""
    held = os.open(folder / "running.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise CommandError(
            f"Agnes runs already on {folder}: stop that one, or set AGNES_DATA_DIR to another "
            "folder for this one."
        ) from None
    return held


def remove_empty_database() -> None:
    """The settings make the file of a new SQLite database, private and empty."""
    name = settings.DATABASES["default"]["NAME"]
    if isinstance(name, Path) and name.is_file() and not name.stat().st_size:
        name.unlink()


def refuse_taken_port(host: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise CommandError(f"Port {port} is no port: choose one from 1 to 65535, as 8000.")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Port {port} of {host} cannot be used ({error}). "
                f"Stop what uses it, or choose another: make run PORT={min(port, 60000) + 1}"
            ) from None


def wait_until_alive(host: str, port: int, stopping: Callable[[], bool]) -> bool:
    """True once the web server answers; False when it is stopping or silent for a minute."""
    address = "localhost" if host in {"0.0.0.0", "::"} else host  # noqa: S104
    deadline = time.monotonic() + START_SECONDS
    while not stopping() and time.monotonic() < deadline:
        try:
            request = Request(f"http://{address}:{port}/livez", headers={"Host": "localhost"})
            with urlopen(request, timeout=2):  # noqa: S310
                return True
        except (URLError, OSError):
            time.sleep(0.1)
    return False
