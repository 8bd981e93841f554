"""Bars of a day begin at midnight UTC, asked for and pushed alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from btccxt.exchange.ccxt.ccxt_instance import make_http_session, make_instance
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType
from btccxt.resilience.clock import ExchangeClock, WallTime

MARKET = {"id": "BTC-USDT", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "type": "spot", "spot": True,
          "baseId": "BTC", "quoteId": "USDT"}  # fmt: skip


@pytest.mark.parametrize(
    ("timeframe", "name"), [("4h", "4H"), ("6h", "6Hutc"), ("1d", "1Dutc"), ("1w", "1Wutc"), ("1M", "1Mutc")]
)
async def test_okx_is_asked_for_utc_bars_by_rest_and_by_stream(timeframe: str, name: str) -> None:
    """ccxt says ``1Dutc`` to REST, but ``candle1D`` to the stream: a day that begins at 16:00 UTC (Hong Kong)."""
    wire = make_http_session(None, {"verify": False})
    profile = load_profile("okx", MarketType.SPOT)
    client = make_instance(profile, {}, wire, ExchangeClock(WallTime()), testnet=False, for_streams=True)
    asked: list[str] = []
    subscribed: list[Any] = []

    async def fetch(url: str, *_: Any, **__: Any) -> Any:
        asked.append(url)
        return {"code": "0", "data": []}

    async def watch(_url: str, _hash: str, message: Any, *_: Any) -> Any:
        subscribed.append(message["args"][0]["channel"])
        raise StopAsyncIteration

    client.set_markets([client.safe_market_structure(MARKET)])
    client.fetch, client.watch = fetch, watch
    try:
        await client.fetch_ohlcv("BTC/USDT", timeframe)
        with pytest.raises(StopAsyncIteration):
            await client.watch_ohlcv("BTC/USDT", timeframe)
    finally:
        await client.close()
        await wire.close()
    assert f"bar={name}&" in asked[0] + "&", json.dumps(asked)
    assert subscribed == [f"candle{name}"]
    assert client.find_timeframe(name) == timeframe
