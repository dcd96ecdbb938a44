"""`{% icon "search" %}`: an icon of the vendored set, drawn in the colour of the text around it."""

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

SPRITE = "vendor/lucide-static-1.62.0/icons.svg"
register = template.Library()


@register.simple_tag
def icon(name: str, extra_class: str = "") -> SafeString:
    """Decoration only: the words beside it, or the button's aria-label, say what is meant."""
    return format_html(
        '<svg class="icon{}" width="17" height="17" aria-hidden="true" focusable="false">'
        '<use href="{}#{}"/></svg>',
        f" {extra_class}" if extra_class else "",
        static(SPRITE),
        name,
    )
