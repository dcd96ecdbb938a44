"""A JSON object read from a file, tolerant of what editors leave, strict on its form."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from marketplace.findings import Finding, blocking
from marketplace.manifests.texts import decode, line_of

LARGEST: Final = 8 * 1024**2
"""Bytes of a manifest; a catalogue of ten thousand plugins has a fourth of it."""


@dataclass(frozen=True)
class JsonFile:
    """What a file holds. `value` is None when it cannot be used; `findings` say why."""

    path: str
    text: str
    value: dict[str, Any] | None
    findings: tuple[Finding, ...] = ()

    def line_of(self, wanted: object) -> int | None:
        """The line on which a key or text value first stands; None when that is not known."""
        if not isinstance(wanted, str):
            return None
        return line_of(self.text, json.dumps(wanted, ensure_ascii=False)) or line_of(
            self.text, json.dumps(wanted)
        )


def read_json(files: Mapping[str, bytes], path: str, whole_path: str) -> JsonFile:
    """The object in the file at `path`, which must be there; findings name `whole_path`."""
    content = files[path]
    if len(content) > LARGEST:
        return _unusable(whole_path, "", f"is larger than {LARGEST // 1024**2} MiB")
    text = decode(content)
    try:
        value = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        return _unusable(whole_path, text, f"is not JSON: {error.msg}", error.lineno)
    except _NotANumber as error:
        return _unusable(whole_path, text, f"is not JSON: {error} is no number")
    except (ValueError, RecursionError):
        return _unusable(whole_path, text, "is JSON that is nested too deeply or has huge numbers")
    if not isinstance(value, dict):
        return _unusable(whole_path, text, "holds no JSON object", 1)
    return JsonFile(whole_path, text, value)


class _NotANumber(Exception):
    pass


def _refuse(constant: str) -> None:
    """Python reads and writes NaN and Infinity; Claude Code and PostgreSQL take them for broken."""
    raise _NotANumber(constant)


def _unusable(path: str, text: str, problem: str, line: int | None = None) -> JsonFile:
    return JsonFile(path, text, None, (blocking("json", path, f"The file {problem}.", line),))
