"""Execution match: what says the same is a hit, and nothing else."""

from typing import Any

import pytest

from telemetry.ask.scoring import is_match, plain

Rows = list[list[Any]]
TOOLS: Rows = [["Bash", 5], ["Read", 3], ["Edit", 3]]


def match(wanted: Rows, found: Rows, *, columns: tuple[int, ...] = (0, 1), ordered: bool) -> bool:
    return is_match(wanted, found, columns=columns, ordered=ordered)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(
    "found",
    [
        TOOLS,
        [[5, "Bash"], [3, "Read"], [3, "Edit"]],
        [["Bash", "x", 5.0], ["Read", "y", 3.0], ["Edit", "z", 3.0]],
    ],
)
def test_names_order_and_number_of_columns_do_not_matter(found: Rows, ordered: bool) -> None:
    assert match(TOOLS, found, ordered=ordered)


def test_the_order_of_rows_matters_only_when_it_is_asked_for() -> None:
    assert match(TOOLS, TOOLS[::-1], ordered=False)
    assert not match(TOOLS, TOOLS[::-1], ordered=True)


@pytest.mark.parametrize(
    "found",
    [
        [],
        TOOLS[:2],
        [*TOOLS, ["Edit", 3]],
        [["Bash", 5], ["Read", 3], ["Read", 3]],
        [["Bash", 3], ["Read", 5], ["Edit", 3]],
        [["Bash"], ["Read"], ["Edit"]],
        [["Bash", 6], ["Read", 3], ["Edit", 3]],
        [["bash", 5], ["Read", 3], ["Edit", 3]],
        [["Bash", None], ["Read", 3], ["Edit", 3]],
    ],
)
def test_other_rows_are_no_hit(found: Rows) -> None:
    assert not match(TOOLS, found, ordered=False)


def test_two_columns_with_the_same_values_are_paired_the_right_way_round() -> None:
    wanted: Rows = [[1, 2], [2, 1], [3, 3]]
    assert match(wanted, [[2, 1], [1, 2], [3, 3]], ordered=True)
    assert not match(wanted, [[1, 1], [2, 2], [3, 3]], ordered=True)


def test_one_column_cannot_stand_for_two() -> None:
    assert not match([[1, 1], [2, 2]], [[1, 9], [2, 9]], ordered=False)


def test_only_the_required_columns_count() -> None:
    assert match(TOOLS, [["Edit"], ["Bash"], ["Read"]], columns=(0,), ordered=False)


def test_no_rows_match_no_rows() -> None:
    assert match([], [], ordered=True)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (2, 2.0, True),
        (41.67, 41.7, True),
        (41.67, 41.8, False),
        (123456, 123457, False),
        (True, 1, True),
        (None, 0, False),
        (None, "", False),
        ("2026-05-01", "2026-05-01T00:00:00", True),
        ("2026-05-01", "2026-05-01T01:00:00", False),
    ],
)
def test_values_are_equal_within_what_rounding_does(one: Any, other: Any, same: bool) -> None:
    assert (plain(one) == plain(other)) is same
