"""The names that plugins bring: written when the catalogue changes, read by the resolver.

`explode_plugin`, `retire_plugin` and `rename_plugin` are called by whoever changes the catalogue,
in the transaction of that change. Rows are never deleted by them: a name that goes away is closed
with `valid_to`, so that older events keep their item. What each table holds stands at its model.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Max

from telemetry.builtin_names import BUILTIN_VERSION
from telemetry.event_names import CatalogueRow
from telemetry.models import (
    AttributionAgent,
    AttributionCommand,
    AttributionMcpServer,
    AttributionPlugin,
    AttributionSkill,
    PendingChange,
)
from telemetry.models.attribution import AttributionRow
from telemetry.taxonomy import ItemKind, Source

CONSUMER = "attribution"
SHARED_FIELDS = ("source", "ref_id", "marketplace", "plugin", "valid_from", "valid_to")
TABLES: dict[ItemKind, tuple[type[AttributionRow], tuple[str, ...]]] = {
    ItemKind.PLUGIN: (AttributionPlugin, ("plugin_name", "marketplace_name", "version")),
    ItemKind.SKILL: (AttributionSkill, ("skill_name",)),
    ItemKind.AGENT: (AttributionAgent, ("agent_name",)),
    ItemKind.COMMAND: (AttributionCommand, ("command_name",)),
    ItemKind.MCP: (AttributionMcpServer, ("server_name",)),
}
"""Per kind its table and the fields that, beside the item, make a row what it is."""


@transaction.atomic
def explode_plugin(
    *,
    source: Source,
    ref_id: str,
    marketplace: str,
    plugin: str,
    version: str,
    marketplace_names: Iterable[str],
    skills: Iterable[str],
    agents: Iterable[str],
    commands: Iterable[str],
    mcp_servers: Iterable[str],
    now: datetime,
    plugin_names: Iterable[str] = (),
) -> bool:
    """Make the tables say that the plugin has exactly these names from `now` on.

    Names are as Claude Code writes them: `plugin:skill`, `plugin:folder:agent`, a command without
    its slash, `plugin_<plugin>_<server>` (see event_names.mcp_server_name). `marketplace` is the
    registration's slug, empty for flea; `marketplace_names` are the names under which transcripts'
    paths may know it, `plugin_names` those of the plugin when not `plugin` alone. Rows that stay
    are untouched, vanished names are closed, new and returned ones get a new row. Returns whether
    anything changed; then stored events and the mirror are due.
    """
    folders = tuple(plugin_names) or (plugin,)
    installed = ((folder, name, version) for folder in folders for name in marketplace_names)
    wanted: dict[ItemKind, set[tuple[str, ...]]] = {
        ItemKind.PLUGIN: set(installed),
        ItemKind.SKILL: {(name,) for name in skills},
        ItemKind.AGENT: {(name,) for name in agents},
        ItemKind.COMMAND: {(name,) for name in commands},
        ItemKind.MCP: {(name,) for name in mcp_servers},
    }
    item = {"source": source, "ref_id": ref_id, "marketplace": marketplace, "plugin": plugin}
    changed = {kind for kind, names in wanted.items() if _replace_names(kind, item, names, now)}
    return _announce(changed)


@transaction.atomic
def retire_plugin(*, source: Source, ref_id: str, now: datetime) -> bool:
    """Close every name of a plugin that is gone; its past events keep it. Returns as above."""
    changed = set()
    for kind, (table, _) in TABLES.items():
        rows = table._default_manager.filter(source=source, ref_id=ref_id, valid_to=None)
        if rows.update(valid_to=now):
            changed.add(kind)
    return _announce(changed)


@transaction.atomic
def rename_plugin(
    *, source: Source, ref_id: str, new_ref_id: str, marketplace: str, plugin: str
) -> bool:
    """Let a renamed plugin keep its past: all its names, old ones too, stand for `new_ref_id`.

    `marketplace` and `plugin` are the new item's. The names themselves are left as they are; the
    `explode_plugin` that follows under the new ref_id closes the old ones. Returns as above.
    """
    changed = set()
    for kind, (table, fields) in TABLES.items():
        rows = table._default_manager.filter(source=source, ref_id=ref_id)
        values = list(rows.order_by("pk").values(*fields, "valid_from", "valid_to"))
        if not values:
            continue
        # New rows in place of an UPDATE: their new ids are what tells resolvers of the change.
        rows.delete()
        item = {"source": source, "ref_id": new_ref_id, "marketplace": marketplace}
        table._default_manager.bulk_create(table(**item, plugin=plugin, **row) for row in values)
        changed.add(kind)
    return _announce(changed)


def queue_reattribution() -> None:
    """Have stored events attributed anew, soon."""
    PendingChange.objects.create(consumer=CONSUMER, kind="all")


def catalogue_version() -> str:
    """Changes whenever an attribution table or the builtin list does: five small queries."""
    marks = [str(BUILTIN_VERSION)]
    for table, _ in TABLES.values():
        mark = table._default_manager.aggregate(
            rows=Count("pk"), last=Max("pk"), closed=Count("valid_to"), closed_last=Max("valid_to")
        )
        closed_last = mark["closed_last"].isoformat() if mark["closed_last"] else "-"
        marks.append(f"{mark['rows']}.{mark['last'] or 0}.{mark['closed']}.{closed_last}")
    return "/".join(marks)


def catalogue_rows() -> Iterator[CatalogueRow]:
    """Every row of the attribution tables, oldest first within a table."""
    for kind, (table, fields) in TABLES.items():
        rows = table._default_manager.order_by("pk").values_list(fields[0], *SHARED_FIELDS)
        for name, source, *rest in rows if kind is not ItemKind.PLUGIN else ():
            yield CatalogueRow(kind, name, Source(source), *rest)
    plugins = AttributionPlugin.objects.order_by("pk").values_list(
        "plugin_name", *SHARED_FIELDS, "marketplace_name", "version"
    )
    for name, source, *rest in plugins:
        yield CatalogueRow(ItemKind.PLUGIN, name, Source(source), *rest)


def _replace_names(
    kind: ItemKind, item: dict[str, str], wanted: set[tuple[str, ...]], now: datetime
) -> bool:
    """Close the item's open rows that are not wanted and open those that are missing."""
    table, fields = TABLES[kind]
    opened = table._default_manager.filter(
        source=item["source"], ref_id=item["ref_id"], valid_to=None
    ).order_by("pk")
    kept: set[tuple[str, ...]] = set()
    closed: list[Any] = []
    for row in opened:
        name = tuple(getattr(row, each) for each in fields)
        same = row.marketplace == item["marketplace"] and row.plugin == item["plugin"]
        if same and name in wanted and name not in kept:
            kept.add(name)
        else:
            closed.append(row.pk)
    missing = sorted(wanted - kept)
    table._default_manager.filter(pk__in=closed).update(valid_to=now)
    table._default_manager.bulk_create(
        table(**item, **dict(zip(fields, name, strict=True)), valid_from=now) for name in missing
    )
    return bool(closed or missing)


def _announce(changed: set[ItemKind]) -> bool:
    """Tell the consumers which tables changed; the plugin table is not mirrored."""
    if not changed:
        return False
    queue_reattribution()
    PendingChange.objects.bulk_create(
        PendingChange(consumer="mirror", kind="table", key=TABLES[kind][0]._meta.db_table)
        for kind in sorted(changed - {ItemKind.PLUGIN})
    )
    return True
