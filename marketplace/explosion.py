"""The names of stored curated plugins, written to the attribution tables."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from marketplace.models import Item, Marketplace, Plugin
from marketplace.names import SERVED_MARKETPLACE
from telemetry.attribution import PluginNames, explode_plugins
from telemetry.event_names import mcp_server_name
from telemetry.taxonomy import ItemKind, Source


def explode_marketplace(marketplace: Marketplace, *, now: datetime) -> bool:
    """Make attribution say what the stored rows of a marketplace say; a removed one's names, and
    those of its removed plugins, are closed. Returns whether anything changed."""
    plugins = list(marketplace.plugins.order_by("pk"))
    items: dict[int, list[Item]] = defaultdict(list)
    for item in Item.objects.filter(plugin__marketplace=marketplace, removed_at=None):
        items[item.plugin_id].append(item)
    return explode_plugins(
        [plugin_names(plugin, marketplace, items[plugin.pk]) for plugin in plugins], now=now
    )


def plugin_names(plugin: Plugin, marketplace: Marketplace, items: Iterable[Item]) -> PluginNames:
    """Everything that a transcript may call the plugin and its items; nothing when it is gone.

    Installed from its own marketplace it has its own name, from the one that Agnes serves the one
    it is served under.
    """
    gone = plugin.removed_at is not None or marketplace.removed_at is not None
    names: dict[str, set[str]] = defaultdict(set)
    for item in () if gone else items:
        names[item.kind] |= {item.name, *item.aliases}
        if plugin.served_name != plugin.name:
            names[item.kind].add(_served(item, plugin))
    installations = {
        (plugin.name, marketplace.name),
        (plugin.served_name, SERVED_MARKETPLACE),
    }
    return PluginNames(
        Source.CURATED,
        plugin.ref_id,
        marketplace.slug,
        plugin.name,
        plugin.version,
        () if gone else installations,
        names[ItemKind.SKILL],
        names[ItemKind.AGENT],
        names[ItemKind.COMMAND],
        names[ItemKind.MCP],
    )


def _served(item: Item, plugin: Plugin) -> str:
    if item.kind == ItemKind.MCP:
        return mcp_server_name(plugin.served_name, item.title)
    return plugin.served_name + item.name.removeprefix(plugin.name)
