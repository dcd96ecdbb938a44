"""Rows as a table of a terminal: columns as wide as their longest cell, numbers to the right."""

from collections.abc import Iterator, Sequence

WIDEST = 60


def text_table(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[bool]
) -> Iterator[str]:
    """A line of names, a rule, and a line for each row; cells beyond WIDEST are cut with an
    ellipsis. `right` tells for each column whether it holds numbers."""
    cut = [[_cut(cell) for cell in row] for row in (names, *rows)]
    widths = [max(len(row[at]) for row in cut) for at in range(len(names))]
    for number, row in enumerate(cut):
        cells = (
            cell.rjust(width) if aligned else cell.ljust(width)
            for cell, width, aligned in zip(row, widths, right, strict=True)
        )
        yield "  ".join(cells).rstrip()
        if not number:
            yield "  ".join("─" * width for width in widths)


def _cut(cell: str) -> str:
    """On one line, without what would move the cursor."""
    line = "".join(sign if sign.isprintable() else " " for sign in cell)
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…"
