"""Coinbase Advanced's public endpoints, and the few of the older API (v2) that ccxt asks while it loads markets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.coinbase import format as fmt
from btccxt.sim.dialects.coinbase.call import Call
from btccxt.sim.dialects.coinbase.core import CoinbaseCore
from btccxt.sim.dialects.coinbase.errors import argument_error

_MOST_CANDLES = 350


def server_time(dialect: CoinbaseCore, call: Call) -> Any:
    now_ms = dialect.venue.server_time_ms()
    return {"iso": fmt.iso(now_ms), "epochSeconds": str(now_ms // 1000), "epochMillis": str(now_ms)}


def old_server_time(dialect: CoinbaseCore, call: Call) -> Any:
    now_ms = dialect.venue.server_time_ms()
    return {"data": {"iso": fmt.iso(now_ms // 1000 * 1000), "epoch": now_ms // 1000}}


def products(dialect: CoinbaseCore, call: Call) -> Any:
    if call.text("product_type") not in (None, "SPOT"):
        return {"products": [], "num_products": 0}
    rows = [_product(dialect, own_id) for own_id in dialect.markets]
    return {"products": rows, "num_products": len(rows)}


def product(dialect: CoinbaseCore, call: Call) -> Any:
    return _product(dialect, call.named)


def _product(dialect: CoinbaseCore, own_id: str) -> dict[str, Any]:
    _, market = dialect.product_of(own_id)
    return fmt.product(own_id, market, dialect.venue.day_bar(market.symbol))


def candles(dialect: CoinbaseCore, call: Call) -> Any:
    """Those that open within [start, end], newest first."""
    _, market = dialect.product_of(call.named)
    timeframe = fmt.GRANULARITIES.get(call.required("granularity"))
    if timeframe is None:
        raise argument_error("granularity is invalid")
    start, end = (int(call.required(name)) * 1000 for name in ("start", "end"))
    bars = dialect.venue.last_bars(market.symbol, timeframe, min(end, call.now_ms), _MOST_CANDLES)
    return {"candles": [fmt.candle(bar) for bar in reversed(bars) if bar.open_ms >= start]}


def ticker(dialect: CoinbaseCore, call: Call) -> Any:
    """The latest trades, newest first, and the best bid and ask."""
    own_id, market = dialect.product_of(call.named)
    mirror = dialect.venue.mirror(market.symbol)
    mirror.refresh()
    found = dialect.venue.last_trades(market.symbol, min(call.integer("limit") or 100, 1000))
    return {
        "trades": [{**fmt.trade(own_id, trade), "bid": "", "ask": ""} for trade in reversed(found)],
        "best_bid": fmt.text(mirror.best_bid[0]) if mirror.best_bid else "",
        "best_ask": fmt.text(mirror.best_ask[0]) if mirror.best_ask else "",
    }


def book(dialect: CoinbaseCore, call: Call) -> Any:
    own_id, market = dialect.product_of(call.required("product_id"))
    mirror = dialect.venue.mirror(market.symbol)
    mirror.refresh()
    limit = call.integer("limit") or 1000
    sides = {"bids": fmt.levels(mirror.bids[:limit]), "asks": fmt.levels(mirror.asks[:limit])}
    return {"pricebook": {"product_id": own_id, **sides, "time": fmt.iso(call.now_ms)}}


def fiat_currencies(dialect: CoinbaseCore, call: Call) -> Any:
    return {"data": [{"id": coin, "name": coin, "min_size": "0.01"} for coin in _coins(dialect) if coin in fmt.FIAT]}


def crypto_currencies(dialect: CoinbaseCore, call: Call) -> Any:
    coins = [coin for coin in _coins(dialect) if coin not in fmt.FIAT]
    rows = [{"asset_id": f"sim-{coin}", "code": coin, "name": coin, "exponent": 8, "type": "crypto"} for coin in coins]
    return {"data": rows}


def exchange_rates(dialect: CoinbaseCore, call: Call) -> Any:
    return {"data": {"currency": "USD", "rates": dict.fromkeys(_coins(dialect), "1")}}


def _coins(dialect: CoinbaseCore) -> list[str]:
    return sorted({coin for market in dialect.markets.values() for coin in (market.base, market.quote)})


_PUBLIC = "GET /api/v3/brokerage/market"
MARKET_ROUTES: Mapping[str, Route] = {
    "GET /api/v3/brokerage/time": Route(server_time),
    "GET /v2/time": Route(old_server_time),
    f"{_PUBLIC}/products": Route(products),
    f"{_PUBLIC}/products/*": Route(product),
    f"{_PUBLIC}/products/*/candles": Route(candles),
    f"{_PUBLIC}/products/*/ticker": Route(ticker),
    f"{_PUBLIC}/product_book": Route(book),
    "GET /v2/currencies": Route(fiat_currencies),
    "GET /v2/currencies/crypto": Route(crypto_currencies),
    "GET /v2/exchange-rates": Route(exchange_rates),
}
