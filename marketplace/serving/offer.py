"""What is served: each plugin with its entry in marketplace.json and the bundles it is made of."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from marketplace.bundle_store import read_bundle
from marketplace.bundles import Bundle
from marketplace.manifests.plugin import PATH as PLUGIN_FILE
from marketplace.manifests.texts import KEBAB
from marketplace.models import FleaItem, FleaVersion, Plugin
from marketplace.names import FLEA_PLUGIN, SERVED_MARKETPLACE
from marketplace.submissions import placed
from telemetry.taxonomy import ItemKind

FORM: Final = 2
"""Raised whenever the same bundles would be served otherwise."""

CATALOGUE_FILE: Final = ".claude-plugin/marketplace.json"
ABOUT: Final = "What this organisation offers for Claude Code: curated plugins and the flea market."
FLEA_ABOUT: Final = "Skills and agents that people of this organisation share."


@dataclass(frozen=True)
class Part:
    """A stored bundle; `kind` and `public` say where a flea item lies in its plugin."""

    digest: str
    kind: ItemKind = ItemKind.PLUGIN
    public: str = ""


@dataclass(frozen=True)
class Offered:
    """A plugin under the name it is served as. `entry` is its entry in marketplace.json."""

    name: str
    entry: Mapping[str, Any]
    parts: tuple[Part, ...]

    @property
    def folder(self) -> str:
        return f"plugins/{folder_name(self.name)}"

    def bundle(self) -> Bundle:
        """Its files. Raises BundleMissing."""
        if self.name != FLEA_PLUGIN:
            return _calling_itself(self.name, read_bundle(self.parts[0].digest))
        files: dict[str, bytes] = {}
        programs: set[str] = set()
        for part in self.parts:
            bundle = placed(part.kind, part.public, read_bundle(part.digest))
            files |= dict(bundle.files)
            programs |= bundle.executables
        manifest = {name: self.entry[name] for name in ("name", "description", "version")}
        return Bundle.of({**files, PLUGIN_FILE: _json(manifest)}, frozenset(programs))


def offered_plugins() -> list[Offered]:
    """Everything that is served now, by name: four queries."""
    curated = Plugin.objects.live().filter(marketplace__removed_at=None).exclude(digest="")
    plugins = [_curated(plugin) for plugin in curated.select_related("marketplace")]
    parts = []
    for item in FleaItem.objects.live().select_related("live_version").order_by("public_name"):
        version = item.live_version
        if version is None:
            continue
        part = Part(version.digest, ItemKind(item.kind), item.public_name)
        if part.kind is ItemKind.PLUGIN:
            plugins.append(_flea_plugin(item, version))
        else:
            parts.append(part)
    if parts:
        plugins.append(_flea(tuple(parts)))
    return sorted(plugins, key=lambda plugin: plugin.name)


def catalogue(plugins: list[Offered]) -> bytes:
    """The marketplace.json of these plugins."""
    value = {
        "name": SERVED_MARKETPLACE,
        "owner": {"name": "Agnes"},
        "description": ABOUT,
        "plugins": [{**plugin.entry, "source": f"./{plugin.folder}"} for plugin in plugins],
    }
    return _json(value)


def fingerprint(plugins: list[Offered]) -> str:
    """Of all that decides what is served; no bundle is read for it."""
    parts = [
        [dict(plugin.entry), [[part.digest, part.kind, part.public] for part in plugin.parts]]
        for plugin in plugins
    ]
    text = json.dumps([FORM, parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def folder_name(plugin: str) -> str:
    """A folder that any laptop can make and that no other plugin has."""
    if KEBAB.fullmatch(plugin.replace("--", "-")):
        return plugin
    plain = re.sub(r"[^a-z0-9]+", "-", plugin.lower()).strip("-")[:60] or "plugin"
    return f"{plain}--{hashlib.sha256(plugin.encode()).hexdigest()[:8]}"


def named_bundles(digests: list[str]) -> set[str]:
    """Which of some stored bundles a row still names."""
    kept: set[str] = set()
    for table in (Plugin, FleaVersion):
        rows = table._default_manager.filter(digest__in=digests)
        kept |= set(rows.values_list("digest", flat=True))
    return kept


def _curated(plugin: Plugin) -> Offered:
    entry: dict[str, Any] = {
        "name": plugin.served_name,
        "description": plugin.description,
        # Without one Claude Code takes the commit, which is another whenever any plugin changes.
        "version": plugin.version or plugin.digest[:12],
    }
    if plugin.display_name:
        entry["displayName"] = plugin.display_name
    if plugin.category:
        entry["category"] = plugin.category
    if plugin.tags:
        entry["tags"] = plugin.tags
    if plugin.author:
        entry["author"] = {"name": plugin.author}
    entry |= plugin.components
    if not plugin.strict:
        entry["strict"] = False
    return Offered(plugin.served_name, entry, (Part(plugin.digest),))


def _flea_plugin(item: FleaItem, version: FleaVersion) -> Offered:
    entry = {
        "name": item.public_name,
        "description": item.description,
        "version": version.label,
        "author": {"name": item.owner_name},
        "category": "flea market",
    }
    return Offered(item.public_name, entry, (Part(version.digest),))


def _flea(parts: tuple[Part, ...]) -> Offered:
    content = hashlib.sha256("".join(part.digest + part.public for part in parts).encode())
    entry = {
        "name": FLEA_PLUGIN,
        "description": FLEA_ABOUT,
        "version": content.hexdigest()[:12],
        "category": "flea market",
    }
    return Offered(FLEA_PLUGIN, entry, parts)


def _calling_itself(name: str, bundle: Bundle) -> Bundle:
    """With the served name in its manifest, so that it cannot be met under another one."""
    try:
        manifest = json.loads(bundle.files[PLUGIN_FILE].decode("utf-8-sig"), parse_constant=_refuse)
    except (KeyError, ValueError, RecursionError):
        return bundle
    if not isinstance(manifest, dict) or manifest.get("name") == name:
        return bundle
    return bundle.replacing({PLUGIN_FILE: _json({**manifest, "name": name})})


def _json(value: Any) -> bytes:
    """Escaped, as half a character in a manifest cannot be written otherwise."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
