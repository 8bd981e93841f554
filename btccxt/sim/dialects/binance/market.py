"""Binance spot's public endpoints: one function each, and the table that lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from btccxt.model import Bar, Market, Trade
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.binance import format as fmt
from btccxt.sim.dialects.binance.errors import error
from btccxt.sim.dialects.binance.protocol import BinanceProtocol, Call

if TYPE_CHECKING:
    from btccxt.sim.mirror import BookMirror

_FAR_MS = 1 << 53
NO_QUOTE = ("0.00000000", "0.00000000")


def ping(dialect: BinanceProtocol, call: Call) -> Any:
    return {}


def server_time(dialect: BinanceProtocol, call: Call) -> Any:
    return {"serverTime": dialect.venue.server_time_ms()}


def exchange_info(dialect: BinanceProtocol, call: Call) -> Any:
    wanted = _symbols(dialect, call)
    return {
        "timezone": "UTC",
        "serverTime": dialect.venue.server_time_ms(),
        "rateLimits": dialect.rate_limits(),
        "exchangeFilters": [],
        "symbols": [fmt.exchange_symbol(own_id, market) for own_id, market in wanted],
    }


def klines(dialect: BinanceProtocol, call: Call) -> Any:
    interval = call.required("interval")
    if interval not in fmt.INTERVALS:
        raise error(-1120, "Invalid interval.")
    return [fmt.kline_row(bar, interval) for bar in bars_asked_for(dialect, call, interval, 500, 1000)]


def bars_asked_for(dialect: BinanceProtocol, call: Call, interval: str, default: int, most: int) -> list[Bar]:
    """``startTime``: the first ``limit`` bars from there; without: the last ``limit`` up to ``endTime`` or now."""
    _, market = dialect.market_of(call)
    limit = call.limit(default, most)
    since, until = call.integer("startTime"), call.integer("endTime")
    end = call.now_ms if until is None else min(until, call.now_ms)
    if since is None:
        return dialect.venue.last_bars(market.symbol, interval, end, limit)
    return dialect.venue.history(market.symbol, interval, since, end, limit) if since <= end else []


def trades(dialect: BinanceProtocol, call: Call) -> Any:
    _, market = dialect.market_of(call)
    return [fmt.public_trade(trade) for trade in dialect.venue.last_trades(market.symbol, call.limit(500, 1000))]


def historical_trades(dialect: BinanceProtocol, call: Call) -> Any:
    _, market = dialect.market_of(call)
    limit, first_id = call.limit(500, 1000), call.integer("fromId")
    if first_id is None:
        return [fmt.public_trade(trade) for trade in dialect.venue.last_trades(market.symbol, limit)]
    return [fmt.public_trade(trade) for trade in _from_id(dialect, market, first_id, limit)]


def aggregate_trades(dialect: BinanceProtocol, call: Call) -> Any:
    _, market = dialect.market_of(call)
    limit, first_id = call.limit(500, 1000), call.integer("fromId")
    since, until = call.integer("startTime"), call.integer("endTime")
    if first_id is not None:
        found = _from_id(dialect, market, first_id, limit)
    elif since is None and until is None:
        found = dialect.venue.last_trades(market.symbol, limit)
    else:
        end = call.now_ms if until is None else min(until, call.now_ms)
        start = max(0, end - 3_600_000) if since is None else since
        found = dialect.venue.trades(market.symbol, start, end, limit)
    return [fmt.aggregate_trade(trade) for trade in found]


def _from_id(dialect: BinanceProtocol, market: Market, first_id: int, limit: int) -> list[Trade]:
    known = dialect.venue.last_trades(market.symbol, _FAR_MS)
    return [trade for trade in known if trade.trade_id.isdecimal() and int(trade.trade_id) >= first_id][:limit]


def depth(dialect: BinanceProtocol, call: Call) -> Any:
    _, market = dialect.market_of(call)
    limit = call.limit(100, 5000)
    mirror = dialect.venue.mirror(market.symbol)
    mirror.refresh()
    return {
        "lastUpdateId": mirror.update_id,
        "bids": fmt.levels(mirror.bids[:limit]),
        "asks": fmt.levels(mirror.asks[:limit]),
    }


def best_quotes(mirror: BookMirror) -> tuple[tuple[str, str], tuple[str, str]]:
    """Best bid and ask as text, price and amount."""
    bid, ask = mirror.best_bid, mirror.best_ask
    return (
        NO_QUOTE if bid is None else (fmt.text(bid[0]), fmt.text(bid[1])),
        NO_QUOTE if ask is None else (fmt.text(ask[0]), fmt.text(ask[1])),
    )


def average_price(dialect: BinanceProtocol, call: Call) -> Any:
    _, market = dialect.market_of(call)
    bars = dialect.venue.last_bars(market.symbol, "1m", call.now_ms, 5)
    volume = sum(bar.volume for bar in bars)
    value = sum(bar.volume * (bar.high + bar.low + bar.close) / 3 for bar in bars)
    price = value / volume if volume else (bars[-1].close if bars else 0.0)
    return {"mins": 5, "price": fmt.text(price), "closeTime": call.now_ms}


def day_tickers(dialect: BinanceProtocol, call: Call) -> Any:
    def one(own_id: str, market: Market) -> Any:
        mirror = dialect.venue.mirror(market.symbol)
        mirror.refresh()
        bid, ask = best_quotes(mirror)
        day = dialect.venue.day_bar(market.symbol) or Bar(call.now_ms, 0.0, 0.0, 0.0, 0.0, 0.0)
        return fmt.day_ticker(own_id, day, call.now_ms, bid, ask)

    return _each(dialect, call, one)


def book_tickers(dialect: BinanceProtocol, call: Call) -> Any:
    def one(own_id: str, market: Market) -> Any:
        mirror = dialect.venue.mirror(market.symbol)
        mirror.refresh()
        return fmt.book_ticker(own_id, *best_quotes(mirror))

    return _each(dialect, call, one)


def price_tickers(dialect: BinanceProtocol, call: Call) -> Any:
    def one(own_id: str, market: Market) -> Any:
        return {"symbol": own_id, "price": fmt.text(dialect.venue.engine.last(market.symbol))}

    return _each(dialect, call, one)


def _symbols(dialect: BinanceProtocol, call: Call) -> list[tuple[str, Market]]:
    """``symbol``, ``symbols=["A","B"]``, or all."""
    if call.params.get("symbol"):
        return [dialect.market_of(call)]
    listed = call.optional("symbols")
    if listed is None:
        return list(dialect.markets.items())
    names = [name.strip().strip('"') for name in listed.strip("[]").split(",")]
    if any(name not in dialect.markets for name in names):
        raise error(-1121, "Invalid symbol.")
    return [(name, dialect.markets[name]) for name in names]


def _each(dialect: BinanceProtocol, call: Call, one: Callable[[str, Market], Any]) -> Any:
    """One symbol asked for: an object. Several or all: a list."""
    answers = [one(own_id, market) for own_id, market in _symbols(dialect, call)]
    return answers[0] if call.params.get("symbol") else answers


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_KLINES = Route(klines, 2, accepts=_names("symbol interval startTime endTime timeZone limit"))
_TICKER = _names("symbol symbols type symbolStatus")

MARKET_ROUTES: Mapping[str, Route] = {
    "GET /api/v3/ping": Route(ping, accepts=frozenset()),
    "GET /api/v3/time": Route(server_time, accepts=frozenset()),
    "GET /api/v3/exchangeInfo": Route(
        exchange_info, 20, accepts=_names("symbol symbols permissions showPermissionSets symbolStatus")
    ),
    "GET /api/v3/klines": _KLINES,
    "GET /api/v3/uiKlines": _KLINES,
    "GET /api/v3/trades": Route(trades, 25, accepts=_names("symbol limit")),
    "GET /api/v3/historicalTrades": Route(historical_trades, 25, accepts=_names("symbol limit fromId")),
    "GET /api/v3/aggTrades": Route(aggregate_trades, 4, accepts=_names("symbol fromId startTime endTime limit")),
    "GET /api/v3/depth": Route(depth, 5, accepts=_names("symbol limit symbolStatus")),
    "GET /api/v3/avgPrice": Route(average_price, 2, accepts=_names("symbol")),
    "GET /api/v3/ticker/24hr": Route(day_tickers, 2, accepts=_TICKER),
    "GET /api/v3/ticker/bookTicker": Route(book_tickers, 2, accepts=_TICKER),
    "GET /api/v3/ticker/price": Route(price_tickers, 2, accepts=_TICKER),
}

# Calls of the WebSocket API, each with the REST endpoint that does the same.
MARKET_CALLS: Mapping[str, str] = {
    "ping": "GET /api/v3/ping",
    "time": "GET /api/v3/time",
    "exchangeInfo": "GET /api/v3/exchangeInfo",
    "klines": "GET /api/v3/klines",
    "uiKlines": "GET /api/v3/uiKlines",
    "trades.recent": "GET /api/v3/trades",
    "trades.historical": "GET /api/v3/historicalTrades",
    "trades.aggregate": "GET /api/v3/aggTrades",
    "depth": "GET /api/v3/depth",
    "avgPrice": "GET /api/v3/avgPrice",
    "ticker.24hr": "GET /api/v3/ticker/24hr",
    "ticker.book": "GET /api/v3/ticker/bookTicker",
    "ticker.price": "GET /api/v3/ticker/price",
}
