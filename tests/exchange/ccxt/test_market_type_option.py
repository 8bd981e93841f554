"""What is asked without a symbol is asked of the store's own market type, not of ccxt's default one."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from btccxt.exchange.ccxt.ccxt_instance import make_http_session, make_instance
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType
from btccxt.resilience.clock import ExchangeClock, WallTime
from tests.sim_keys import SIM_KEYS

SPOT, LINEAR = MarketType.SPOT, MarketType.LINEAR


@pytest.mark.parametrize(
    ("exchange", "kind", "method", "path", "query"),
    [
        ("bybit", SPOT, "fetch_open_orders", "/v5/order/realtime", {"category": "spot"}),
        ("bybit", LINEAR, "fetch_open_orders", "/v5/order/realtime", {"category": "linear", "settleCoin": "USDT"}),
        ("bybit", SPOT, "fetch_my_trades", "/v5/execution/list", {"category": "spot"}),
        ("okx", SPOT, "fetch_closed_orders", "/api/v5/trade/orders-history", {"instType": "SPOT"}),
        ("okx", LINEAR, "fetch_closed_orders", "/api/v5/trade/orders-history", {"instType": "SWAP"}),
        ("binance", SPOT, "fetch_balance", "/api/v3/account", {}),
        ("binance", LINEAR, "fetch_balance", "/fapi/v3/account", {}),
        ("binance", LINEAR, "fetch_open_orders", "/fapi/v1/openOrders", {}),
    ],
)
async def test_questions_without_a_symbol(
    exchange: str, kind: MarketType, method: str, path: str, query: dict[str, str]
) -> None:
    wire = make_http_session(None, {"verify": False})
    client = make_instance(load_profile(exchange, kind), SIM_KEYS, wire, ExchangeClock(WallTime()), testnet=False)
    asked: list[str] = []

    class Enough(Exception):
        pass

    async def fetch(url: str, *_: Any, **__: Any) -> Any:
        asked.append(url)
        raise Enough

    client.set_markets([])
    client.fetch = fetch
    try:
        with pytest.raises(Enough):
            await getattr(client, method)()
    finally:
        await client.close()
        await wire.close()
    assert urlsplit(asked[0]).path == path
    sent = parse_qs(urlsplit(asked[0]).query)
    assert {name: sent[name][0] for name in query} == query
