"""What responses cost, by list prices."""

from datetime import UTC, datetime

import pytest
import time_machine

from telemetry import prices
from telemetry.prices import cost_usd

AT = int(datetime(2026, 9, 14, tzinfo=UTC).timestamp() * 1000)
BEFORE_IT_CHANGED = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)
MILLION = 1_000_000


@pytest.mark.parametrize(
    ("tokens", "dollars"),
    [
        ((10_000, 0, 0, 0, 0, 0), 0.03),
        ((0, 10_000, 0, 0, 0, 0), 0.15),
        ((0, 0, 10_000, 10_000, 0, 0), 0.0375),
        ((0, 0, 10_000, 0, 0, 0), 0.0375),
        ((0, 0, 10_000, 0, 10_000, 0), 0.06),
        ((0, 0, 10_000, 5_000, 5_000, 0), 0.04875),
        ((0, 0, 0, 0, 0, 10_000), 0.003),
        ((0, 0, 0, 0, 0, 0), 0),
    ],
)
def test_each_kind_of_token_has_its_price(
    tokens: tuple[int, int, int, int, int, int], dollars: float
) -> None:
    assert cost_usd("claude-sonnet-4-5-20250929", AT, tokens) == pytest.approx(dollars)


@pytest.mark.parametrize("model", [None, "", "a-model-of-our-own", "gpt", "x" * 5_000, "\ufffd"])
def test_an_unknown_model_has_no_price(model: str | None) -> None:
    assert cost_usd(model, AT, (MILLION, 0, 0, 0, 0, 0)) is None


@pytest.mark.parametrize(
    "name",
    [
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "claude-sonnet-4-5@20250929",
        "claude-sonnet-4-5",
    ],
)
def test_a_clouds_name_for_a_model_is_the_models(name: str) -> None:
    tokens = (10_000, 10_000, 0, 0, 0, 0)

    assert cost_usd(name, AT, tokens) == cost_usd("claude-sonnet-4-5-20250929", AT, tokens)


def test_a_response_without_a_time_has_a_price() -> None:
    assert cost_usd("claude-sonnet-4-5-20250929", None, (10_000, 0, 0, 0, 0, 0)) is not None


def test_a_response_without_a_time_costs_the_newest_price_whatever_the_clock() -> None:
    model, many = "claude-opus-4-6", (300_000, 10_000, 0, 0, 0, 0)
    newest = cost_usd(model, AT, many)
    assert newest != cost_usd(model, BEFORE_IT_CHANGED, many)

    for tokens in (many, (10, 10, 0, 0, 0, 0)):
        prices._rates.cache_clear()
        with time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC)):
            assert cost_usd(model, None, tokens) == cost_usd(model, AT, tokens)


def test_a_split_larger_than_the_whole_costs_no_more_than_the_whole() -> None:
    whole = cost_usd("claude-sonnet-4-5-20250929", AT, (0, 0, 10, 0, 10, 0))

    assert cost_usd("claude-sonnet-4-5-20250929", AT, (0, 0, 10, 0, 99_999, 0)) == whole


@pytest.mark.parametrize("at", [-62_135_596_800_000, 0, 253_402_300_799_999])
def test_any_time_has_a_price_or_none(at: int) -> None:
    cost = cost_usd("claude-opus-4-6", at, (1, 1, 1, 1, 1, 1))

    assert cost is None or cost > 0
