"""Whether two results say the same: execution match, blind to names and order of columns."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

MOST_CHOICES = 2_000
"""Ways to pair columns that are tried; columns that hold the same values need several."""
Value = str | None


def is_match(
    wanted: Sequence[Sequence[Any]],
    found: Sequence[Sequence[Any]],
    *,
    columns: Sequence[int],
    ordered: bool,
) -> bool:
    """Whether `found` holds these columns of `wanted`, each in a column of its own.

    Further columns of `found` do not matter. Rows count as often as they come, in any order unless
    `ordered`. Whole numbers must be equal, others to three digits.
    """
    if len(wanted) != len(found):
        return False
    if not wanted:
        return True
    gold = [[plain(row[at]) for row in wanted] for at in columns]
    own = [[plain(row[at]) for row in found] for at in range(len(found[0]))]
    target = list(zip(*gold, strict=True))
    for tried, choice in enumerate(_choices(gold, own, ordered=ordered)):
        rows = list(zip(*(own[at] for at in choice), strict=True))
        if rows == target or (not ordered and Counter(rows) == Counter(target)):
            return True
        if tried >= MOST_CHOICES:
            return False
    return False


def plain(value: Any) -> Value:
    """A value as a text that is equal for equal values: 2 and 2.0, a day and its midnight."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | float):
        number = float(value)
        return f"{number:.0f}" if number.is_integer() else f"{number:.3g}"
    text = str(value)
    for midnight in ("T00:00:00", " 00:00:00"):
        text = text.removesuffix(midnight)
    return text


def _choices(
    gold: list[list[Value]], own: list[list[Value]], *, ordered: bool
) -> Iterator[tuple[int, ...]]:
    """Every way to give each wanted column one of its own that holds the same values."""
    fitting = [
        [
            at
            for at, column in enumerate(own)
            if (column == wanted if ordered else Counter(column) == Counter(wanted))
        ]
        for wanted in gold
    ]

    def rest(number: int, taken: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if number == len(fitting):
            yield taken
            return
        for at in fitting[number]:
            if at not in taken:
                yield from rest(number + 1, (*taken, at))

    return rest(0, ())
