"""The page that tells people what leaves their machine: the documentation's own words."""

from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt

DOCUMENT = "what-leaves-your-machine.md"


@require_safe
def what_leaves(request: HttpRequest) -> HttpResponse:
    """For everybody, also before they sign in: they read it to decide."""
    title, text = _rendered()
    return render(request, "what_leaves.html", {"title": title, "text": text})


@cache
def _rendered() -> tuple[str, SafeString]:
    document = (Path(settings.BASE_DIR) / "docs" / DOCUMENT).read_text(encoding="utf-8")
    heading, _, text = document.partition("\n")
    rendered = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return heading.removeprefix("# "), mark_safe(rendered)  # noqa: S308 - our own document
