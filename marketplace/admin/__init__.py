"""Marketplaces in the Django admin, by topic."""

from marketplace.admin import flea

__all__ = ["flea"]
