"""What pages may load: nothing but this instance's own files, and no script or style in the page.

The Django admin's theme alone is allowed more, on its own pages: Alpine evaluates its attributes,
and colours are written into the page.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update

View = TypeVar("View", bound=Callable[..., Any])

STRICT: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
ADMIN_THEME = {
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
}
API_PAGE = {"img-src": [SELF, "data:"], "style-src": [SELF, UNSAFE_INLINE]}


def for_admin_theme(view: View) -> View:
    """The policy of pages that the admin's theme draws."""
    decorated: View = csp_update(ADMIN_THEME)(view)  # type: ignore[assignment]
    return decorated


def for_api_page(view: View) -> View:
    """The policy of the page that documents the API: its icons stand in its style sheet."""
    decorated: View = csp_update(API_PAGE)(view)  # type: ignore[assignment]
    return decorated
