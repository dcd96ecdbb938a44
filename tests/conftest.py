"""What every test shares."""

from tests.browser import chromium

__all__ = ["chromium"]
