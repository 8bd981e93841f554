"""Bybit v5's public endpoints: one function each, and the table that lists them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from btccxt.model import Bar, Market
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.bybit import format as fmt
from btccxt.sim.dialects.bybit.call import Call
from btccxt.sim.dialects.bybit.core import BybitCore
from btccxt.sim.dialects.bybit.errors import parameter_error


def server_time(dialect: BybitCore, call: Call) -> Any:
    now_ms = dialect.venue.server_time_ms()
    return {"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)}


def instruments(dialect: BybitCore, call: Call) -> Any:
    """Options: there are none. ``status``: 'PreLaunch' lists none either."""
    category, wanted = call.required("category"), call.text("symbol")
    rows = [
        fmt.instrument(own_id, market, _max_leverage(dialect, market))
        for own_id, market in dialect.listed(category)
        if wanted in (None, own_id) and call.text("status") in (None, "Trading")
    ]
    return {"category": category, "list": rows, "nextPageCursor": ""}


def _max_leverage(dialect: BybitCore, market: Market) -> Decimal | None:
    return dialect.venue.engine.brackets(market.symbol)[0].max_leverage if market.is_contract else None


def risk_limits(dialect: BybitCore, call: Call) -> Any:
    """Brackets of leverage."""
    category, wanted = call.required("category"), call.text("symbol")
    rows = [
        fmt.risk_limit(number, own_id, bracket)
        for own_id, market in dialect.listed(category)
        if market.is_contract and wanted in (None, own_id)
        for number, bracket in enumerate(dialect.venue.engine.brackets(market.symbol), start=1)
    ]
    return {"category": category, "list": rows, "nextPageCursor": ""}


def funding_history(dialect: BybitCore, call: Call) -> Any:
    """Newest first."""
    category, own_id, market = dialect.market_of(call)
    since, until = call.integer("startTime") or 0, call.integer("endTime") or call.now_ms
    rows = [
        {"symbol": own_id, "fundingRate": fmt.text(each.rate), "fundingRateTimestamp": str(each.time_ms)}
        for each in reversed(dialect.venue.engine.funding_history(market.symbol))
        if since <= each.time_ms <= until
    ]
    return {"category": category, "list": rows[: call.limit(200, 200)]}


def klines(dialect: BybitCore, call: Call) -> Any:
    """With ``start`` alone the first ``limit`` candles from there, else the last ones up to ``end``; newest first."""
    category, own_id, market = dialect.market_of(call)
    timeframe = fmt.INTERVALS.get(call.required("interval"))
    if timeframe is None:
        raise parameter_error("Invalid period!")
    limit, start, end = call.limit(200, 1000), call.integer("start"), call.integer("end")
    until = call.now_ms if end is None else min(end, call.now_ms)
    if start is None:
        bars = dialect.venue.last_bars(market.symbol, timeframe, until, limit)
    elif start > until:
        bars = []
    elif end is None:
        bars = dialect.venue.history(market.symbol, timeframe, start, until, limit)
    else:
        bars = [b for b in dialect.venue.last_bars(market.symbol, timeframe, until, limit) if b.open_ms >= start]
    return {"category": category, "symbol": own_id, "list": [fmt.kline_row(bar) for bar in reversed(bars)]}


def recent_trades(dialect: BybitCore, call: Call) -> Any:
    category, own_id, market = dialect.market_of(call)
    found = dialect.venue.last_trades(market.symbol, call.limit(60 if category == "spot" else 500, 1000))
    return {"category": category, "list": [fmt.public_trade(own_id, trade) for trade in reversed(found)]}


def order_book(dialect: BybitCore, call: Call) -> Any:
    _, own_id, market = dialect.market_of(call)
    mirror = dialect.venue.mirror(market.symbol)
    mirror.refresh()
    limit = call.limit(25, 1000)
    return {
        "s": own_id,
        "b": fmt.levels(mirror.bids[:limit]),
        "a": fmt.levels(mirror.asks[:limit]),
        "ts": call.now_ms,
        "u": mirror.update_id,
        "seq": mirror.update_id,
        "cts": call.now_ms,
    }


def tickers(dialect: BybitCore, call: Call) -> Any:
    category = call.required("category")
    if call.text("symbol") is not None:
        _, own_id, market = dialect.market_of(call)
        wanted = [(own_id, market)]
    else:
        wanted = dialect.listed(category)
    return {"category": category, "list": [ticker_row(dialect, own_id, market) for own_id, market in wanted]}


def ticker_row(dialect: BybitCore, own_id: str, market: Market) -> dict[str, Any]:
    mirror = dialect.venue.mirror(market.symbol)
    mirror.refresh()
    day = dialect.venue.day_bar(market.symbol) or Bar(dialect.venue.now_ms(), 0.0, 0.0, 0.0, 0.0, 0.0)
    rate = dialect.venue.engine.funding_rate(market.symbol)
    return fmt.ticker(own_id, market, day, mirror.best_bid, mirror.best_ask, rate)


MARKET_ROUTES: Mapping[str, Route] = {
    "GET /v5/market/time": Route(server_time),
    "GET /v5/market/instruments-info": Route(instruments),
    "GET /v5/market/kline": Route(klines),
    "GET /v5/market/recent-trade": Route(recent_trades),
    "GET /v5/market/orderbook": Route(order_book),
    "GET /v5/market/risk-limit": Route(risk_limits),
    "GET /v5/market/funding/history": Route(funding_history),
    "GET /v5/market/tickers": Route(tickers),
}
