"""Sessions of one person that share identities, and which of them owns what.

Forks, resumes, copies and backups repeat lines. Among a person's sessions the owner of an identity
is the one whose first line is earliest (tie: no forkedFrom, then session id), and what the copies
say is put together, so nothing depends on which of them arrived first.
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

import msgspec

from telemetry.activations import Pairs, pair_activations
from telemetry.identified import Act, Extract, Response, Result, earlier_act, merge_responses
from telemetry.identity import identity_key

Value = TypeVar("Value")


class Family(msgspec.Struct):
    """What holds for all the sessions together; dictionaries and sets as in `Extract`."""

    pairs: Pairs
    results: dict[str, Result]
    bodies: set[str]
    body_paths: dict[str, str]
    field_plugins: dict[str, set[str]]
    responses: dict[str, Response]
    calls: dict[str, Act]
    commands: dict[str, Act]
    owner_of: dict[str, str]
    """Line to session id; empty for a single session, which owns all it has."""


class Owned(msgspec.Struct):
    """What one session owns of a family, in a stable order."""

    extract: Extract
    lines: list[str]
    responses: list[str]
    calls: list[str]
    commands: list[str]
    held: frozenset[int]
    """Keys of identities it carries but that were brought by somebody else first."""


def split_family(
    extracts: Iterable[Extract], held: AbstractSet[int] = frozenset()
) -> tuple[Family, list[Owned]]:
    """Who owns what; `held` are the identity keys that other people brought first."""
    ordered = sorted(extracts, key=lambda extract: extract.order)
    family = _gather(ordered)
    taken: set[tuple[str, str]] = set()
    alone = len(ordered) == 1
    owned = []
    for extract in ordered:
        dropped = set(extract.held)
        responses = _unheld("response", extract.responses, held, dropped)
        calls = _unheld("call", extract.calls, held, dropped)
        lines, commands = list(extract.lines), list(extract.commands)
        if not alone:
            lines = _take("line", lines, taken)
            responses = _take("response", responses, taken)
            calls = _take("call", calls, taken)
            commands = _take("command", commands, taken)
            family.owner_of.update(dict.fromkeys(lines, extract.session_id))
        owned.append(Owned(extract, lines, responses, calls, commands, frozenset(dropped)))
    return family, owned


def _gather(ordered: Sequence[Extract]) -> Family:
    first = ordered[0]
    family = Family(
        pairs=pair_activations(ordered),
        results=first.results,
        bodies=first.bodies,
        body_paths=first.body_paths,
        field_plugins=first.field_plugins,
        responses=first.responses,
        calls=first.calls,
        commands=first.commands,
        owner_of={},
    )
    for other in ordered[1:]:
        family.results = _merge(family.results, other.results, max)
        family.bodies = family.bodies | other.bodies
        family.body_paths = _merge(family.body_paths, other.body_paths, min)
        family.field_plugins = _merge(family.field_plugins, other.field_plugins, set.union)
        family.responses = _merge(family.responses, other.responses, merge_responses)
        family.calls = _merge(family.calls, other.calls, earlier_act)
        family.commands = _merge(family.commands, other.commands, earlier_act)
    return family


def _merge(
    one: dict[str, Value], other: dict[str, Value], both: Callable[[Value, Value], Value]
) -> dict[str, Value]:
    merged = dict(one)
    for key, value in other.items():
        merged[key] = both(merged[key], value) if key in merged else value
    return merged


def _unheld(
    kind: str, identities: Iterable[str], held: AbstractSet[int], dropped: set[int]
) -> list[str]:
    if not held:
        return list(identities)
    keys = {identity: identity_key(kind, identity) for identity in identities}
    dropped.update(key for key in keys.values() if key in held)
    return [identity for identity, key in keys.items() if key not in held]


def _take(kind: str, identities: list[str], taken: set[tuple[str, str]]) -> list[str]:
    mine = [identity for identity in identities if (kind, identity) not in taken]
    taken.update((kind, identity) for identity in mine)
    return mine
