"""The `agnes` client: sends Claude Code sessions to an Agnes server, except private ones."""

__version__ = "0.1.0"
