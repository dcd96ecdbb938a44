"""What the headers let a page load."""

import re

import pytest
from django.test import Client

from accounts.models import User
from agnes_project.management.commands.compile_templates import template_folders

pytestmark = pytest.mark.django_db


def policy(client: Client, path: str) -> dict[str, str]:
    header = client.get(path).headers["Content-Security-Policy"]
    return dict(part.strip().split(" ", 1) for part in header.split(";"))


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("ada@example.org", is_staff=True))
    return client


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/admin/nowhere"])
def test_pages_load_only_files_of_this_instance(admin: Client, path: str) -> None:
    rules = policy(admin, path)
    assert rules["default-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    assert not any("unsafe" in rule for rule in rules.values())


def test_only_pages_of_the_theme_may_evaluate_scripts(admin: Client) -> None:
    for path in ("/admin/", "/admin/accounts/user/", "/admin/login/?next=/"):
        assert policy(admin, path)["script-src"] == "'self' 'unsafe-eval'"
    assert policy(Client(), "/admin/login/")["script-src"] == "'self' 'unsafe-eval'"
    assert "unsafe-eval" not in str(policy(admin, "/api/docs"))


def test_our_templates_hold_no_inline_script_or_style() -> None:
    found = []
    for folder in template_folders():
        for file in folder.rglob("*.html"):
            text = file.read_text()
            if re.search(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=\"", text):
                found.append(str(file))
    assert found == []
