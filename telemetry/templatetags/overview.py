"""Small lookups of the overview's templates."""

from collections.abc import Mapping

from django import template

register = template.Library()


@register.filter
def named(names: Mapping[str, str], key: str) -> str:
    """The name kept under `key`, or the key itself."""
    return names.get(key, key)


@register.simple_tag(takes_context=True)
def without(context: template.Context, name: str) -> str:
    """The page's address without one of its filters."""
    parts = context["request"].GET.copy()
    parts.pop(name, None)
    return f"?{parts.urlencode()}"


@register.simple_tag(takes_context=True)
def with_filter(context: template.Context, name: str, value: str) -> str:
    """The page's address with one filter more, whose name is in a variable."""
    parts = context["request"].GET.copy()
    parts[name] = value
    return f"?{parts.urlencode()}"
