"""What every list of the Django admin inherits from, whatever app it is of: the theme's classes,
with a note above a list and a word on what to do while it is empty."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.http import HttpRequest

if TYPE_CHECKING:
    # The theme has no types; its classes have Django's methods.
    from django.contrib.admin import ModelAdmin, TabularInline
else:
    from unfold.admin import ModelAdmin, TabularInline

Column = TypeVar("Column", bound=Callable[..., Any])

GOOD, INFO, WARN, BAD = "success", "info", "warning", "danger"


class AgnesAdmin(ModelAdmin[Any]):
    """A list and the pages of its rows.

    `note` stands above the list; `when_empty` says what to do while there are no rows at all.
    """

    note: ClassVar[str] = ""
    when_empty: ClassVar[str] = ""

    list_before_template = "components/admin_note.html"
    list_after_template = "components/admin_limits.html"
    list_fullwidth = True
    warn_unsaved_form = True


class ReadOnlyAdmin(AgnesAdmin):
    """Rows can be looked at and found, not added, changed or deleted."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(TabularInline[Any, Any]):
    """Rows of another table below a row's page."""

    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def colored(colors: Mapping[str, str]) -> Callable[[Column], Column]:
    """Shows a column as labels: GOOD, INFO, WARN or BAD by value, others in grey."""

    def decorate(column: Column) -> Column:
        column.label = dict(colors)  # type: ignore[attr-defined]
        return column

    return decorate
