"""Makes gitleaks.json, which Python's `re` can run, from the rules as gitleaks publishes them.

`python -m agnes_cli.rules.convert` after another gitleaks-*.toml was put here; needs Python 3.11.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PREFIX = r"[\w.-]{0,50}?"
"""How rules for `name = value` begin. It only widens the match to the left of the name, which costs
a backtracking matcher dearly: it is taken away, and the few matches are widened afterwards."""

POSIX = {"[:alnum:]": "A-Za-z0-9", "[:alpha:]": "A-Za-z", "[:digit:]": "0-9", "[:lower:]": "a-z"}


# What transcripts of Claude Code are likely to hold and the published rules do not know.
ADDED = (
    {
        "id": "anthropic-api-key",
        "regex": r"\b(sk-ant-(?:api|admin|oat|ort|sid)\d\d-[\w-]{20,})",
        "keywords": ["sk-ant-"],
    },
    {"id": "agnes-token", "regex": r"\b(agn_[0-9A-Za-z]{49})\b", "keywords": ["agn_"]},
)


def convert(text: str) -> dict[str, Any]:
    """The rules that look at content, and what all of them let pass."""
    import tomllib

    published = tomllib.loads(text)
    return {
        "allow": _allow(published.get("allowlist", {})),
        "rules": [_rule(rule) for rule in [*published["rules"], *ADDED] if "regex" in rule],
    }


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    pattern, widened = _widened(to_python(rule["regex"]))
    return {
        "id": rule["id"],
        "regex": _checked(pattern),
        "widened": widened,
        "group": rule.get("secretGroup", 0),
        "entropy": rule.get("entropy", 0),
        "keywords": [word.lower() for word in rule.get("keywords", [])],
        "allow": [_allow(one) for one in rule.get("allowlists", []) if _is_about_content(one)],
    }


def _is_about_content(allow: dict[str, Any]) -> bool:
    # One that needs a path as well can never be met: a transcript's strings have none.
    return allow.get("condition") != "AND" or "paths" not in allow


def _allow(allow: dict[str, Any]) -> dict[str, Any]:
    return {
        "target": allow.get("regexTarget", "secret"),
        "regexes": [_checked(to_python(one)) for one in allow.get("regexes", [])],
        "stopwords": [word.lower() for word in allow.get("stopwords", [])],
    }


def _widened(pattern: str) -> tuple[str, bool]:
    for begin in (rf"(?i:{PREFIX}", f"(?i){PREFIX}"):
        if pattern.startswith(begin):
            return begin[: -len(PREFIX)] + pattern[len(begin) :], True
    return pattern, False


def _checked(pattern: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        re.compile(pattern, re.ASCII)
    return pattern


def to_python(pattern: str) -> str:
    """A pattern of Go's regexp in the words of Python's: the same but for flags that begin in
    the middle, the end of the text, and named classes."""
    pattern = pattern.replace(r"\z", r"\Z")
    for name, signs in POSIX.items():
        pattern = pattern.replace(name, signs)
    return _scoped(pattern, 0)[0]


def _scoped(pattern: str, at: int) -> tuple[str, int]:
    """The group's content from `at` with flags as groups of their own, and where it ends."""
    branches = [""]
    flags = ""
    opened = 0
    begun = at

    def close() -> None:
        nonlocal opened
        branches[-1] += ")" * opened
        opened = 0

    while at < len(pattern) and pattern[at] != ")":
        flag = re.compile(r"\(\?(-?[ims]+)\)").match(pattern, at)
        if flag and at == begun == 0:
            branches[-1] += flag.group()
            at = flag.end()
        elif flag:
            flags = flag.group(1)
            branches[-1] += f"(?{flags}:"
            opened += 1
            at = flag.end()
        elif pattern[at] == "|":
            close()
            branches.append(f"(?{flags}:" if flags else "")
            opened = 1 if flags else 0
            at += 1
        else:
            part, at = _part(pattern, at)
            branches[-1] += part
    close()
    return "|".join(branches), at


def _part(pattern: str, at: int) -> tuple[str, int]:
    """One escape, class, group or sign."""
    if pattern[at] == "\\":
        return pattern[at : at + 2], at + 2
    if pattern[at] == "[":
        end = at + 2
        while pattern[end] != "]":
            end += 2 if pattern[end] == "\\" else 1
        return pattern[at : end + 1], end + 1
    if pattern[at] == "(":
        head = re.compile(r"\((?:\?(?:[a-zA-Z-]*:|P<\w+>))?").match(pattern, at)
        assert head is not None  # noqa: S101 - it begins with a bracket
        inner, end = _scoped(pattern, head.end())
        return f"{head.group()}{inner})", end + 1
    return pattern[at], at + 1


def main() -> None:
    source = sorted(HERE.glob("gitleaks-*.toml"))[-1]
    rules = convert(source.read_text(encoding="utf-8"))
    text = json.dumps(rules, indent=1, ensure_ascii=True) + "\n"
    (HERE / "gitleaks.json").write_text(text, encoding="utf-8", newline="\n")
    sys.stdout.write(f"{len(rules['rules'])} rules from {source.name}\n")


if __name__ == "__main__":
    main()
