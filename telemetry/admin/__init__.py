"""Telemetry in the Django admin, by topic.

Everything can be looked at, next to nothing changed: the rows are derived, and what is to go is
erased by `usage_erase`, which knows all that hangs on it.
"""

from telemetry.admin import (
    attribution,
    operations,
    privacy,
    questions,
    rollups,
    transcripts,
    uploads,
    usage,
    views,
)

__all__ = [
    "attribution",
    "operations",
    "privacy",
    "questions",
    "rollups",
    "transcripts",
    "uploads",
    "usage",
    "views",
]
