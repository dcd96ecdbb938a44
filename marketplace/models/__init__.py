"""The catalogue: curated marketplaces with their plugins and items."""

from marketplace.models.curated import Item, Marketplace, Plugin

__all__ = ["Item", "Marketplace", "Plugin"]
