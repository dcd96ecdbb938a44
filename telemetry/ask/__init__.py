"""Questions in plain language, answered by SQL over the mirror; see docs/ask.md."""
