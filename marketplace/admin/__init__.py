"""Marketplaces in the Django admin, by topic."""

from marketplace.admin import curated, flea

__all__ = ["curated", "flea"]
