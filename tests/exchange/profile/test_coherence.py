"""A profile that contradicts itself is refused, with the place of the last word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from btccxt.errors import ConfigError
from btccxt.exchange.profile.coherence import contradictions
from btccxt.exchange.profile.profile import known_exchanges, load_profile, market_types
from btccxt.model import MarketType
from btccxt.store.config_file import load_config

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR
_NATIVE = {"native": {"type": "limit", "wire": {"type": "LIMIT"}}}


def test_the_table_contradicts_itself_nowhere() -> None:
    for name in known_exchanges():
        for market_type in market_types(name):
            assert not list(contradictions(load_profile(name, market_type))), name


@pytest.mark.parametrize(
    ("market_type", "override", "problem"),
    [
        (SPOT, {"orders": {"limit": {"refused": "no"}}}, "post_only goes with limit orders, which are not native here"),
        (SPOT, {"orders": {"ioc": {"native": {"wire": {"a": 1}}}}}, "ioc is native, but says with no order kind"),
        (SPOT, {"orders": {"limit": {"native": {"with": ["market"], "wire": {"a": 1}}}}}, "limit is an order kind"),
        (SPOT, {"orders": {"market": {"native": {"needs_reference_price": True, "wire": {"a": 1}}}}}, "has no price"),
        (SPOT, {"harmless_requests": ["POST /api/v3/order"]}, "both as one that places orders and as harmless"),
        (SPOT, {"client_id": {"max_integer": 5}}, "max_integer, but ids are of the form text"),
        (SPOT, {"client_id": {"form": "integer", "wire_prefix": "t-"}}, "a prefix makes no integer"),
        (SPOT, {"client_id": {"wire_prefix": "t-", "max_length": 2}}, "the prefix leaves no room"),
        (SPOT, {"edit_client_id": "x"}, "orders cannot be edited"),
        (SPOT, {"dead_mans_switch": {"max_timeout_ms": 5}}, "a longest time, but none is available"),
        (SPOT, {"bars": {"stream": False}}, "a closed flag, but candles are not streamed"),
        (
            SPOT,
            {"bars": {"stream": False, "closed_flag": None, "without_stream": "trades"}, "streams": {"trades": False}},
            "not streamed either",
        ),
        (SPOT, {"settle_currency": "USDT"}, "spot settles in no currency of its own"),
        (SPOT, {"streams": {"positions": True}}, "positions, but spot has none"),
        (LINEAR, {"conditional": {"fetch_order": False}}, "trigger orders are looked up by fetch_order"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused(market_type: MarketType, override: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        load_profile("binance", market_type, {"binance": override})
    assert str(caught.value).startswith("overrides for binance: binance: ")


def test_a_contradiction_in_a_file_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "btccxt.yaml"
    path.write_text(
        "profiles:\n  mine:\n    exchange: binance\n    overrides:\n      quote_currency: EUR\n"
        "      orders:\n        limit: {refused: I do not want them}\n",
        encoding="utf-8",
    )
    settings = load_config(path, "mine")
    with pytest.raises(ConfigError) as caught:
        load_profile("binance", SPOT, settings.overrides, settings.overrides_at)
    lines = str(caught.value).splitlines()
    assert len(lines) > 1  # every feature that goes with limit orders
    assert all("btccxt.yaml:7: " in line for line in lines)
