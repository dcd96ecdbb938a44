"""What the catalogue lacks, and what it offers in vain: names held against what people used."""

from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple

from django.db.models import Count, Max, Min, Sum

from marketplace.models import Item
from telemetry.attribution import catalogue_rows
from telemetry.models import UsageUserDaily
from telemetry.taxonomy import ItemKind, Source

KINDS: Final = (ItemKind.SKILL, ItemKind.AGENT, ItemKind.COMMAND, ItemKind.MCP)


class Unlisted(NamedTuple):
    """A name that was used and that nothing in the catalogue has."""

    kind: str
    name: str
    calls: int
    people: int
    first_day: date
    last_day: date


class Unused(NamedTuple):
    """An item on offer that nobody used; `kind` and `name` as transcripts would carry them."""

    source: str
    ref_id: str
    kind: str
    name: str


def used_but_unlisted(*, since: date | None = None) -> list[Unlisted]:
    """Skills, agents, commands and MCP servers that no plugin on offer has, most used first.

    `since` is the first UTC day that counts, None for all. Personal skills and hand-configured
    servers are among them: nothing tells them from a plugin's that nobody registered. A name that
    several plugins have is ambiguous, not unlisted.
    """
    facts = UsageUserDaily.objects.filter(source=Source.UNATTRIBUTED, item_kind__in=KINDS)
    if since is not None:
        facts = facts.filter(day__gte=since)
    rows = (
        facts.values_list("item_kind", "name")
        .annotate(
            calls=Sum("calls"),
            people=Count("user", distinct=True),
            first=Min("day"),
            last=Max("day"),
        )
        .order_by("-calls", "item_kind", "name")
    )
    offered = _offered_names()
    return [Unlisted(*row) for row in rows if row[1] not in offered]


def offered_but_unused(*, since: date | None = None) -> list[Unused]:
    """Items on offer, curated and of the flea market, without an event; ordered by plugin.

    An item counts as used under any of its spellings.
    """
    facts = UsageUserDaily.objects.filter(source__in=(Source.CURATED, Source.FLEA))
    if since is not None:
        facts = facts.filter(day__gte=since)
    used = set(facts.values_list("ref_id", "name").distinct())
    rows = [
        Unused(Source.CURATED, item.plugin.ref_id, item.kind, item.name)
        for item in Item.objects.live().select_related("plugin")
        if not any((item.plugin.ref_id, name) in used for name in _spellings(item))
    ]
    rows += [row for row in _flea_items() if not _is_used(row, used)]
    return sorted(rows, key=lambda row: (row.ref_id, row.kind, row.name))


def _offered_names() -> set[str]:
    """Every name on offer, and the bare one that may stand for it."""
    names: set[str] = set()
    for row in catalogue_rows():
        if row.valid_to is None and row.kind is not ItemKind.PLUGIN:
            names |= {row.name, row.name.partition(":")[2] or row.name}
    return names


def _spellings(item: Item) -> Iterator[str]:
    served = item.plugin.served_name + item.name.removeprefix(item.plugin.name)
    for name in (item.name, *item.aliases, served):
        yield name
        yield name.partition(":")[2] or name


def _flea_items() -> Iterator[Unused]:
    for row in catalogue_rows():
        if row.source is Source.FLEA and row.valid_to is None and row.kind is not ItemKind.PLUGIN:
            yield Unused(row.source, row.ref_id, row.kind, row.name)


def _is_used(row: Unused, used: set[tuple[str | None, str]]) -> bool:
    return (row.ref_id, row.name) in used or (row.ref_id, row.name.partition(":")[2]) in used
