"""Names that Agnes keeps for itself, and those that plugins are served under."""

import re
from typing import Final

SERVED_MARKETPLACE: Final = "agnes"
"""What the marketplace that Agnes serves is called; no curated one may be called so."""

FLEA_PLUGIN: Final = "flea"
"""The plugin that holds the community's skills and agents; no curated one may be called so."""

RESERVED: Final = frozenset({SERVED_MARKETPLACE, FLEA_PLUGIN})

LONGEST_SLUG: Final = 60
SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def slug_from(text: str) -> str:
    """A registration's slug from any name; empty when nothing usable is left."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return slug[:LONGEST_SLUG].strip("-")


def distinct_name(slug: str, plugin: str) -> str:
    """What a curated plugin is served as when its own name is taken."""
    return f"{slug}--{plugin}"


def public_name(name: str, owner: str) -> str:
    """What a flea item is called, in the market and in transcripts; `owner` is a username."""
    return f"{name}-by-{owner}"
