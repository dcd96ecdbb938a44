"""What the documentation can be held to."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


def test_the_list_of_pages_names_every_page() -> None:
    listed = set(re.findall(r"\]\(([^)]+\.md)\)", (ROOT / "docs" / "README.md").read_text()))
    there = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert listed == there - {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_a_line_of_the_changelog_is_one_line() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    assert [line for line in lines if len(line) > 100] == []
    assert [line for line in lines if line and not re.match(r"(#+|-) [A-Z\[]", line)] == []


def test_every_command_is_in_the_documentation() -> None:
    folders = ROOT.glob("*/management/commands/*.py")
    commands = {file.stem for file in folders} - {"__init__", "compile_templates", "run_agnes"}
    text = "".join(page.read_text() for page in PAGES)
    assert [name for name in sorted(commands) if name not in text] == []
