"""Kraken's public REST endpoints: one function each, and the table that lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btccxt.model import Bar
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.kraken import format as fmt
from btccxt.sim.dialects.kraken.call import Call
from btccxt.sim.dialects.kraken.core import KrakenCore
from btccxt.sim.dialects.kraken.errors import invalid

INTERVALS = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 240: "4h", 1440: "1d", 10080: "1w"}
_OHLC_ROWS = 720  # and not one more: ``since`` cannot reach further back
_TRADE_ROWS = 1000
_NS = 1_000_000


def server_time(dialect: KrakenCore, call: Call) -> Any:
    now_ms = dialect.venue.server_time_ms()
    return {"unixtime": now_ms // 1000, "rfc1123": ""}


def system_status(dialect: KrakenCore, call: Call) -> Any:
    return {"status": "online", "timestamp": fmt.iso(call.now_ms)}


def assets(dialect: KrakenCore, call: Call) -> Any:
    coins = {coin for market in dialect.markets.values() for coin in (market.base, market.quote)}
    return {fmt.asset_id(coin): fmt.asset(coin) for coin in sorted(coins)}


def asset_pairs(dialect: KrakenCore, call: Call) -> Any:
    wanted = call.text("pair")
    chosen = dialect.markets if wanted is None else dict(dialect.market_of(name) for name in wanted.split(","))
    return {own_id: fmt.asset_pair(market) for own_id, market in chosen.items()}


def ticker(dialect: KrakenCore, call: Call) -> Any:
    wanted = call.text("pair")
    chosen = dialect.markets if wanted is None else dict(dialect.market_of(name) for name in wanted.split(","))
    answer = {}
    for own_id, market in chosen.items():
        mirror = dialect.venue.mirror(market.symbol)
        mirror.refresh()
        day = dialect.venue.day_bar(market.symbol) or Bar(call.now_ms, 0.0, 0.0, 0.0, 0.0, 0.0)
        answer[own_id] = fmt.ticker(market, day, mirror.best_bid, mirror.best_ask)
    return answer


def ohlc(dialect: KrakenCore, call: Call) -> Any:
    """The last 720 at most, whatever ``since`` asks for; the forming bar included."""
    own_id, market = dialect.market_of(call.required("pair"))
    interval = call.integer("interval") or 1
    if interval not in INTERVALS:
        raise invalid("interval")
    since_s = call.integer("since") or 0
    bars = dialect.venue.last_bars(market.symbol, INTERVALS[interval], call.now_ms, _OHLC_ROWS)
    rows = [fmt.ohlc_row(market, bar) for bar in bars if bar.open_ms > since_s * 1000]
    return {own_id: rows, "last": bars[-2].open_ms // 1000 if len(bars) > 1 else 0}


def trades(dialect: KrakenCore, call: Call) -> Any:
    """``since`` in seconds or nanoseconds (as ``last`` gives it): the first ``count`` trades after it."""
    own_id, market = dialect.market_of(call.required("pair"))
    count = min(call.integer("count") or _TRADE_ROWS, _TRADE_ROWS)
    since = call.decimal("since")
    if since is None:
        found = dialect.venue.last_trades(market.symbol, count)
    else:
        since_ms = int(since * 1000 if since < 10**12 else since / _NS)
        found = dialect.venue.trades(market.symbol, since_ms, call.now_ms, count)
    last_ms = found[-1].time_ms if found else call.now_ms
    return {own_id: [fmt.public_trade(market, trade) for trade in found], "last": str(last_ms * _NS)}


def depth(dialect: KrakenCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call.required("pair"))
    count = min(call.integer("count") or 100, 500)
    mirror = dialect.venue.mirror(market.symbol)
    mirror.refresh()
    sides = (("asks", mirror.asks), ("bids", mirror.bids))
    return {own_id: {name: fmt.depth(market, levels[:count], call.now_ms) for name, levels in sides}}


MARKET_ROUTES: Mapping[str, Route] = {
    "GET /0/public/Time": Route(server_time),
    "GET /0/public/SystemStatus": Route(system_status),
    "GET /0/public/Assets": Route(assets),
    "GET /0/public/AssetPairs": Route(asset_pairs),
    "GET /0/public/Ticker": Route(ticker),
    "GET /0/public/OHLC": Route(ohlc),
    "GET /0/public/Trades": Route(trades),
    "GET /0/public/Depth": Route(depth),
}
