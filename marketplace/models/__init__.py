"""The catalogue: curated marketplaces with their plugins and items, and the flea market."""

from marketplace.models.curated import Item, Marketplace, Plugin
from marketplace.models.flea import FleaInstall, FleaItem, FleaState, FleaVersion

__all__ = [
    "FleaInstall",
    "FleaItem",
    "FleaState",
    "FleaVersion",
    "Item",
    "Marketplace",
    "Plugin",
]
