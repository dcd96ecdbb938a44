"""Finding secrets in text with the rules of gitleaks; the only matcher, here and in the server.

Rules are compiled when one of their keywords is met, so that a start costs nothing.
"""

from __future__ import annotations

import json
import math
import pkgutil
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

RULES = "rules/gitleaks.json"
BLOCK = 16 * 1024
OVERLAP = 4 * 1024
"""Long texts are looked at in parts, as a backtracking matcher takes its time with long lines. What
overlaps is longer than any private key."""

WIDENING = re.compile(r"[\w.-]{0,50}\Z", re.ASCII)


class Secret(NamedTuple):
    start: int
    end: int
    rule: str


class _Allow:
    """What a rule lets pass although it matches."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.target: str = data["target"]
        self.regexes = [re.compile(one, re.ASCII) for one in data["regexes"]]
        self.stopwords: list[str] = data["stopwords"]

    def lets_pass(self, secret: str, match: str, line: str) -> bool:
        text = {"match": match, "line": line}.get(self.target, secret)
        lowered = secret.lower()
        return any(one.search(text) for one in self.regexes) or any(
            word in lowered for word in self.stopwords
        )


class Rule:
    def __init__(self, data: dict[str, Any], common: _Allow) -> None:
        self.id: str = data["id"]
        self.keywords: list[str] = data["keywords"]
        self._data = data
        self._common = common

    def find(self, text: str) -> Iterator[Secret]:
        for match in self._regex.finditer(text):
            start, end = self._span(match)
            if start < end and self._is_secret(text, match, text[start:end]):
                yield Secret(start, end, self.id)

    @property
    def _regex(self) -> re.Pattern[str]:
        return _compiled(self._data["regex"])

    def _span(self, match: re.Match[str]) -> tuple[int, int]:
        """The group the rule names, else the first that is not empty, else all of the match."""
        if self._data["group"]:
            return match.span(self._data["group"])
        for number, group in enumerate(match.groups(), start=1):
            if group:
                return match.span(number)
        return match.span()

    def _is_secret(self, text: str, match: re.Match[str], secret: str) -> bool:
        if self._data["entropy"] and entropy(secret) <= self._data["entropy"]:
            return False
        start = match.start()
        if self._data["widened"]:
            wider = WIDENING.search(text[max(start - 50, 0) : start])
            start -= len(wider.group()) if wider else 0
        line_start = text.rfind("\n", 0, match.start()) + 1
        line_end = text.find("\n", match.end())
        line = text[line_start : line_end if line_end >= 0 else len(text)]
        allows = [self._common, *_allows(self.id)]
        return not any(one.lets_pass(secret, text[start : match.end()], line) for one in allows)


def find_secrets(text: str, among: Iterable[str] | None = None) -> list[Secret]:
    """The secrets in a text, in order and without overlaps.

    `among` are keywords that may be in it, all by default.
    """
    lowered = text.lower()
    present = [word for word in (keywords() if among is None else among) if word in lowered]
    rules = {rule.id: rule for word in present for rule in rules_by_keyword()[word]}
    found: set[Secret] = set()
    for rule in rules.values():
        for at in range(0, max(len(text) - OVERLAP, 1), BLOCK - OVERLAP):
            block = text[at : at + BLOCK]
            found.update(Secret(at + s, at + e, rule_id) for s, e, rule_id in rule.find(block))
    return _merged(sorted(found))


@cache
def keywords() -> tuple[str, ...]:
    """Every rule has one of these, in lower case, in what it matches."""
    return tuple(sorted(rules_by_keyword()))


@cache
def rules_by_keyword() -> dict[str, list[Rule]]:
    data = _data()
    common = _Allow(data["allow"])
    by_keyword: dict[str, list[Rule]] = {}
    for one in data["rules"]:
        rule = Rule(one, common)
        for word in rule.keywords:
            by_keyword.setdefault(word, []).append(rule)
    return by_keyword


def entropy(text: str) -> float:
    """Shannon's, in bits a sign."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def _merged(secrets: list[Secret]) -> list[Secret]:
    merged: list[Secret] = []
    for one in secrets:
        if merged and one.start < merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(one.end, merged[-1].end))
        else:
            merged.append(one)
    return merged


@cache
def _data() -> dict[str, Any]:
    # Also out of a zip, from which the client may be run.
    raw = pkgutil.get_data(__package__ or "agnes_cli", RULES)
    assert raw is not None  # noqa: S101 - it is in every distribution
    data: dict[str, Any] = json.loads(raw)
    return data


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


@cache
def _allows(rule_id: str) -> list[_Allow]:
    data = next(one for one in _data()["rules"] if one["id"] == rule_id)
    return [_Allow(allow) for allow in data["allow"]]
