"""Patterns that are looked for line by line: every one of a pattern's parts has to be on the line.

The parts are simple, so that a line made to be slow is not; and a line without any of a pattern's
words is passed over, since most are.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from marketplace.findings import Finding
from marketplace.guardrails.submission import Line, Rule, Submission, lines_of

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


def find(patterns: Iterable[Pattern], submission: Submission) -> Iterator[Finding]:
    """A finding for each line and pattern that fits it, once; some of each rule.

    Most files have none of the words, and their lines are not gone through at all.
    """
    told: Counter[str] = Counter()
    texts = {} if submission.is_cut else submission.looked_at
    every = tuple(patterns)
    for path, text in texts.items():
        # A word may be broken by a line that goes on.
        lower = text.lower().replace("\\\n", "")
        left = [one for one in every if any(word in lower for word in one.words)]
        for finding in _find(left, lines_of(path, text) if left else ()):
            told[finding.rule] += 1
            if told[finding.rule] <= MOST_OF_A_RULE:
                yield finding
        every = tuple(one for one in every if told[one.rule.name] < MOST_OF_A_RULE)


def _find(patterns: Iterable[Pattern], lines: Iterable[Line]) -> Iterator[Finding]:
    seen = set()
    told: Counter[str] = Counter()
    left = tuple(patterns)
    for line in lines:
        lower = line.text.lower()
        for each in left:
            key = (each.rule.name, each.message, line.number)
            if each.fits(line.text, lower) and key not in seen:
                seen.add(key)
                told[each.rule.name] += 1
                yield each.rule.at(line.file, each.message, line.number)
                if told[each.rule.name] >= MOST_OF_A_RULE:
                    left = tuple(one for one in left if one.rule != each.rule)
