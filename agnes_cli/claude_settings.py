"""Claude Code's settings.json: its hooks put in and taken out, the rest left as it stands.

The text is edited where the hooks belong instead of being written anew, so layout, order and
numbers stay byte for byte.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from agnes_cli.errors import UsageError
from agnes_cli.folders import write_bytes

EVENTS = ("SessionStart", "SessionEnd", "Stop")
OURS = re.compile(r"agnes[^\n]* hook( |$)")
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class Span(NamedTuple):
    start: int
    end: int


def add_hooks(path: Path, command: str) -> bool:
    """Put the hooks in; whether anything changed. Raises UsageError for settings it cannot read."""
    before = _read(path)
    text = before if before.strip() else "{}\n"
    for event in EVENTS:
        text = _add(_without(text, event, keep=command), event, command)
    return _write(path, before, text)


def remove_hooks(path: Path) -> bool:
    """Take the hooks out; whether there were any."""
    before = _read(path)
    text = before
    for event in EVENTS if before.strip() else ():
        text = _without(text, event)
    return _write(path, before, text)


def has_hooks(path: Path) -> bool:
    text = _read(path)
    return bool(text.strip()) and all(_ours(text, event) for event in EVENTS)


def _read(path: Path) -> str:
    """ "" when there is no such file."""
    try:
        text = path.read_bytes().decode("utf-8")
        data = json.loads(text) if text.strip() else {}
    except FileNotFoundError:
        return ""
    except ValueError as error:
        raise UsageError(
            f"{path} cannot be read as JSON: {error}.", fix="Mend it, then run this again."
        ) from error
    hooks = data.get("hooks", {}) if isinstance(data, dict) else None
    wrong = not isinstance(hooks, dict) or not all(
        isinstance(hooks.get(event, []), list) for event in EVENTS
    )
    if wrong:
        raise UsageError(
            f"{path} does not look like Claude Code's settings.",
            fix="Mend it, then run this again.",
        )
    return text


def _write(path: Path, before: str, text: str) -> bool:
    if text == before:
        return False
    json.loads(text)
    target = path.resolve()  # a link, as those who keep their settings in git have it, stays one
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
    write_bytes(target, text.encode("utf-8"), mode=mode)
    return True


def _ours(text: str, event: str) -> list[Any]:
    groups = json.loads(text).get("hooks", {}).get(event, [])
    return [group for group in groups if _is_ours(group)]


def _is_ours(group: object) -> bool:
    """A group of one hook, which is the client's: groups that hold others' hooks stay."""
    hooks = group.get("hooks") if isinstance(group, dict) else None
    if not isinstance(hooks, list) or len(hooks) != 1 or not isinstance(hooks[0], dict):
        return False
    return bool(OURS.search(str(hooks[0].get("command") or "")))


def _add(text: str, event: str, command: str) -> str:
    if _ours(text, event):
        return text
    group = {"hooks": [{"type": "command", "command": command, "timeout": 10}]}
    root = Span(_skip(text, 0), len(text))
    members = _members(text, root.start)
    if "hooks" not in members:
        return _insert(text, root.start, _named("hooks", {event: [group]}))
    events = _members(text, members["hooks"].start)
    if event not in events:
        return _insert(text, members["hooks"].start, _named(event, [group]))
    return _insert(text, events[event].start, _Item("", group))


def _without(text: str, event: str, *, keep: str = "") -> str:
    """Without the client's groups of an event, but for one whose command is `keep`; what was made
    for them goes as well when nothing else is in it."""
    while True:
        groups = _ours(text, event)
        if not groups or (keep and groups[0]["hooks"][0].get("command") == keep):
            return text
        hooks = _members(text, _skip(text, 0))["hooks"]
        events = _members(text, hooks.start)
        elements = _elements(text, events[event].start)
        number = next(
            at for at, one in enumerate(elements) if _is_ours(json.loads(text[one.start : one.end]))
        )
        if len(elements) > 1:
            text = _remove(text, events[event].start, elements, number)
        elif len(events) > 1:
            text = _remove_member(text, hooks.start, event)
        else:
            text = _remove_member(text, _skip(text, 0), "hooks")


class _Item(NamedTuple):
    name: str
    value: Any


def _named(name: str, value: object) -> _Item:
    return _Item(name, value)


def _insert(text: str, container: int, item: _Item) -> str:
    """As the last of the object or array that begins at `container`."""
    spans = _spans(text, container)
    unit = _indentation(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    depth = _depth(text, container) + 1
    written = json.dumps(item.value, indent=unit, ensure_ascii=False)
    if item.name:
        written = f"{json.dumps(item.name)}: {written}"
    written = written.replace("\n", f"\n{unit * depth}").replace("\n", newline)
    before = newline + unit * depth
    if spans:
        end = spans[-1].end
        return f"{text[:end]},{before}{written}{text[end:]}"
    end = _skip(text, container + 1)
    after = newline + unit * (depth - 1)
    return f"{text[: container + 1]}{before}{written}{after}{text[end:]}"


def _remove(text: str, container: int, spans: list[Span], number: int) -> str:
    if len(spans) == 1:
        return text[: container + 1] + text[_skip(text, spans[0].end) :]
    if number:
        return text[: spans[number - 1].end] + text[spans[number].end :]
    return text[: spans[0].start] + text[spans[1].start :]


def _remove_member(text: str, container: int, name: str) -> str:
    names = list(_members(text, container))
    return _remove(text, container, _spans(text, container), names.index(name))


def _spans(text: str, container: int) -> list[Span]:
    """The elements of an array, or the members of an object with their names."""
    if text[container] == "[":
        return _elements(text, container)
    return _walk(text, container)[1]


def _members(text: str, container: int) -> dict[str, Span]:
    """The values of an object, by name."""
    return _walk(text, container)[0]


def _walk(text: str, container: int) -> tuple[dict[str, Span], list[Span]]:
    values: dict[str, Span] = {}
    whole: list[Span] = []
    at = _skip(text, container + 1)
    while text[at] != "}":
        begin = at
        name, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        values[name] = Span(start, end)
        whole.append(Span(begin, end))
        at = _next(text, end)
    return values, whole


def _elements(text: str, container: int) -> list[Span]:
    found: list[Span] = []
    at = _skip(text, container + 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        found.append(Span(at, end))
        at = _next(text, end)
    return found


def _next(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _indentation(text: str) -> str:
    match = re.search(r"\n([ \t]+)\S", text)
    return match.group(1) if match else "  "


def _depth(text: str, container: int) -> int:
    """How deep the object or array that begins here lies."""
    depth = 0
    at = 0
    while at < container:
        if text[at] == '"':
            _, at = _DECODER.raw_decode(text, at)
            continue
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(text[at], 0)
        at += 1
    return depth
