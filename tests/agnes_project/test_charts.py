"""Where charts put their marks."""

from datetime import date, timedelta

import pytest
from django.template import Context, Template

from agnes_project.charts import HeatMap, Sparkline, StackedSeries, nice_ceiling, short

DAY = date(2026, 6, 1)


def test_a_sparkline_goes_from_edge_to_edge_and_its_highest_value_to_the_top() -> None:
    chart = Sparkline([0, 5, 10], width=100, height=22)
    assert chart.points == [(0, 21), (50, 11), (100, 1)]
    assert chart.area.startswith("0,22 ")
    assert chart.area.endswith(" 100,22")


def test_a_sparkline_of_zeros_lies_on_the_ground_and_one_of_nothing_is_empty() -> None:
    assert {y for _, y in Sparkline([0, 0, 0], height=24).points} == {23}
    assert Sparkline([]).last is None


def test_segments_of_a_column_stand_on_each_other_and_end_at_the_total() -> None:
    chart = StackedSeries(["a", "b", "c"], [(DAY, (10, 0, 30))], height=230)
    assert chart.top == 40
    (column,) = chart.columns
    lower, upper = column.segments
    assert (lower.series, upper.series) == (1, 3)
    assert lower.y + lower.height == pytest.approx(chart.TOP + chart.plot_height)
    assert upper.y + upper.height == pytest.approx(lower.y)
    assert upper.y == pytest.approx(chart.TOP)
    assert upper.height == pytest.approx(3 * lower.height)
    assert column.total == 40


def test_columns_fill_the_width_and_today_is_not_complete() -> None:
    rows = [(DAY + timedelta(days=i), (1,)) for i in range(30)]
    chart = StackedSeries(["a"], rows, today=rows[-1][0])
    last = chart.columns[-1]
    assert last.x + last.width == pytest.approx(chart.width, abs=0.5)
    assert [column.is_complete for column in chart.columns] == [True] * 29 + [False]
    assert len(chart.x_ticks) <= 7
    assert chart.x_ticks[0].label == "1 Jun"


def test_a_chart_without_days_or_values_is_empty() -> None:
    assert StackedSeries(["a"], []).is_empty
    assert StackedSeries(["a"], [(DAY, (0,))]).is_empty
    assert StackedSeries(["a"], []).bar_width == 0


def test_shades_begin_with_the_least_and_end_with_the_most() -> None:
    chart = HeatMap(["a"], list("uvwxy"), [[0, 1, 50, 75, 100]])
    assert [cell.level for cell in chart.cells] == [0, 1, 2, 3, 4]
    assert {cell.level for cell in HeatMap(["a"], ["u"], [[0]]).cells} == {0}


@pytest.mark.parametrize(
    ("value", "ceiling"), [(0, 4), (4, 4), (4.1, 5), (11, 20), (399, 400), (401, 500), (1000, 1000)]
)
def test_axes_end_at_round_numbers(value: float, ceiling: float) -> None:
    assert nice_ceiling(value) == ceiling


def test_axis_labels_are_short() -> None:
    assert [short(n) for n in (0, 250, 1500, 2_000_000)] == ["0", "250", "1.5k", "2M"]


def test_a_chart_comes_with_its_numbers_as_a_table_and_escapes_names() -> None:
    template = Template("{% load charts %}{% stacked_series names rows 'Calls' today=today %}")
    context = {"names": ["<i>a</i>", "b"], "rows": [(DAY, (1234, 2))], "today": DAY}
    text = template.render(Context(context))
    assert "<i>" not in text
    assert '<td class="number">1\N{NARROW NO-BREAK SPACE}234</td>' in text
    assert "(so far)" in text
    assert "style=" not in text


def test_names_of_a_heat_map_are_escaped() -> None:
    template = Template("{% load charts %}{% heat_map rows columns values 'When' %}")
    context = {"rows": ["<b>"], "columns": ["<u>"], "values": [[3]]}
    text = template.render(Context(context))
    assert "<b>" not in text
    assert "<u>" not in text
