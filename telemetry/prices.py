"""What a response cost, in USD, by the list prices of the genai-prices package.

The package is data: it knows price changes by date and dearer tiers for long inputs. A model it
does not know costs None, never 0.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

Tokens = tuple[int, int, int, int, int, int]
"""input, output, cache creation, of it 5-minute and 1-hour, cache read."""

_CLOUD_NAME = re.compile(r"^(?:[a-z-]+\.)?anthropic\.|-v\d+(?::\d+)?$|@.*$|\[1m\]$")
_MILLION = 1_000_000
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""When the newest price holds: what a response without a time is priced by, whatever the clock."""


class _Rates(NamedTuple):
    """USD per token, and the input length from which the dearer tier holds (None: no tiers)."""

    input: float
    output: float
    write_5m: float
    write_1h: float
    read: float
    tier_from: int | None


def cost_usd(model: str | None, at: int | None, tokens: Tokens) -> float | None:
    """The price of one response; `at` in ms decides between prices that changed with time;
    without it the newest holds."""
    if not model:
        return None
    day = (at or 0) // 86_400_000
    rates = _rates(model, day if at is not None else None)
    if rates is None:
        return None
    given, output, written, _, written_1h, read = tokens
    if rates.tier_from is not None and given + written + read > rates.tier_from:
        return _tiered(model, at, tokens)
    written_1h = min(written_1h, written)
    return (
        given * rates.input
        + output * rates.output
        + (written - written_1h) * rates.write_5m
        + written_1h * rates.write_1h
        + read * rates.read
    )


def load() -> None:
    """Read the prices now, which takes a moment, and not with the first response."""
    from genai_prices.data_snapshot import get_snapshot

    get_snapshot()


@lru_cache(maxsize=4096)
def _rates(model: str, day: int | None) -> _Rates | None:
    from genai_prices.types import TieredPrices  # slow to import, and not needed to serve a page

    found = _find(model)
    if found is None:
        return None
    price = found.get_prices(_moment(None if day is None else day * 86_400_000))
    tier_from: int | None = None
    numbers = []
    for name in (
        "input_mtok",
        "output_mtok",
        "cache_write_mtok",
        "cache_write_1h_mtok",
        "cache_read_mtok",
    ):
        value = getattr(price, name, None)
        if isinstance(value, TieredPrices):
            start = min(tier.start for tier in value.tiers)
            tier_from = start if tier_from is None else min(tier_from, start)
            value = value.base
        numbers.append(None if value is None else float(value) / _MILLION)
    given, output, write_5m, write_1h, read = numbers
    if given is None or output is None:
        return None
    write_5m = given if write_5m is None else write_5m
    write_1h = write_5m if write_1h is None else write_1h
    return _Rates(given, output, write_5m, write_1h, given if read is None else read, tier_from)


def _tiered(model: str, at: int | None, tokens: Tokens) -> float | None:
    from genai_prices import Usage

    found = _find(model)
    if found is None:
        return None
    given, output, written, _, written_1h, read = tokens
    usage = Usage(
        input_tokens=given + written + read,
        output_tokens=output,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(written_1h, written),
        cache_read_tokens=read,
    )
    from genai_prices.data_snapshot import get_snapshot

    priced = get_snapshot().calc(usage, found.id, "anthropic", None, _moment(at))
    return float(priced.total_price)


@lru_cache(maxsize=1024)
def _find(model: str):  # type: ignore[no-untyped-def]  # ModelInfo, imported lazily
    from genai_prices.data_snapshot import get_snapshot

    for name in (model, _CLOUD_NAME.sub("", model)):
        try:
            return get_snapshot().find_provider_model(name, None, "anthropic", None)[1]
        except LookupError:
            continue
    return None


def _moment(at: int | None) -> datetime:
    return _LATEST if at is None else datetime.fromtimestamp(at / 1000, UTC)
