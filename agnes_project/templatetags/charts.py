"""Charts as SVG that the server draws: no script, no inline style, a table behind each."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import template

from agnes_project.charts import HeatMap, Sparkline, StackedSeries

register = template.Library()


@register.inclusion_tag("charts/sparkline.html")
def sparkline(values: Sequence[float], label: str, width: int = 96, height: int = 24) -> Any:
    """A line of values in order of time; `label` says in words what it shows."""
    return {"chart": Sparkline(list(values), width, height), "label": label}


@register.inclusion_tag("charts/bar.html")
def bar(value: float, most: float, series: int = 1) -> Any:
    """A bar beside its number, as long as `value` is of `most`; hidden from readers."""
    return {"width": round(100 * value / most, 2) if most else 0, "series": series}


@register.inclusion_tag("charts/stacked.html")
def stacked_series(
    names: Sequence[str],
    rows: Sequence[tuple[date, Sequence[float]]],
    label: str,
    today: date | None = None,
    unit: str = "",
) -> Any:
    """Columns by day; `rows` are (day, a value for each name); `today` is marked as incomplete."""
    legend = [(number % 6 + 1, name) for number, name in enumerate(names)]
    chart = StackedSeries(list(names), list(rows), today)
    return {"chart": chart, "legend": legend, "label": label, "unit": unit}


@register.inclusion_tag("charts/heat_map.html")
def heat_map(
    row_names: Sequence[str],
    column_names: Sequence[str],
    values: Sequence[Sequence[float]],
    label: str,
    label_every: int = 1,
) -> Any:
    """A grid of shades; the names of rows and columns are its axes."""
    chart = HeatMap(list(row_names), list(column_names), list(values), label_every=label_every)
    table = list(zip(chart.row_names, chart.values, strict=True))
    return {"chart": chart, "label": label, "table": table}


@register.filter
def name_of(names: Sequence[str], number: int) -> str:
    """The name of series `number`, counted from 1."""
    return names[number - 1]
