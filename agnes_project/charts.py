"""The geometry of charts that the server draws: numbers in, coordinates out. Plain Python.

Everything is laid out in a viewBox, so a chart takes the width it is given. A chart keeps its rows,
which its template also shows as a table for those who do not see the picture.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

SERIES = 6
HEAT = 4


@dataclass(frozen=True)
class Sparkline:
    """One line without axes. Values that are all equal lie on the ground, or in the middle."""

    values: Sequence[float]
    width: int = 96
    height: int = 24

    @cached_property
    def points(self) -> list[tuple[float, float]]:
        if not self.values:
            return []
        top = max(self.values) or 1
        step = self.width / max(len(self.values) - 1, 1)
        # Half of the line's width would be cut off at the edges.
        room = self.height - 2
        return [
            (round(i * step, 2), round(1 + room * (1 - value / top), 2))
            for i, value in enumerate(self.values)
        ]

    @property
    def line(self) -> str:
        return " ".join(f"{x:g},{y:g}" for x, y in self.points)

    @property
    def area(self) -> str:
        return f"0,{self.height} {self.line} {self.points[-1][0]:g},{self.height}"

    @property
    def last(self) -> tuple[float, float] | None:
        return self.points[-1] if self.points else None


@dataclass(frozen=True)
class Segment:
    """A part of a stacked column, from `y` down."""

    series: int
    value: float
    y: float
    height: float


@dataclass(frozen=True)
class Column:
    x: float
    width: float
    label: str
    segments: tuple[Segment, ...]
    total: float
    is_complete: bool


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class StackedSeries:
    """Columns by day, each stacked from the first series up.

    `rows` are (day, one value for each name). `today` marks the day that is not complete yet.
    """

    names: Sequence[str]
    rows: Sequence[tuple[date, Sequence[float]]]
    today: date | None = None
    width: int = 720
    height: int = 200

    LEFT = 44
    BOTTOM = 22
    TOP = 8

    @property
    def is_empty(self) -> bool:
        return not any(value for _, values in self.rows for value in values)

    @cached_property
    def top(self) -> float:
        """A round number that every column fits below."""
        return nice_ceiling(max((sum(values) for _, values in self.rows), default=0))

    @property
    def plot_height(self) -> int:
        return self.height - self.TOP - self.BOTTOM

    def _y(self, value: float) -> float:
        return round(self.TOP + self.plot_height * (1 - value / self.top), 2)

    @cached_property
    def columns(self) -> list[Column]:
        slot = (self.width - self.LEFT) / max(len(self.rows), 1)
        return [self._column(i, slot, day, values) for i, (day, values) in enumerate(self.rows)]

    def _column(self, index: int, slot: float, day: date, values: Sequence[float]) -> Column:
        segments, below = [], 0.0
        for number, value in enumerate(values):
            if value:
                y = self._y(below + value)
                height = round(self._y(below) - y, 2)
                segments.append(Segment(number % SERIES + 1, value, y, height))
            below += value
        return Column(
            x=round(self.LEFT + index * slot, 2),
            width=round(slot, 2),
            label=f"{day:%a} {day.day} {day:%b %Y}",
            segments=tuple(segments),
            total=below,
            is_complete=day != self.today,
        )

    @property
    def bar_inset(self) -> float:
        """The gap on each side of a column: a fifth of its slot, at most six."""
        return round(min(self.columns[0].width / 5, 6), 2) if self.rows else 0

    @property
    def bar_width(self) -> float:
        return round(self.columns[0].width - 2 * self.bar_inset, 2) if self.rows else 0

    @property
    def y_ticks(self) -> list[Tick]:
        return [Tick(self._y(self.top * i / 4), short(self.top * i / 4)) for i in (0, 2, 4)]

    @property
    def x_ticks(self) -> list[Tick]:
        """At most seven days, the first among them."""
        step = max(1, math.ceil(len(self.rows) / 7))
        return [
            Tick(round(column.x + column.width / 2, 2), f"{day.day} {day:%b}")
            for i, (column, (day, _)) in enumerate(zip(self.columns, self.rows, strict=True))
            if i % step == 0
        ]


@dataclass(frozen=True)
class Cell:
    x: int
    y: int
    level: int
    value: float
    row: str
    column: str


@dataclass(frozen=True)
class HeatMap:
    """A grid of shades: `values[row][column]`. Shade 0 is none, 4 the most."""

    row_names: Sequence[str]
    column_names: Sequence[str]
    values: Sequence[Sequence[float]]
    cell: int = 22
    left: int = 34
    label_every: int = 1

    @property
    def width(self) -> int:
        return self.left + self.cell * len(self.column_names)

    @property
    def height(self) -> int:
        return self.cell * len(self.row_names) + 18

    @cached_property
    def cells(self) -> list[Cell]:
        most = max((value for row in self.values for value in row), default=0)
        return [
            Cell(
                x=self.left + self.cell * j,
                y=self.cell * i,
                level=math.ceil(HEAT * value / most) if value else 0,
                value=value,
                row=self.row_names[i],
                column=self.column_names[j],
            )
            for i, row in enumerate(self.values)
            for j, value in enumerate(row)
        ]

    @property
    def row_ticks(self) -> list[Tick]:
        return [Tick(self.cell * (i + 0.65), name) for i, name in enumerate(self.row_names)]

    @property
    def column_ticks(self) -> list[Tick]:
        return [
            Tick(self.left + self.cell * (i + 0.5), name)
            for i, name in enumerate(self.column_names)
            if i % self.label_every == 0
        ]


def nice_ceiling(value: float) -> float:
    """The least of 1, 2, 4, 5, 10 times a power of ten that is not below `value`; at least 4."""
    if value <= 4:
        return 4
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 10) if step * power >= value)


def short(value: float) -> str:
    """An axis label: 1500 as 1.5k."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
