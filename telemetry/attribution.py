"""The names that plugins bring: written when the catalogue changes, read by the resolver.

`explode_plugins`, `retire_plugin` and `rename_plugin` are called by whoever changes the catalogue,
in the transaction of that change. Rows are never deleted by them: a name that goes away is closed
with `valid_to`, so that older events keep their item. What each table holds stands at its model.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

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
BATCH: Final = 500
"""Values in one statement; databases take some thousand."""

SHARED_FIELDS = ("source", "ref_id", "marketplace", "plugin", "valid_from", "valid_to")
TABLES: dict[ItemKind, tuple[type[AttributionRow], tuple[str, ...]]] = {
    ItemKind.PLUGIN: (AttributionPlugin, ("plugin_name", "marketplace_name", "version")),
    ItemKind.SKILL: (AttributionSkill, ("skill_name",)),
    ItemKind.AGENT: (AttributionAgent, ("agent_name",)),
    ItemKind.COMMAND: (AttributionCommand, ("command_name",)),
    ItemKind.MCP: (AttributionMcpServer, ("server_name",)),
}
"""Per kind its table and the fields that, beside the item, make a row what it is."""


class PluginNames(NamedTuple):
    """A plugin and every name it may be met under, each as Claude Code writes it.

    `skills` and the like: `plugin:skill`, `plugin:folder:agent`, a command without its slash,
    `plugin_<plugin>_<server>` (see event_names.mcp_server_name). `marketplace` is the
    registration's slug, empty for flea. `installations` are the (plugin, marketplace name) under
    which transcripts' paths may know it.
    """

    source: Source
    ref_id: str
    marketplace: str
    plugin: str
    version: str
    installations: Iterable[tuple[str, str]]
    skills: Iterable[str] = ()
    agents: Iterable[str] = ()
    commands: Iterable[str] = ()
    mcp_servers: Iterable[str] = ()

    def by_kind(self) -> dict[ItemKind, set[tuple[str, ...]]]:
        """The names as the tables hold them, see TABLES."""
        return {
            ItemKind.PLUGIN: {(*installed, self.version) for installed in self.installations},
            ItemKind.SKILL: {(name,) for name in self.skills},
            ItemKind.AGENT: {(name,) for name in self.agents},
            ItemKind.COMMAND: {(name,) for name in self.commands},
            ItemKind.MCP: {(name,) for name in self.mcp_servers},
        }


@transaction.atomic
def explode_plugins(plugins: Sequence[PluginNames], *, now: datetime) -> bool:
    """Make the tables say that each plugin has exactly these names from `now` on.

    Rows that stay are untouched, vanished names are closed, new and returned ones get a new row.
    A few statements for each table and BATCH plugins, and only reading ones where nothing changed.
    Returns whether anything did; then stored events and the mirror are due.
    """
    changed: set[ItemKind] = set()
    for source in Source:
        ours = [each for each in plugins if each.source is source]
        for first in range(0, len(ours), BATCH):
            batch = {each.ref_id: each for each in ours[first : first + BATCH]}
            wanted = {ref_id: each.by_kind() for ref_id, each in batch.items()}
            for kind in TABLES:
                names = {ref_id: kinds[kind] for ref_id, kinds in wanted.items()}
                if _replace_names(kind, source, batch, names, now):
                    changed.add(kind)
    return _announce(changed)


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
    """`explode_plugins` for one, known under each of `plugin_names` (when not `plugin` alone) in
    each of `marketplace_names`."""
    folders = tuple(plugin_names) or (plugin,)
    installations = [(folder, name) for folder in folders for name in marketplace_names]
    one = PluginNames(
        source,
        ref_id,
        marketplace,
        plugin,
        version,
        installations,
        skills,
        agents,
        commands,
        mcp_servers,
    )
    return explode_plugins([one], now=now)


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
    kind: ItemKind,
    source: Source,
    plugins: dict[str, PluginNames],
    wanted: dict[str, set[tuple[str, ...]]],
    now: datetime,
) -> bool:
    """Close the plugins' open rows that are not wanted and open those that are missing."""
    table, fields = TABLES[kind]
    opened = table._default_manager.filter(
        source=source, ref_id__in=list(plugins), valid_to=None
    ).order_by("pk")
    kept: set[tuple[str, tuple[str, ...]]] = set()
    closed: list[int] = []
    for pk, ref_id, marketplace, plugin, *rest in opened.values_list(
        "pk", "ref_id", "marketplace", "plugin", *fields
    ):
        name, owner = tuple(rest), plugins[ref_id]
        same = marketplace == owner.marketplace and plugin == owner.plugin
        if same and name in wanted[ref_id] and (ref_id, name) not in kept:
            kept.add((ref_id, name))
        else:
            closed.append(pk)
    missing = sorted(
        (ref_id, name)
        for ref_id, names in wanted.items()
        for name in names
        if (ref_id, name) not in kept
    )
    for first in range(0, len(closed), BATCH):
        table._default_manager.filter(pk__in=closed[first : first + BATCH]).update(valid_to=now)
    table._default_manager.bulk_create(
        (
            table(
                source=source,
                ref_id=ref_id,
                marketplace=plugins[ref_id].marketplace,
                plugin=plugins[ref_id].plugin,
                **dict(zip(fields, name, strict=True)),
                valid_from=now,
            )
            for ref_id, name in missing
        ),
        batch_size=BATCH,
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
