"""Marketplaces over HTTP."""
