"""What responses cost, by list prices."""

from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ConditionalPrice, ModelInfo, StartDateConstraint, TieredPrices

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


def anthropic_models() -> list[ModelInfo]:
    return next(one for one in get_snapshot().providers if one.id == "anthropic").models


def moments_of(model: ModelInfo) -> list[int]:
    """A time in ms on either side of every change of its prices, and one after all of them."""
    changes = [
        price.constraint.start_date
        for price in (model.prices if isinstance(model.prices, list) else [])
        if isinstance(price, ConditionalPrice) and isinstance(price.constraint, StartDateConstraint)
    ]
    midnights = [datetime.combine(day, time(), UTC) for day in changes]
    moments = [at + step for at in midnights for step in (timedelta(), timedelta(seconds=-1))]
    return [AT, *(int(moment.timestamp()) * 1000 for moment in moments)]


def lengths_of(model: ModelInfo, at: int) -> list[int]:
    """Lengths of the input below and above every start of a dearer tier."""
    prices_then = model.get_prices(datetime.fromtimestamp(at / 1000, UTC))
    tiers = [
        tier.start
        for price in vars(prices_then).values()
        if isinstance(price, TieredPrices)
        for tier in price.tiers
    ]
    return [1_000, 5_000_000, *(start + step for start in tiers for step in (-1, 0, 1))]


def mixtures(length: int) -> list[tuple[int, int, int, int, int, int]]:
    """Inputs of this length: all of a kind, and of every kind a part."""
    part = length // 5
    return [
        (length, 700, 0, 0, 0, 0),
        (0, 0, length, length, 0, 0),
        (0, 0, length, 0, length, 0),
        (0, 0, 0, 0, 0, length),
        (length - 4 * part, 1_000_000, 2 * part, part, part, 2 * part),
        # What no part claims was written for five minutes.
        (length - 4 * part, 3, 2 * part, 0, part, 2 * part),
    ]


@pytest.mark.parametrize("model", anthropic_models(), ids=lambda model: model.id)
def test_a_cost_is_what_the_price_list_itself_calculates(model: ModelInfo) -> None:
    for at in moments_of(model):
        for tokens in (one for length in lengths_of(model, at) for one in mixtures(length)):
            given, output, written, _, written_1h, read = tokens
            usage = Usage(
                input_tokens=given + written + read,
                output_tokens=output,
                cache_write_tokens=written,
                cache_write_1h_tokens=written_1h,
                cache_read_tokens=read,
            )
            when = datetime.fromtimestamp(at / 1000, UTC)
            listed = get_snapshot().calc(usage, model.id, "anthropic", None, when)

            assert cost_usd(model.id, at, tokens) == pytest.approx(float(listed.total_price))


def test_the_price_list_holds_tiers_and_changes_to_be_held_against() -> None:
    models = anthropic_models()

    assert any(len(moments_of(model)) > 1 for model in models)
    assert any(len(lengths_of(model, at)) > 2 for model in models for at in moments_of(model))
