"""Files of others are those that were looked at."""

import hashlib
import re
from typing import Any

import pytest

from tests.browser import ROOT, vendored


@pytest.mark.parametrize("package", vendored(), ids=lambda package: package["name"])
def test_vendored_files_are_unchanged_and_come_with_their_licence(package: dict[str, Any]) -> None:
    folder = ROOT / package["folder"]
    there = {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }
    assert there == package["sha256"]
    assert "LICENSE" in there


def test_every_vendored_folder_is_listed() -> None:
    folders = {
        str(folder.relative_to(ROOT))
        for parent in ("static/vendor", "tests/vendor")
        for folder in (ROOT / parent).iterdir()
    }
    assert folders == {package["folder"] for package in vendored()}


def test_every_icon_that_templates_name_is_in_the_sprite() -> None:
    sprite = (ROOT / "static/vendor/lucide-static-1.62.0/icons.svg").read_text()
    there = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    named = set()
    for file in [*ROOT.glob("templates/**/*.html"), *ROOT.glob("*/templates/**/*.html")]:
        named |= set(re.findall(r'{% icon "([^"]+)"', file.read_text()))
    assert named <= there
