"""A real browser for tests: the system's Chromium, driven by playwright."""

import os
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
AXE = ROOT / "tests" / "vendor" / "axe-core-4.14.1" / "axe.min.js"
CHROMIUM = shutil.which("chromium")
WIDE, NARROW = (1440, 900), (390, 844)
# What AA asks for, and what axe's authors call good practice beside it.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no /usr/bin/chromium here: install Chromium to run the browser tests")
    # Playwright runs a loop in this thread, which Django takes for asynchronous code.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@dataclass
class Visitor:
    """One person's browser at one instance; `complaints` are what the console and network said."""

    context: BrowserContext
    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Response:
        response = self.page.goto(self.address + path)
        assert response is not None
        return response

    def sign_in(self, session_key: str) -> None:
        """Take on a session that the test client signed in."""
        cookie = {"name": "sessionid", "value": session_key, "url": self.address}
        self.context.add_cookies([cookie])  # type: ignore[list-item]

    def violations(self) -> list[str]:
        """What axe finds against AA on the page as it is now, each with where and why."""
        said = list(self.complaints)
        self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = self.page.evaluate(
            "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})", RULES
        )
        # Axe tries things that the page's policy refuses; that is no fault of the page.
        self.complaints[:] = said
        return [
            f"{violation['id']}: {node['html'][:160]} | {node['failureSummary'][:300]}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def overflows(self) -> bool:
        """Whether the page is wider than the window."""
        width = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.page.evaluate(width))


def visit(
    browser: Browser, address: str, *, size: tuple[int, int] = WIDE, scheme: str = "light"
) -> Visitor:
    """A new visitor; close its context."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(15_000)
    visitor = Visitor(context, context.new_page(), address.rstrip("/"))
    page = visitor.page
    page.on(
        "console",
        lambda message: (
            visitor.complaints.append(f"{message.type}: {message.text}")
            if message.type in {"error", "warning"}
            else None
        ),
    )
    page.on("pageerror", lambda error: visitor.complaints.append(f"script: {error}"))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((visitor.address, "data:"))
            else visitor.complaints.append(f"outside: {request.url}")
        ),
    )
    return visitor


def vendored() -> list[dict[str, Any]]:
    """The entries of VENDOR.toml."""
    packages: list[dict[str, Any]] = tomllib.loads((ROOT / "VENDOR.toml").read_text())["package"]
    return packages
