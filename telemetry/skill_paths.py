"""Evidence in paths: the plugin installation that a skill's body or a hook's command names."""

import re

_BASE = "Base directory for this skill:"
_CACHED = re.compile(
    r"[/\\]plugins[/\\]cache[/\\]([^/\\\n]+)[/\\]([^/\\\n]+)[/\\]([^/\\\n]+)([/\\][^\n]*)?",
    re.ASCII,
)
_OWN = re.compile(r"[/\\]\.claude[/\\]skills[/\\]([^/\\\n]+)[/\\]?\s*$", re.ASCII)
OUTSIDE = "~/~/"
"""Stands for marketplace and plugin where a body lies in a person's or a project's own skills; no
marketplace can be called so."""

_HOOK = re.compile(r"[/\\]plugins[/\\]cache[/\\][^/\\\s\"']+[/\\]([^/\\\s\"']+)[/\\]")


def is_skill_body(text: str) -> bool:
    """Whether a line brings the body of a skill, wherever that is kept."""
    return text.startswith(_BASE)


def body_path(text: str) -> str | None:
    """`marketplace/plugin/version/item` of a skill's body, None when it lies somewhere else.

    `item` is the skill's folder, or the plugin's name where the plugin itself is one skill. A skill
    in `.claude/skills` is nobody's plugin: `~/~//item`.
    """
    if not is_skill_body(text):
        return None
    first_line = text[: text.find("\n")] if "\n" in text else text
    found = _CACHED.search(first_line)
    if found is None:
        own = _OWN.search(first_line)
        return f"{OUTSIDE}/{own[1].strip()}" if own else None
    marketplace, plugin, version, rest = found.groups()
    folders = [part for part in re.split(r"[/\\]", (rest or "").strip()) if part]
    return "/".join((marketplace, plugin, version.strip(), folders[-1] if folders else plugin))


def path_agrees(path: str, name: str) -> bool:
    """Whether a body's path can be that of an item called `name`: same plugin or same bare name."""
    _, plugin, _, item = path.split("/", 3)
    scope, colon, rest = name.partition(":")
    if colon:
        return scope == plugin
    return name == item or rest == item


def hook_plugin(command: str) -> str:
    """The plugin whose installation a hook's command lies in; empty where no path tells."""
    found = _HOOK.search(command)
    return found.group(1) if found else ""
