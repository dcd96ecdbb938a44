"""Patterns that are looked for line by line: every one of a pattern's parts has to be on the line.

The parts are simple, so that a line made to be slow is not; and a line without any of a pattern's
words is passed over, since most are.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from marketplace.findings import Finding
from marketplace.guardrails.submission import Line, Rule

MOST_OF_A_RULE: Final = 20
"""Findings of one rule that are looked for; nobody reads more."""


class Pattern(NamedTuple):
    """What it means when all `parts` are found on one line. `words`, in lower case, are such that
    every line that fits has one of them."""

    rule: Rule
    message: str
    words: tuple[str, ...]
    parts: tuple[re.Pattern[str], ...]

    def fits(self, text: str, lower: str) -> bool:
        """`lower` is the text in lower case."""
        if not any(word in lower for word in self.words):
            return False
        return all(part.search(text) for part in self.parts)


def pattern(rule: Rule, message: str, words: str, *parts: str) -> Pattern:
    """`words` are separated by blanks; the parts are regular expressions for any case."""
    compiled = (re.compile(part, re.IGNORECASE) for part in parts)
    return Pattern(rule, message, tuple(words.split()), tuple(compiled))


def find(patterns: Iterable[Pattern], lines: Iterable[Line]) -> Iterator[Finding]:
    """A finding for each line and pattern that fits it, once; some of each rule."""
    seen = set()
    told: Counter[str] = Counter()
    left = tuple(patterns)
    for line in lines:
        lower = line.text.lower()
        for each in left:
            key = (each.rule.name, each.message, line.file, line.number)
            if each.fits(line.text, lower) and key not in seen:
                seen.add(key)
                told[each.rule.name] += 1
                yield each.rule.at(line.file, each.message, line.number)
                if told[each.rule.name] >= MOST_OF_A_RULE:
                    left = tuple(one for one in left if one.rule != each.rule)
