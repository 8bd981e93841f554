"""Binance spot's JSON for market data, as pure functions: records in, dicts out. Orders: ``order_format``.

Shapes: binance-spot-api-docs, rest-api.md and web-socket-streams.md.
Numbers are strings with eight decimals, times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from btccxt.model import Bar, Market, Side, Trade
from btccxt.timeframe import parse_timeframe

INTERVALS = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
NOTHING = "0.00000000"


def text(number: Decimal | float | None) -> str:
    """``0.1`` -> ``'0.10000000'``."""
    return f"{number:.8f}" if number else NOTHING


# ------------------------------------------------------------------ markets


def exchange_symbol(own_id: str, market: Market) -> dict[str, Any]:
    step = market.price_step or Decimal("0.00000001")
    lot = market.amount_step or Decimal("0.00000001")
    filters: list[dict[str, Any]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": text(market.min_price or step),
            "maxPrice": text(market.max_price or Decimal(1_000_000)),
            "tickSize": text(step),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": text(market.min_amount or lot),
            "maxQty": text(market.max_amount or Decimal(9_000_000)),
            "stepSize": text(lot),
        },
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": NOTHING,
            "maxQty": text(market.max_amount or Decimal(9_000_000)),
            "stepSize": NOTHING,
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2000,
            "minTrailingBelowDelta": 10,
            "maxTrailingBelowDelta": 2000,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": text(market.min_cost),
            "applyMinToMarket": True,
            "maxNotional": text(market.max_cost or Decimal(9_000_000)),
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    ]
    return {
        "symbol": own_id,
        "status": "TRADING" if market.active else "BREAK",
        "baseAsset": market.base,
        "baseAssetPrecision": 8,
        "quoteAsset": market.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(ORDER_TYPES),
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


# ------------------------------------------------------------------ candles, trades, tickers


def kline_row(bar: Bar, interval: str) -> list[Any]:
    """REST. The engine's bars carry no quote volume and no trade count: both are estimated from price and volume."""
    quote_volume = bar.volume * (bar.open + bar.high + bar.low + bar.close) / 4
    return [
        bar.open_ms,
        text(bar.open),
        text(bar.high),
        text(bar.low),
        text(bar.close),
        text(bar.volume),
        parse_timeframe(interval).next_open(bar.open_ms) - 1,
        text(quote_volume),
        1 if bar.volume else 0,
        text(bar.volume / 2),
        text(quote_volume / 2),
        "0",
    ]


def kline_event(own_id: str, interval: str, bar: Bar, closed: bool, now_ms: int) -> dict[str, Any]:
    quote_volume = bar.volume * (bar.open + bar.high + bar.low + bar.close) / 4
    traded = bar.volume > 0
    return {
        "e": "kline",
        "E": now_ms,
        "s": own_id,
        "k": {
            "t": bar.open_ms,
            "T": parse_timeframe(interval).next_open(bar.open_ms) - 1,
            "s": own_id,
            "i": interval,
            "f": bar.open_ms if traded else -1,
            "L": bar.open_ms if traded else -1,
            "o": f"{bar.open:.8f}",
            "c": f"{bar.close:.8f}",
            "h": f"{bar.high:.8f}",
            "l": f"{bar.low:.8f}",
            "v": f"{bar.volume:.8f}",
            "n": 1 if traded else 0,
            "x": closed,
            "q": f"{quote_volume:.8f}",
            "V": f"{bar.volume / 2:.8f}",
            "Q": f"{quote_volume / 2:.8f}",
            "B": "0",
        },
    }


def public_trade(trade: Trade) -> dict[str, Any]:
    return {
        "id": _number(trade.trade_id),
        "price": text(trade.price),
        "qty": text(trade.amount),
        "quoteQty": text(trade.price * trade.amount),
        "time": trade.time_ms,
        "isBuyerMaker": trade.side is Side.SELL,
        "isBestMatch": True,
    }


def aggregate_trade(trade: Trade) -> dict[str, Any]:
    """One print of the tape is one aggregate trade here."""
    number = _number(trade.trade_id)
    return {
        "a": number,
        "p": text(trade.price),
        "q": text(trade.amount),
        "f": number,
        "l": number,
        "T": trade.time_ms,
        "m": trade.side is Side.SELL,
        "M": True,
    }


def trade_event(own_id: str, trade: Trade, now_ms: int) -> dict[str, Any]:
    return {
        "e": "trade",
        "E": now_ms,
        "s": own_id,
        "t": _number(trade.trade_id),
        "p": text(trade.price),
        "q": text(trade.amount),
        "T": trade.time_ms,
        "m": trade.side is Side.SELL,
        "M": True,
    }


def aggregate_trade_event(own_id: str, trade: Trade, now_ms: int) -> dict[str, Any]:
    return {"e": "aggTrade", "E": now_ms, "s": own_id, **aggregate_trade(trade)}


def _number(trade_id: str) -> int:
    return int(trade_id) if trade_id.isdecimal() else 0


def levels(side: Iterable[tuple[Decimal, Decimal]]) -> list[list[str]]:
    return [[text(price), text(amount)] for price, amount in side]


def book_ticker(own_id: str, bid: Sequence[str], ask: Sequence[str]) -> dict[str, Any]:
    """REST. ``bid`` and ``ask``: price and amount as text."""
    return {"symbol": own_id, "bidPrice": bid[0], "bidQty": bid[1], "askPrice": ask[0], "askQty": ask[1]}


def book_ticker_event(own_id: str, update_id: int, bid: Sequence[str], ask: Sequence[str]) -> dict[str, Any]:
    return {"u": update_id, "s": own_id, "b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]}


def day_ticker(own_id: str, day: Bar, now_ms: int, bid: Sequence[str], ask: Sequence[str]) -> dict[str, Any]:
    """REST, 24 h. ``day``: the last 24 hours as one bar."""
    change = day.close - day.open
    average = (day.open + day.high + day.low + day.close) / 4
    return {
        "symbol": own_id,
        "priceChange": text(change),
        "priceChangePercent": f"{change / day.open * 100 if day.open else 0:.3f}",
        "weightedAvgPrice": text(average),
        "prevClosePrice": text(day.open),
        "lastPrice": text(day.close),
        "lastQty": NOTHING,
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask[0],
        "askQty": ask[1],
        "openPrice": text(day.open),
        "highPrice": text(day.high),
        "lowPrice": text(day.low),
        "volume": text(day.volume),
        "quoteVolume": text(day.volume * average),
        "openTime": day.open_ms,
        "closeTime": now_ms,
        "firstId": 0,
        "lastId": 0,
        "count": 1 if day.volume else 0,
    }


def day_ticker_event(own_id: str, day: Bar, now_ms: int, bid: Sequence[str], ask: Sequence[str]) -> dict[str, Any]:
    rest = day_ticker(own_id, day, now_ms, bid, ask)
    names = {
        "p": "priceChange",
        "P": "priceChangePercent",
        "w": "weightedAvgPrice",
        "x": "prevClosePrice",
        "c": "lastPrice",
        "Q": "lastQty",
        "b": "bidPrice",
        "B": "bidQty",
        "a": "askPrice",
        "A": "askQty",
        "o": "openPrice",
        "h": "highPrice",
        "l": "lowPrice",
        "v": "volume",
        "q": "quoteVolume",
        "O": "openTime",
        "C": "closeTime",
        "F": "firstId",
        "L": "lastId",
        "n": "count",
    }
    return {"e": "24hrTicker", "E": now_ms, "s": own_id, **{short: rest[long] for short, long in names.items()}}


def mini_ticker_event(own_id: str, day: Bar, now_ms: int) -> dict[str, Any]:
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": own_id,
        "c": text(day.close),
        "o": text(day.open),
        "h": text(day.high),
        "l": text(day.low),
        "v": text(day.volume),
        "q": text(day.volume * (day.open + day.high + day.low + day.close) / 4),
    }
