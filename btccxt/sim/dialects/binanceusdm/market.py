"""Binance USD-M's public endpoints and market streams: spot's, where both are alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from btccxt.model import Market
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.binance import format as spot
from btccxt.sim.dialects.binance import market as shared
from btccxt.sim.dialects.binance.errors import error
from btccxt.sim.dialects.binance.protocol import BinanceProtocol, Call
from btccxt.sim.dialects.binance.streams import MarketStreams
from btccxt.sim.dialects.binanceusdm import format as fmt
from btccxt.sim.dialects.binanceusdm.core import BinanceUsdMCore

FUNDING_EVERY_MS = 8 * 3_600_000
_MARK_PRICE = re.compile(r"([a-z0-9]+)@markPrice(@1s)?")
_SPOTS_OWN = frozenset({"prevClosePrice", "bidPrice", "bidQty", "askPrice", "askQty"})


def next_funding_ms(now_ms: int) -> int:
    return now_ms // FUNDING_EVERY_MS * FUNDING_EVERY_MS + FUNDING_EVERY_MS


def exchange_info(dialect: BinanceProtocol, call: Call) -> Any:
    coins = {market.settle for market in dialect.markets.values()}
    return {
        "timezone": "UTC",
        "serverTime": dialect.venue.server_time_ms(),
        "futuresType": "U_MARGINED",
        "rateLimits": dialect.rate_limits(),
        "exchangeFilters": [],
        "assets": [
            {"asset": coin, "marginAvailable": True, "autoAssetExchange": "0"} for coin in sorted(filter(None, coins))
        ],
        "symbols": [fmt.contract(own_id, market) for own_id, market in dialect.markets.items()],
    }


def klines(dialect: BinanceProtocol, call: Call) -> Any:
    interval = call.required("interval")
    if interval not in spot.INTERVALS:
        raise error(-1120, "Invalid interval.")
    return [spot.kline_row(bar, interval) for bar in shared.bars_asked_for(dialect, call, interval, 500, 1500)]


def trades(dialect: BinanceProtocol, call: Call) -> Any:
    _, market = dialect.market_of(call)
    return [fmt.market_trade(trade) for trade in dialect.venue.last_trades(market.symbol, call.limit(500, 1000))]


def aggregate_trades(dialect: BinanceProtocol, call: Call) -> Any:
    rows = shared.aggregate_trades(dialect, call)
    return [{name: value for name, value in row.items() if name != "M"} for row in rows]


def depth(dialect: BinanceProtocol, call: Call) -> Any:
    if call.optional("limit") is None:
        call.params = {**call.params, "limit": "500"}
    return {**shared.depth(dialect, call), "E": call.now_ms, "T": call.now_ms}


def day_tickers(dialect: BinanceProtocol, call: Call) -> Any:
    answer = shared.day_tickers(dialect, call)
    return [_without_quotes(row) for row in answer] if isinstance(answer, list) else _without_quotes(answer)


def _without_quotes(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _SPOTS_OWN}


def book_tickers(dialect: BinanceProtocol, call: Call) -> Any:
    answer = shared.book_tickers(dialect, call)
    for row in answer if isinstance(answer, list) else [answer]:
        row |= {"time": call.now_ms}
    return answer


def premium_index(dialect: BinanceUsdMCore, call: Call) -> Any:
    wanted = [dialect.market_of(call)] if call.optional("symbol") else list(dialect.markets.items())
    rows = [_mark(dialect, own_id, market, call.now_ms) for own_id, market in wanted]
    return rows[0] if call.optional("symbol") else rows


def _mark(dialect: BinanceUsdMCore, own_id: str, market: Market, now_ms: int) -> dict[str, Any]:
    mark = dialect.venue.engine.mark(market.symbol)
    return fmt.mark_price(
        own_id, mark, dialect.venue.engine.funding_rate(market.symbol), next_funding_ms(now_ms), now_ms
    )


def funding_rates(dialect: BinanceUsdMCore, call: Call) -> Any:
    """What has been charged so far, oldest first."""
    symbol = dialect.market_of(call)[1].symbol if call.optional("symbol") else None
    since, until = call.integer("startTime") or 0, call.integer("endTime") or call.now_ms
    found = [
        {
            "symbol": dialect.ids[funding.symbol],
            "fundingRate": spot.text(funding.rate),
            "fundingTime": funding.time_ms,
            "markPrice": spot.text(funding.mark),
        }
        for funding in dialect.venue.engine.funding_history(symbol)
        if funding.symbol in dialect.ids and since <= funding.time_ms <= until
    ]
    return found[-call.limit(100, 1000) :]


def funding_info(dialect: BinanceProtocol, call: Call) -> Any:
    return [
        {
            "symbol": own_id,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": 8,
            "disclaimer": False,
        }
        for own_id in dialect.markets
    ]


class ContractStreams(MarketStreams):
    """Spot's streams with the futures' own fields."""

    _told_until: dict[str, int]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._told_until = {}  # by stream: the last update id that it carried

    def _tick_tickers(self, now_ms: int) -> None:
        super()._tick_tickers(now_ms)
        for name in {topic.removeprefix("/") for topic in self._hub.topics}:
            stream = _MARK_PRICE.fullmatch(name)
            symbol = self._symbols.get(stream[1]) if stream else None
            if symbol is not None:
                self._publish(name, self._mark_price(symbol, now_ms))
            elif name.startswith("!markPrice@arr"):
                self._publish(name, [self._mark_price(symbol, now_ms) for symbol in self._ids])

    def _mark_price(self, symbol: str, now_ms: int) -> dict[str, Any]:
        """Marked at the last price; the rate of the next funding is not known before it is charged."""
        mark = spot.text(self._venue.engine.mark(symbol))
        event = {"e": "markPriceUpdate", "E": now_ms, "s": self._ids[symbol], "p": mark, "i": mark, "P": mark}
        return {**event, "r": spot.NOTHING, "T": next_funding_ms(now_ms)}

    def _publish(self, name: str, event: Any) -> None:
        if isinstance(event, dict):
            event = self._of_a_contract(name, event)
        super()._publish(name, event)

    def _of_a_contract(self, name: str, event: dict[str, Any]) -> dict[str, Any]:
        now_ms = self._venue.now_ms()
        kind = event.get("e")
        if kind in ("trade", "aggTrade"):
            return {key: value for key, value in event.items() if key != "M"} | (
                {"X": "MARKET"} if kind == "trade" else {}
            )
        if kind == "depthUpdate":
            before, self._told_until[name] = self._told_until.get(name, event["U"] - 1), event["u"]
            return {**event, "T": now_ms, "pu": before}
        if kind is None and "u" in event:
            return {"e": "bookTicker", "E": now_ms, "T": now_ms, **event}
        if kind is None and "lastUpdateId" in event:  # a partial book
            lower = name.partition("@")[0]
            last_id = event["lastUpdateId"]
            before, self._told_until[name] = self._told_until.get(name, last_id - 1), last_id
            ids = {"U": before + 1, "u": last_id, "pu": before}
            symbol = self._ids[self._symbols[lower]]
            head = {"e": "depthUpdate", "E": now_ms, "T": now_ms, "s": symbol, **ids}
            return {**head, "b": event["bids"], "a": event["asks"]}
        return event


MARKET_ROUTES: Mapping[str, Route] = {
    "GET /fapi/v1/ping": Route(shared.ping),
    "GET /fapi/v1/time": Route(shared.server_time),
    "GET /fapi/v1/exchangeInfo": Route(exchange_info),
    "GET /fapi/v1/klines": Route(klines, 5),
    "GET /fapi/v1/trades": Route(trades, 5),
    "GET /fapi/v1/aggTrades": Route(aggregate_trades, 20),
    "GET /fapi/v1/depth": Route(depth, 10),
    "GET /fapi/v1/ticker/24hr": Route(day_tickers),
    "GET /fapi/v1/ticker/bookTicker": Route(book_tickers, 2),
    "GET /fapi/v1/ticker/price": Route(shared.price_tickers),
    "GET /fapi/v2/ticker/price": Route(shared.price_tickers),
    "GET /fapi/v1/premiumIndex": Route(premium_index),
    "GET /fapi/v1/fundingRate": Route(funding_rates),
    "GET /fapi/v1/fundingInfo": Route(funding_info),
}
