"""A snapshot stored: rows made to say what it says, written only where they differ."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from marketplace.models import FleaItem, Item, Marketplace, Plugin
from marketplace.names import distinct_name
from marketplace.snapshot import PluginSnapshot, Snapshot, source_place
from telemetry.attribution import rename_plugin
from telemetry.taxonomy import Source

BATCH: Final = 500
Key = tuple[int, str, str]


@dataclass
class Changes:
    """How many plugins and items a sync added, changed, renamed and removed."""

    plugins_added: int = 0
    plugins_changed: int = 0
    plugins_renamed: int = 0
    plugins_removed: int = 0
    items_added: int = 0
    items_changed: int = 0
    items_removed: int = 0

    def numbers(self) -> dict[str, int]:
        return asdict(self)


def store_catalogue(marketplace: Marketplace, snapshot: Snapshot, *, now: datetime) -> Changes:
    """To be called in the transaction of the sync. Attribution is not written here, but for the
    past of renamed plugins."""
    changes = Changes()
    rows = {row.name: row for row in marketplace.plugins.order_by("pk")}
    _rename(marketplace, snapshot, rows, changes, now)
    offered = {plugin.entry.name for plugin in snapshot.plugins}
    gone = [row for row in rows.values() if row.name not in offered and row.removed_at is None]
    _close(Plugin, [row.pk for row in gone], now)
    changes.plugins_removed = len(gone)
    _store_plugins(marketplace, snapshot, rows, changes, now)
    _store_items(marketplace, snapshot, rows, changes, now)
    return changes


def _rename(
    marketplace: Marketplace,
    snapshot: Snapshot,
    rows: dict[str, Plugin],
    changes: Changes,
    now: datetime,
) -> None:
    """Let renamed plugins keep their past under the new name."""
    for old, new in snapshot.catalogue.renames.items():
        if new is None or old not in rows:
            continue
        row = rows[old]
        new_ref = f"{marketplace.slug}/{new}"
        moved = rename_plugin(
            source=Source.CURATED,
            ref_id=row.ref_id,
            new_ref_id=new_ref,
            marketplace=marketplace.slug,
            plugin=new,
        )
        if new in rows:
            changes.plugins_renamed += moved
            continue
        del rows[old]
        row.former_names = [*row.former_names, old]
        row.name, row.ref_id, row.changed_at = new, new_ref, now
        others = Plugin.objects.live().exclude(pk=row.pk)
        row.served_name = _free_name(marketplace.slug, new, _taken(others))
        row.save(update_fields=["former_names", "name", "ref_id", "changed_at", "served_name"])
        rows[new] = row
        changes.plugins_renamed += 1


def _store_plugins(
    marketplace: Marketplace,
    snapshot: Snapshot,
    rows: dict[str, Plugin],
    changes: Changes,
    now: datetime,
) -> None:
    """Leaves `rows` with a row for each plugin of the snapshot."""
    taken = _taken(Plugin.objects.live())
    new: list[Plugin] = []
    commits: dict[int, str] = {}
    for plugin in snapshot.plugins:
        values = _values(plugin)
        row = rows.get(plugin.entry.name)
        if row is None:
            served = _free_name(marketplace.slug, plugin.entry.name, taken)
            row = Plugin(marketplace=marketplace, name=plugin.entry.name, created_at=now, **values)
            row.ref_id, row.served_name = f"{marketplace.slug}/{row.name}", served
            row.changed_at = now
            rows[row.name] = row
            new.append(row)
            continue
        if row.removed_at is not None:
            values["removed_at"] = None
            values["served_name"] = _free_name(
                marketplace.slug, row.name, taken, before=row.served_name
            )
        # The repository's commit moves all its plugins, also those that are as they were.
        commit = values.pop("commit_sha", row.commit_sha)
        if _change(row, values, now):
            changes.plugins_changed += 1
        if commit != row.commit_sha:
            commits[row.pk] = commit
    _move(commits)
    Plugin.objects.bulk_create(new, batch_size=BATCH)
    changes.plugins_added = len(new)


def _move(commits: dict[int, str]) -> None:
    """Give plugins, by their row's id, their commit: a statement for each commit and batch."""
    by_commit: dict[str, list[int]] = defaultdict(list)
    for pk, commit in commits.items():
        by_commit[commit].append(pk)
    for commit, pks in by_commit.items():
        for batch in _batches(pks):
            Plugin.objects.filter(pk__in=batch).update(commit_sha=commit)


def _taken(plugins: QuerySet[Plugin]) -> set[str]:
    """The served names of these, and those of the flea market, which are given for good."""
    flea = FleaItem.objects.values_list("public_name", flat=True)
    return {*plugins.values_list("served_name", flat=True), *flea}


def _free_name(slug: str, name: str, taken: set[str], before: str = "") -> str:
    """The name a plugin is served under; a plugin keeps it as long as it is offered."""
    number = 1
    wanted = [each for each in (before, name, distinct_name(slug, name)) if each]
    free = next((each for each in wanted if each not in taken), "")
    while not free:
        number += 1
        numbered = f"{distinct_name(slug, name)}-{number}"
        free = "" if numbered in taken else numbered
    taken.add(free)
    return free


def _values(plugin: PluginSnapshot) -> dict[str, Any]:
    """The fields of a plugin's row that the snapshot decides; where its files could not be had,
    those that come from them are left as they are."""
    entry, contents = plugin.entry, plugin.contents
    values: dict[str, Any] = {
        "display_name": entry.display_name,
        "category": entry.category,
        "tags": list(entry.tags),
        **source_place(entry),
        "strict": entry.strict,
        "components": dict(entry.components),
        "problem": plugin.problem,
    }
    if contents is not None:
        values |= {
            "commit_sha": plugin.commit,
            "digest": plugin.digest,
            "version": contents.version or entry.version,
            "description": entry.description or contents.description,
            "author": contents.author,
            "own_name": contents.manifest_name,
            "hooks": [asdict(hook) for hook in contents.hooks],
        }
    return values


def _change(row: Plugin | Item, values: dict[str, Any], now: datetime) -> bool:
    changed = {key: value for key, value in values.items() if getattr(row, key) != value}
    if not changed:
        return False
    for key, value in changed.items():
        setattr(row, key, value)
    if isinstance(row, Plugin):
        row.changed_at = changed["changed_at"] = now
    row.save(update_fields=list(changed))
    return True


def _store_items(
    marketplace: Marketplace,
    snapshot: Snapshot,
    rows: dict[str, Plugin],
    changes: Changes,
    now: datetime,
) -> None:
    stored: dict[Key, Item] = {
        (item.plugin_id, item.kind, item.name): item
        for item in Item.objects.filter(plugin__marketplace=marketplace)
    }
    read = {
        rows[plugin.entry.name].pk for plugin in snapshot.plugins if plugin.contents is not None
    }
    new: list[Item] = []
    seen: set[Key] = set()
    for plugin in snapshot.plugins:
        pk = rows[plugin.entry.name].pk
        for item in plugin.contents.items if plugin.contents else ():
            key = (pk, str(item.kind), item.name)
            seen.add(key)
            values: dict[str, Any] = {
                "aliases": list(item.aliases),
                "title": item.title,
                "description": item.description,
                "path": item.path,
            }
            row = stored.get(key)
            if row is None:
                new.append(
                    Item(plugin_id=pk, kind=key[1], name=item.name, created_at=now, **values)
                )
            else:
                changes.items_changed += _change(row, {**values, "removed_at": None}, now)
    Item.objects.bulk_create(new, batch_size=BATCH)
    changes.items_added = len(new)
    # Items of a plugin whose files could not be had stay, unless the plugin itself is gone.
    offered = {rows[plugin.entry.name].pk for plugin in snapshot.plugins}
    gone = [
        row.pk
        for key, row in stored.items()
        if key not in seen and row.removed_at is None and (key[0] in read or key[0] not in offered)
    ]
    _close(Item, gone, now)
    changes.items_removed = len(gone)


def _close(model: type[Plugin] | type[Item], pks: list[int], now: datetime) -> None:
    for batch in _batches(pks):
        model._default_manager.filter(pk__in=batch).update(removed_at=now)


def _batches(pks: list[int]) -> Iterable[list[int]]:
    return (pks[first : first + BATCH] for first in range(0, len(pks), BATCH))
