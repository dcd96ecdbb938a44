"""From the name in an event to the plugin item it stands for: lookups in memory, no I/O but `load`.

Plain Python apart from `Resolver.load`, so that a resolver can be handed to a process without
Django. The order of evidence and what each grade means: docs/attribution.md.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, Self

from telemetry.event_names import (
    MCP_PREFIX,
    Attribution,
    BodyPath,
    CatalogueRow,
    builtin_kind,
    split_path,
)
from telemetry.taxonomy import Evidence, ItemKind, Source

BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
SKILL_OR_COMMAND: Final = frozenset((ItemKind.SKILL, ItemKind.COMMAND))


class Choice(NamedTuple):
    """The rows that some evidence leaves, before time decides between them."""

    rows: Sequence[CatalogueRow]
    evidence: Evidence
    curated_first: bool
    version: str | None = None


class Timeline(NamedTuple):
    """An attribution that changes with time: `spans[i]` holds from `instants[i - 1]` on."""

    instants: tuple[datetime, ...]
    spans: tuple[Attribution, ...]
    undated: Attribution

    def at(self, at: datetime | None) -> Attribution:
        return self.undated if at is None else self.spans[bisect_right(self.instants, at)]


class Resolver:
    """Every name of the catalogue with its history. Answers are kept: asking again is a lookup."""

    def __init__(self, rows: Iterable[CatalogueRow], version: str = "") -> None:
        self.version = version
        self._memo: dict[tuple[ItemKind, str, str | None, str | None], Attribution | Timeline] = {}
        self._named: dict[tuple[ItemKind, str], list[CatalogueRow]] = {}
        self._bare: dict[tuple[ItemKind, str], list[CatalogueRow]] = {}
        self._installed: dict[tuple[str, str], list[CatalogueRow]] = {}
        self._plugins: dict[str, list[CatalogueRow]] = {}
        for row in rows:
            self._file(row)

    def _file(self, row: CatalogueRow) -> None:
        if row.kind is ItemKind.PLUGIN:
            self._installed.setdefault((row.marketplace_name, row.name), []).append(row)
            self._plugins.setdefault(row.name, []).append(row)
            return
        self._named.setdefault((row.kind, row.name), []).append(row)
        _, colon, bare = row.name.partition(":")
        if colon and bare and ":" not in bare:
            self._bare.setdefault((row.kind, bare), []).append(row)

    @classmethod
    def load(cls) -> Self:
        """From the attribution tables, one query each and one each to tell the version.

        Who stores what a resolver said compares `version` with `attribution.catalogue_version()`
        afterwards and queues re-attribution when they differ.
        """
        from telemetry import attribution  # needs Django, which the rest of this file does not

        version = attribution.catalogue_version()
        return cls(attribution.catalogue_rows(), version)

    def resolve(
        self,
        item_kind: ItemKind,
        name: str,
        *,
        path: str | None = None,
        field_plugin: str | None = None,
        at: datetime | None = None,
    ) -> Attribution:
        """The item that `name` stands for at `at` (aware; None when the event has no time).

        `item_kind` is what the event calls it: `mcp` with the whole tool name, `command` for
        anything typed, `skill` for a Skill call; the answer's says what it turned out to be.
        `path` (marketplace/plugin/version/item of the skill body's base directory) and
        `field_plugin` (attributionPlugin) count as evidence, so they are only to be given when
        they speak of this name.
        """
        found = self._memo.get((item_kind, name, path, field_plugin))
        if found is None:
            found = self.timeline(item_kind, name, path, field_plugin)
        return found if isinstance(found, Attribution) else found.at(at)

    def timeline(
        self, item_kind: ItemKind, name: str, path: str | None, field_plugin: str | None
    ) -> Attribution | Timeline:
        """`resolve` for all times: one attribution when time does not matter."""
        key = (item_kind, name, path, field_plugin)
        if key not in self._memo:
            choice = self._choose(*key)
            self._memo[key] = (
                choice
                if isinstance(choice, Attribution)
                else self._over_time(item_kind, name, choice)
            )
        return self._memo[key]

    def _over_time(self, item_kind: ItemKind, name: str, choice: Choice) -> Attribution | Timeline:
        instants = {row.valid_from for row in choice.rows}
        instants |= {row.valid_to for row in choice.rows if row.valid_to is not None}
        ordered = tuple(sorted(instants))
        spans = tuple(self._decide(item_kind, name, choice, at) for at in (BEGINNING, *ordered))
        undated = self._decide(item_kind, name, choice, None)
        if all(span == undated for span in spans):
            return undated
        return Timeline(ordered, spans, undated)

    def _choose(
        self, item_kind: ItemKind, name: str, path: str | None, field_plugin: str | None
    ) -> Choice | Attribution:
        """The strongest evidence there is, or at once an answer that needs no catalogue."""
        unknown = Attribution(Source.UNATTRIBUTED, item_kind)
        builtin = builtin_kind(item_kind, name)
        if builtin is not None:
            return Attribution(Source.BUILTIN, builtin, evidence=Evidence.BUILTIN)
        if item_kind is ItemKind.TOOL:
            return unknown
        if item_kind is ItemKind.MCP or name.startswith(MCP_PREFIX):
            rows = self._mcp_rows(name)
            if rows:
                return Choice(rows, Evidence.QUALIFIED, True)
            return Attribution(Source.UNATTRIBUTED, ItemKind.MCP)
        body = split_path(path)
        if body is not None:
            return self._by_path(body, item_kind, name) or unknown
        by_field = self._by_field(item_kind, name, field_plugin)
        if by_field is not None:
            return by_field
        if ":" in name:
            rows = self._rows(self._named, item_kind, name)
            return Choice(rows, Evidence.QUALIFIED, True) if rows else unknown
        # The field names a plugin that is not registered, so no registered one can be meant.
        rows = [] if field_plugin else self._rows(self._bare, item_kind, name)
        return Choice(rows, Evidence.UNIQUE_NAME, False) if rows else unknown

    def _by_path(self, body: BodyPath, item_kind: ItemKind, name: str) -> Choice | None:
        """The registrations at that path; item, then version, decide between several."""
        rows = self._installed.get((body.marketplace_name, body.plugin_name), [])
        if _several(rows):
            items = {name, body.item or name}
            rows = self._that_have(rows, item_kind, body.plugin_name, items)
        if _several(rows):
            rows = [row for row in rows if row.version and row.version == body.version] or rows
        return Choice(rows, Evidence.PATH, False, body.version) if rows else None

    def _by_field(self, item_kind: ItemKind, name: str, field_plugin: str | None) -> Choice | None:
        """The plugins of that name; None when none is registered. Knows `plugin@marketplace`."""
        if not field_plugin:
            return None
        plugin, _, marketplace_name = field_plugin.partition("@")
        rows = self._plugins.get(plugin, [])
        if marketplace_name:
            rows = [row for row in rows if row.marketplace_name == marketplace_name]
        if _several(rows):
            rows = self._that_have(rows, item_kind, plugin, {name})
        return Choice(rows, Evidence.FIELD, ":" in name) if rows else None

    def _that_have(
        self, rows: list[CatalogueRow], item_kind: ItemKind, plugin: str, items: set[str]
    ) -> list[CatalogueRow]:
        """Of plugin rows those whose plugin has, or had, such an item; all when none has."""
        names = {item if ":" in item else f"{plugin}:{item}" for item in items}
        having = {row.ref_id for name in names for row in self._rows(self._named, item_kind, name)}
        return [row for row in rows if row.ref_id in having] or rows

    def _rows(
        self,
        index: dict[tuple[ItemKind, str], list[CatalogueRow]],
        item_kind: ItemKind,
        name: str,
    ) -> list[CatalogueRow]:
        """The rows of a name; a skill and a command are called the same way, so of both."""
        if item_kind in SKILL_OR_COMMAND:
            return index.get((ItemKind.SKILL, name), []) + index.get((ItemKind.COMMAND, name), [])
        return index.get((item_kind, name), [])

    def _mcp_rows(self, name: str) -> list[CatalogueRow]:
        """The rows of the longest known server name that `mcp__<server>__…` begins with."""
        rest = name.removeprefix(MCP_PREFIX)
        end = rest.rfind("__")
        while end > 0:
            rows = self._named.get((ItemKind.MCP, rest[:end]))
            if rows:
                return rows
            end = rest.rfind("__", 0, end)
        return []

    def _decide(
        self, item_kind: ItemKind, name: str, choice: Choice, at: datetime | None
    ) -> Attribution:
        """The one item of the rows valid at `at`, else of all rows ever; ambiguous when several."""
        rows = [row for row in choice.rows if row.holds(at)] or list(choice.rows)
        if choice.curated_first:
            rows = [row for row in rows if row.source is Source.CURATED] or rows
        refs = {(row.source, row.ref_id) for row in rows}
        kind = self._kind_of(item_kind, name, rows, choice.evidence)
        if len(refs) > 1:
            return Attribution(
                Source.UNATTRIBUTED,
                kind,
                evidence=Evidence.AMBIGUOUS,
                item_version=choice.version,
                candidates=tuple(sorted({ref_id for _, ref_id in refs})),
            )
        row = rows[-1]
        return Attribution(
            row.source,
            kind,
            ref_id=row.ref_id,
            marketplace=row.marketplace or None,
            plugin=row.plugin or None,
            evidence=choice.evidence,
            item_version=choice.version,
        )

    def _kind_of(
        self, item_kind: ItemKind, name: str, rows: list[CatalogueRow], evidence: Evidence
    ) -> ItemKind:
        """What the item is: as listed, a skill before a command; a body's path is a skill's."""
        kinds = {row.kind for row in rows} - {ItemKind.PLUGIN}
        if not kinds and item_kind in SKILL_OR_COMMAND:
            refs = {row.ref_id for row in rows}
            names = {name if ":" in name else f"{row.name}:{name}" for row in rows}
            listed = (item for each in names for item in self._rows(self._named, item_kind, each))
            kinds = {row.kind for row in listed if row.ref_id in refs}
            if not kinds and evidence is Evidence.PATH:
                return ItemKind.SKILL
        if ItemKind.SKILL in kinds:
            return ItemKind.SKILL
        return kinds.pop() if len(kinds) == 1 else item_kind


def _several(rows: Sequence[CatalogueRow]) -> bool:
    return len({row.ref_id for row in rows}) > 1
