"""OKX v5's public endpoints: one function each, and the table that lists them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from btccxt.matching.values import value_of
from btccxt.model import Bar, Market
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.okx import format as fmt
from btccxt.sim.dialects.okx.call import Call
from btccxt.sim.dialects.okx.core import OkxCore
from btccxt.sim.dialects.okx.errors import error, parameter_error
from btccxt.timeframe import parse_timeframe

_RECENT_BARS = 1440


def server_time(dialect: OkxCore, call: Call) -> Any:
    return [{"ts": str(dialect.venue.server_time_ms())}]


def status(dialect: OkxCore, call: Call) -> Any:
    """Announced maintenance: none."""
    return []


def instruments(dialect: OkxCore, call: Call) -> Any:
    wanted, own_id = call.required("instType"), call.text("instId")
    if wanted not in ("SPOT", "SWAP", "FUTURES", "OPTION", "MARGIN"):
        raise parameter_error("instType")
    return [
        fmt.instrument(found, dialect.venue.engine.markets[market.symbol], _max_leverage(dialect, market))
        for found, market in dialect.markets.items()
        if fmt.instrument_type(market) == wanted and own_id in (None, found)
    ]


def _max_leverage(dialect: OkxCore, market: Market) -> Decimal | None:
    return dialect.venue.engine.brackets(market.symbol)[0].max_leverage if market.is_contract else None


def position_tiers(dialect: OkxCore, call: Call) -> Any:
    """Brackets of leverage, counted in contracts at the price of now."""
    families = (call.text("instFamily") or call.text("uly") or "").split(",")
    engine, rows = dialect.venue.engine, []
    for market in dialect.markets.values():
        family, mark = f"{market.base}-{market.quote}", engine.last(market.symbol)
        if not market.is_contract or family not in families or not mark:
            continue
        floor = Decimal(0)
        for number, bracket in enumerate(engine.brackets(market.symbol), start=1):
            rows.append(fmt.tier(number, family, bracket, floor, value_of(market, Decimal(1), mark)))
            floor = bracket.cap
    return rows


def funding_rate(dialect: OkxCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    if not market.is_contract:
        raise parameter_error("instId")
    period_ms = 8 * 3_600_000
    next_ms = (call.now_ms // period_ms + 1) * period_ms
    row = {
        "instType": "SWAP",
        "instId": own_id,
        "method": "current_period",
        "fundingRate": fmt.text(dialect.venue.engine.funding_rate(market.symbol)),
        "fundingTime": str(next_ms),
        "nextFundingRate": "",
        "nextFundingTime": str(next_ms + period_ms),
        "ts": str(call.now_ms),
    }
    return [row]


def funding_history(dialect: OkxCore, call: Call) -> Any:
    """Newest first; ``before`` and ``after`` are times, exclusive."""
    own_id, market = dialect.market_of(call)
    before, after = call.integer("before"), call.integer("after")
    rows = [
        {
            "instType": "SWAP",
            "instId": own_id,
            "fundingRate": fmt.text(each.rate),
            "realizedRate": fmt.text(each.rate),
            "fundingTime": str(each.time_ms),
            "method": "current_period",
        }
        for each in reversed(dialect.venue.engine.funding_history(market.symbol))
        if (before is None or each.time_ms > before) and (after is None or each.time_ms < after)
    ]
    return rows[: call.limit(100, 100)]


def recent_candles(dialect: OkxCore, call: Call) -> Any:
    """The last 1,440 candles, the forming one included."""
    return _candles(dialect, call, recent=True)


def history_candles(dialect: OkxCore, call: Call) -> Any:
    return _candles(dialect, call, recent=False)


def _candles(dialect: OkxCore, call: Call, *, recent: bool) -> list[list[str]]:
    """Newest first, the latest ``limit`` of those that open after ``before`` and before ``after``, both exclusive."""
    _, market = dialect.market_of(call)
    name = call.text("bar") or "1m"
    timeframe = fmt.BARS.get(name)
    if timeframe is None:
        raise error(51000, "Parameter bar error", 400)
    limit = call.limit(100, 300)
    before, after = call.integer("before"), call.integer("after")
    until = call.now_ms if after is None else min(after - 1, call.now_ms)
    bars = dialect.venue.last_bars(market.symbol, timeframe, until, limit)
    frame = parse_timeframe(timeframe)
    forming_ms = frame.floor(call.now_ms)
    oldest_ms = forming_ms - (_RECENT_BARS - 1) * frame.length_ms if recent and frame.length_ms else 0
    return [
        fmt.candle_row(bar, market, bar.open_ms < forming_ms)
        for bar in reversed(bars)
        if (before is None or bar.open_ms > before)
        and bar.open_ms >= oldest_ms
        and (recent or bar.open_ms < forming_ms)
    ]


def trades(dialect: OkxCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    found = dialect.venue.last_trades(market.symbol, call.limit(100, 500))
    return [fmt.trade(own_id, trade) for trade in reversed(found)]


def books(dialect: OkxCore, call: Call) -> Any:
    _, market = dialect.market_of(call)
    mirror = dialect.venue.mirror(market.symbol)
    mirror.refresh()
    size = min(call.integer("sz") or 1, 400)
    asks, bids = fmt.levels(mirror.asks[:size]), fmt.levels(mirror.bids[:size])
    return [{"asks": asks, "bids": bids, "ts": str(call.now_ms)}]


def ticker(dialect: OkxCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    return [ticker_row(dialect, own_id, market)]


def tickers(dialect: OkxCore, call: Call) -> Any:
    wanted = call.required("instType")
    return [
        ticker_row(dialect, own_id, market)
        for own_id, market in dialect.markets.items()
        if fmt.instrument_type(market) == wanted
    ]


def ticker_row(dialect: OkxCore, own_id: str, market: Market) -> dict[str, Any]:
    mirror, now_ms = dialect.venue.mirror(market.symbol), dialect.venue.now_ms()
    mirror.refresh()
    day = dialect.venue.day_bar(market.symbol) or Bar(now_ms, 0.0, 0.0, 0.0, 0.0, 0.0)
    return fmt.ticker(own_id, market, day, mirror.best_bid, mirror.best_ask, now_ms)


MARKET_ROUTES: Mapping[str, Route] = {
    "GET /api/v5/public/position-tiers": Route(position_tiers),
    "GET /api/v5/public/funding-rate": Route(funding_rate),
    "GET /api/v5/public/funding-rate-history": Route(funding_history),
    "GET /api/v5/public/time": Route(server_time),
    "GET /api/v5/public/instruments": Route(instruments),
    "GET /api/v5/system/status": Route(status),
    "GET /api/v5/market/candles": Route(recent_candles),
    "GET /api/v5/market/history-candles": Route(history_candles),
    "GET /api/v5/market/trades": Route(trades),
    "GET /api/v5/market/books": Route(books),
    "GET /api/v5/market/ticker": Route(ticker),
    "GET /api/v5/market/tickers": Route(tickers),
}
