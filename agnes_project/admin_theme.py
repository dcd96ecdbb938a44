"""The settings of the Django admin's theme: our colours, fonts and name."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static

STEPS = (50, *range(100, 1000, 100), 950)


def style_sheets() -> list[Callable[[HttpRequest], str]]:
    """Ours, which the theme loads before its own."""
    return [_static(f"agnes/{name}.css") for name in ("tokens", "navigation", "admin")]


def _static(path: str) -> Callable[[HttpRequest], str]:
    """Looked up with each request: while settings are read, there are no static files yet."""
    return lambda request: static(path)


def colors() -> dict[str, dict[str, str]]:
    """The theme's two scales as the variables of tokens.css, so that colours are said once."""
    return {
        name: {str(step): f"var(--{ours}-{step})" for step in STEPS}
        for name, ours in (("base", "neutral"), ("primary", "primary"))
    }


def environment_badge(request: HttpRequest) -> list[str] | None:
    """The name of this instance and the badge's colour; None when it has no name."""
    return [settings.AGNES_ENVIRONMENT, "warning"] if settings.AGNES_ENVIRONMENT else None


THEME: dict[str, Any] = {
    "SITE_TITLE": "Agnes",
    "SITE_HEADER": "Agnes",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _static("favicon.svg")}],
    "ENVIRONMENT": "agnes_project.admin_theme.environment_badge",
    "SHOW_VIEW_ON_SITE": False,
    # The audit trail tells who changed what, from every door.
    "SHOW_HISTORY": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "COLORS": colors(),
    "STYLES": style_sheets(),
    "SCRIPTS": [_static("agnes/theme.js")],
}
