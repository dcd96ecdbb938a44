"""Pictures of all pages: `python -m tests.screenshots FOLDER [NAME…]`.

Two instances of their own are made, one with the demo and one with nothing, and every page is
taken wide and narrow, in light and dark: FOLDER/<page>-<full|empty>-<wide|narrow>-<light|dark>.png.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from playwright.sync_api import Browser, sync_playwright

from tests.browser import CHROMIUM, NARROW, ROOT, WIDE, visit

PAGES = {
    "overview": "/admin/telemetry/",
    "overview-one-person": "/admin/telemetry/?days=90&person=edda-lindqvist",
    "overview-filters": "/admin/telemetry/?source=curated&since=2026-01-01&until=2026-02-01",
    "ask": "/admin/telemetry/ask/",
    "people": "/admin/accounts/user/",
    "sessions": "/admin/telemetry/session/",
    "events": "/admin/telemetry/usageevent/",
    "marketplaces": "/admin/marketplace/marketplace/",
    "gaps": "/admin/marketplace/gaps/",
    "processors": "/admin/telemetry/processorstate/",
    "audit": "/admin/accounts/auditevent/",
    "tables": "/admin/",
    "sign-in": "/admin/login/",
    "not-found": "/nowhere",
}
FOR_STRANGERS = {"sign-in"}
SIGN_IN = """
from django.test import Client
from accounts.models import User
admin = User.objects.create_user("ada@example.org", name="Ada Lindgren", is_staff=True)
client = Client()
client.force_login(admin)
print(client.cookies["sessionid"].value)
"""


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    if CHROMIUM is None:
        print("Pictures need Chromium: install it and see that it is on the PATH.", file=sys.stderr)
        return 1
    folder, wanted = Path(sys.argv[1]), set(sys.argv[2:])
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for state in ("full", "empty"):
            with instance(has_demo=state == "full") as (address, session_key):
                for name, path in PAGES.items():
                    if not wanted or name in wanted:
                        take(browser, address, path, session_key, folder / f"{name}-{state}")
        browser.close()
    return 0


def take(browser: Browser, address: str, path: str, session_key: str, start: Path) -> None:
    for width, size in (("wide", WIDE), ("narrow", NARROW)):
        for scheme in ("light", "dark"):
            visitor = visit(browser, address, size=size, scheme=scheme)
            if not any(start.name.startswith(name) for name in FOR_STRANGERS):
                visitor.sign_in(session_key)
            visitor.open(path)
            visitor.page.wait_for_timeout(300)
            visitor.page.screenshot(
                path=start.with_name(f"{start.name}-{width}-{scheme}.png"), full_page=True
            )
            for complaint in visitor.complaints:
                if "404" not in complaint:
                    print(f"{path}: {complaint}", file=sys.stderr)
            visitor.context.close()


@contextmanager
def instance(*, has_demo: bool) -> Iterator[tuple[str, str]]:
    """An instance that is served until the end: its address, and the session key of an admin."""
    with tempfile.TemporaryDirectory(prefix="agnes-screenshots-") as folder:
        environment = {**os.environ, "AGNES_DATA_DIR": folder, "AGNES_LOG_LEVEL": "ERROR"}
        environment["AGNES_ENVIRONMENT"] = "demo"
        environment["DJANGO_SETTINGS_MODULE"] = "agnes_project.settings"
        manage(environment, "migrate", "-v0")
        manage(environment, *(["seed_demo"] if has_demo else ["usage_mirror", "rebuild"]))
        session_key = manage(environment, "shell", "-v0", "-c", SIGN_IN).strip()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        program = [str(Path(sys.executable).with_name("gunicorn")), "agnes_project.wsgi"]
        server = subprocess.Popen(
            [*program, "-b", f"127.0.0.1:{port}", "--threads", "4", "--log-level", "error"],
            cwd=ROOT,
            env=environment,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/livez")
            yield f"http://127.0.0.1:{port}", session_key
        finally:
            server.terminate()
            server.wait()


def manage(environment: dict[str, str], *words: str) -> str:
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, text=True, stdout=subprocess.PIPE
    )
    return done.stdout


def wait_for(address: str) -> None:
    for _ in range(200):
        try:
            urlopen(address).close()  # noqa: S310
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing answers at {address}")


if __name__ == "__main__":
    sys.exit(main())
