"""The Django admin as a site of ours: the theme's pages, under the theme's policy."""

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

from agnes_project.content_security import for_admin_theme

if TYPE_CHECKING:
    # The theme has no types; its site has the same methods.
    from django.contrib.admin import AdminSite as UnfoldAdminSite
else:
    from unfold.sites import UnfoldAdminSite


class AgnesAdminSite(UnfoldAdminSite):
    site_header = site_title = "Agnes"
    index_title = "All tables"

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return for_admin_theme(super().admin_view(view, cacheable))

    @for_admin_theme
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().login(request, extra_context)
