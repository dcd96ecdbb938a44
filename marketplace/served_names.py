"""The names under which Agnes serves plugins; transcripts of those who installed them carry these.

They are no settings: paths in old transcripts would not be understood any more after a change.
"""

from typing import Final

SERVED_MARKETPLACE: Final = "agnes"
"""What the marketplace that Agnes serves calls itself. No curated one may have this name."""

FLEA_PLUGIN: Final = "flea"
"""The plugin that holds all skills and agents of the flea market. No curated one may have it."""


def prefixed(registration: str, plugin: str) -> str:
    """What a curated plugin is served as when another one has its name already."""
    return f"{registration}--{plugin}"


def public_name(name: str, owner: str) -> str:
    """What a flea item is called, in the market and in transcripts."""
    return f"{name}-by-{owner}"
