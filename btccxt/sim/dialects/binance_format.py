"""Binance spot's JSON, as pure functions: engine records in, dicts out.

Shapes: developers.binance.com, binance-spot-api-docs (rest-api.md, web-socket-streams.md, user-data-stream.md).
Numbers are strings with eight decimals, times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from btccxt.model import ZERO, Balance, Bar, Market, OrderKind, Side, Trade
from btccxt.sim.records import TRIGGER_KINDS, SimFill, SimOrder, SimStatus
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
_STATUS = {
    SimStatus.NEW: "NEW",
    SimStatus.TRIGGER_WAITING: "NEW",
    SimStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    SimStatus.FILLED: "FILLED",
    SimStatus.CANCELED: "CANCELED",
    SimStatus.EXPIRED: "EXPIRED",
    SimStatus.REJECTED: "REJECTED",
}
_TYPES = {
    OrderKind.MARKET: "MARKET",
    OrderKind.LIMIT: "LIMIT",
    OrderKind.STOP: "STOP_LOSS",
    OrderKind.STOP_LIMIT: "STOP_LOSS_LIMIT",
    OrderKind.TAKE_PROFIT: "TAKE_PROFIT",
    OrderKind.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
}
_ZERO_TEXT = "0.00000000"


def text(number: Decimal | float | None) -> str:
    """``0.1`` -> ``'0.10000000'``."""
    return f"{number:.8f}" if number else _ZERO_TEXT


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
            "minQty": _ZERO_TEXT,
            "maxQty": text(market.max_amount or Decimal(9_000_000)),
            "stepSize": _ZERO_TEXT,
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
        "lastQty": _ZERO_TEXT,
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


# ------------------------------------------------------------------ orders


def order_type(order: SimOrder) -> str:
    request = order.request
    if request.kind is OrderKind.LIMIT and request.post_only:
        return "LIMIT_MAKER"
    if request.kind in _TYPES:
        return _TYPES[request.kind]
    return "STOP_LOSS" if request.price is None else "STOP_LOSS_LIMIT"  # trailing


def order_status(order: SimOrder) -> str:
    return _STATUS[order.status]


def is_working(order: SimOrder) -> bool:
    return order.triggered or order.request.kind not in TRIGGER_KINDS


def _amount(order: SimOrder) -> Decimal:
    """A market order by cost has no amount of its own: what it got is its amount."""
    return order.filled if order.request.amount is None else order.request.amount


def _common(own_id: str, order: SimOrder, list_number: int) -> dict[str, Any]:
    return {
        "symbol": own_id,
        "orderId": int(order.order_id),
        "orderListId": list_number,
        "clientOrderId": order.client_order_id,
        "price": text(order.request.price),
        "origQty": text(_amount(order)),
        "executedQty": text(order.filled),
        "origQuoteOrderQty": text(order.request.cost_quote),
        "cummulativeQuoteQty": text(order.cost_quote),
        "status": order_status(order),
        "timeInForce": order.request.time_in_force.value,
        "type": order_type(order),
        "side": order.side.name,
    }


def _conditions(order: SimOrder) -> dict[str, Any]:
    """Fields that appear only where they mean something."""
    request = order.request
    fields: dict[str, Any] = {}
    trigger = order.trigger_price or request.trigger_price
    if trigger is not None:
        fields["stopPrice"] = text(trigger)
    if request.iceberg_amount is not None:
        fields["icebergQty"] = text(request.iceberg_amount)
    if request.trailing_percent is not None:
        fields["trailingDelta"] = int(request.trailing_percent * 100)
    return fields


def order_state(own_id: str, order: SimOrder, list_number: int) -> dict[str, Any]:
    """GET order, openOrders, allOrders."""
    working = is_working(order)
    return {
        **_common(own_id, order, list_number),
        "stopPrice": _ZERO_TEXT,
        "icebergQty": _ZERO_TEXT,
        **_conditions(order),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": working,
        "workingTime": order.created_ms if working else -1,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def order_placed(
    own_id: str, order: SimOrder, list_number: int, fills: Sequence[SimFill], response_type: str
) -> dict[str, Any]:
    """POST order: ``response_type`` is ACK, RESULT or FULL."""
    common = _common(own_id, order, list_number)
    if response_type == "ACK":
        kept = ("symbol", "orderId", "orderListId", "clientOrderId")
        return {**{name: common[name] for name in kept}, "transactTime": order.created_ms}
    answer = {
        **common,
        "transactTime": order.created_ms,
        **_conditions(order),
        "workingTime": order.created_ms if is_working(order) else -1,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
    if response_type == "FULL":
        answer["fills"] = [
            {
                "price": text(fill.price),
                "qty": text(fill.amount),
                "commission": text(fill.fee.cost),
                "commissionAsset": fill.fee.currency,
                "tradeId": fill.trade_id,
            }
            for fill in fills
        ]
    return answer


def order_canceled(own_id: str, order: SimOrder, list_number: int, cancel_id: str) -> dict[str, Any]:
    """DELETE order: ``clientOrderId`` is the cancel's own id."""
    return {
        **_common(own_id, order, list_number),
        "origClientOrderId": order.client_order_id,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
        **_conditions(order),
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def my_trade(own_id: str, fill: SimFill, list_number: int) -> dict[str, Any]:
    return {
        "symbol": own_id,
        "id": fill.trade_id,
        "orderId": int(fill.order_id),
        "orderListId": list_number,
        "price": text(fill.price),
        "qty": text(fill.amount),
        "quoteQty": text(fill.price * fill.amount),
        "commission": text(fill.fee.cost),
        "commissionAsset": fill.fee.currency,
        "time": fill.time_ms,
        "isBuyer": fill.side is Side.BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def execution_report(
    own_id: str,
    order: SimOrder,
    fill: SimFill | None,
    *,
    execution: str,
    sequence: int,
    now_ms: int,
    list_number: int,
    cancel_id: str | None = None,
) -> dict[str, Any]:
    """``execution``: NEW, TRADE, CANCELED, EXPIRED. ``cancel_id``: the cancel request's own id, if there was one."""
    working = is_working(order)
    report: dict[str, Any] = {
        "e": "executionReport",
        "E": now_ms,
        "s": own_id,
        "c": order.client_order_id if cancel_id is None else cancel_id,
        "S": order.side.name,
        "o": order_type(order),
        "f": order.request.time_in_force.value,
        "q": text(_amount(order)),
        "p": text(order.request.price),
        "P": text(order.trigger_price or order.request.trigger_price),
        "F": text(order.request.iceberg_amount),
        "g": list_number,
        "C": "" if cancel_id is None else order.client_order_id,
        "x": execution,
        "X": order_status(order),
        "r": "NONE",
        "i": int(order.order_id),
        "l": _ZERO_TEXT,
        "z": text(order.filled),
        "L": _ZERO_TEXT,
        "n": "0",
        "N": None,
        "T": order.updated_ms,
        "t": -1,
        "I": sequence,
        "w": working and order.is_open,
        "m": False,
        "M": False,
        "O": order.created_ms,
        "Z": text(order.cost_quote),
        "Y": _ZERO_TEXT,
        "Q": text(order.request.cost_quote),
        "V": "EXPIRE_MAKER",
    }
    if working:
        report["W"] = order.created_ms
    if order.request.trailing_percent is not None:
        report["d"] = int(order.request.trailing_percent * 100)
    if fill is not None:
        report.update(
            l=text(fill.amount),
            L=text(fill.price),
            n=text(fill.fee.cost),
            N=fill.fee.currency,
            T=fill.time_ms,
            t=fill.trade_id,
            m=fill.maker,
            M=True,
            Y=text(fill.price * fill.amount),
        )
    return report


# ------------------------------------------------------------------ order lists, account


def list_orders(own_id: str, orders: Iterable[SimOrder]) -> list[dict[str, Any]]:
    return [
        {"symbol": own_id, "orderId": int(order.order_id), "clientOrderId": order.client_order_id} for order in orders
    ]


def order_list(own_id: str, number: int, client_id: str, orders: Sequence[SimOrder], done: bool) -> dict[str, Any]:
    return {
        "orderListId": number,
        "contingencyType": "OCO",
        "listStatusType": "ALL_DONE" if done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if done else "EXECUTING",
        "listClientOrderId": client_id,
        "transactionTime": max(order.updated_ms for order in orders),
        "symbol": own_id,
        "orders": list_orders(own_id, orders),
    }


def list_event(
    own_id: str, number: int, client_id: str, orders: Sequence[SimOrder], done: bool, now_ms: int
) -> dict[str, Any]:
    return {
        "e": "listStatus",
        "E": now_ms,
        "s": own_id,
        "g": number,
        "c": "OCO",
        "l": "ALL_DONE" if done else "EXEC_STARTED",
        "L": "ALL_DONE" if done else "EXECUTING",
        "r": "NONE",
        "C": client_id,
        "T": now_ms,
        "O": [{"s": own_id, "i": int(order.order_id), "c": order.client_order_id} for order in orders],
    }


def account(balances: Mapping[str, Balance], maker: Decimal, taker: Decimal, updated_ms: int) -> dict[str, Any]:
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": text(maker), "taker": text(taker), "buyer": _ZERO_TEXT, "seller": _ZERO_TEXT},
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": updated_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": balance.currency, "free": text(balance.free), "locked": text(balance.used)}
            for balance in balances.values()
        ],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def account_position(balances: Iterable[Balance], time_ms: int, now_ms: int) -> dict[str, Any]:
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": time_ms,
        "B": [{"a": balance.currency, "f": text(balance.free), "l": text(balance.used)} for balance in balances],
    }


def balance_update(currency: str, change: Decimal, now_ms: int) -> dict[str, Any]:
    return {"e": "balanceUpdate", "E": now_ms, "a": currency, "d": text(change), "T": now_ms}


def coin(currency: str, balance: Balance | None) -> dict[str, Any]:
    """One entry of sapi capital/config/getall."""
    return {
        "coin": currency,
        "name": currency,
        "depositAllEnable": False,
        "withdrawAllEnable": False,
        "free": text(ZERO if balance is None else balance.free),
        "locked": text(ZERO if balance is None else balance.used),
        "freeze": "0",
        "withdrawing": "0",
        "ipoing": "0",
        "ipoable": "0",
        "storage": "0",
        "isLegalMoney": False,
        "trading": True,
        "networkList": [],
    }
