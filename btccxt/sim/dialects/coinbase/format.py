"""Coinbase Advanced's JSON as pure functions: records in, dicts out. Numbers are strings, times RFC 3339 in UTC.

Shapes: docs.cdp.coinbase.com, Advanced Trade API (products, orders, accounts, WebSocket channels).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from btccxt.matching.filters import plain
from btccxt.matching.records import TRIGGER_KINDS, NewOrder, SimFill, SimOrder, SimStatus
from btccxt.matching.triggers import fires_above
from btccxt.model import ZERO, Balance, Bar, Market, OrderKind, Side, TimeInForce, Trade, decimal_of

GRANULARITIES = {
    "ONE_MINUTE": "1m", "FIVE_MINUTE": "5m", "FIFTEEN_MINUTE": "15m", "THIRTY_MINUTE": "30m", "ONE_HOUR": "1h",
    "TWO_HOUR": "2h", "FOUR_HOUR": "4h", "SIX_HOUR": "6h", "ONE_DAY": "1d",
}  # fmt: skip
FIAT = frozenset({"USD", "EUR", "GBP"})
_SMALLEST = Decimal("0.00000001")
_FINE = Decimal("1e-16")  # of average prices
_PORTFOLIO = "00000000-0000-0000-0000-000000000001"
Level = tuple[Decimal, Decimal]


def text(number: Decimal | float | None) -> str:
    return "" if number is None else plain(decimal_of(number))


def iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, timezone.utc).isoformat(timespec="milliseconds")[:-6] + "Z"


def own_order_id(order_id: str) -> str:
    return str(uuid.UUID(int=int(order_id)))


# ------------------------------------------------------------------ markets


def product(own_id: str, market: Market, day: Bar | None) -> dict[str, Any]:
    step, lot = market.price_step or _SMALLEST, market.amount_step or _SMALLEST
    change = (day.close - day.open) / day.open * 100 if day is not None and day.open else 0.0
    return {
        "product_id": own_id,
        "price": text(day.close) if day is not None else "",
        "price_percentage_change_24h": f"{change:.8f}",
        "volume_24h": text(day.volume) if day is not None else "",
        "volume_percentage_change_24h": "0",
        "base_increment": text(lot),
        "quote_increment": text(step),
        "price_increment": text(step),
        "quote_min_size": text(market.min_cost or Decimal(1)),
        "quote_max_size": text(market.max_cost or Decimal(150_000_000)),
        "base_min_size": text(market.min_amount or lot),
        "base_max_size": text(market.max_amount or Decimal(1_000_000)),
        "base_name": market.base,
        "quote_name": market.quote,
        "watched": False,
        "is_disabled": not market.active,
        "new": False,
        "status": "online",
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": not market.active,
        "auction_mode": False,
        "product_type": "SPOT",
        "quote_currency_id": market.quote,
        "base_currency_id": market.base,
        "fcm_trading_session_details": None,
        "mid_market_price": "",
        "alias": "",
        "alias_to": [],
        "base_display_symbol": market.base,
        "quote_display_symbol": market.quote,
        "view_only": False,
        "product_venue": "CBE",
        "approximate_quote_24h_volume": text(day.volume * day.close) if day is not None else "",
    }


def candle(bar: Bar) -> dict[str, str]:
    return {
        "start": str(bar.open_ms // 1000),
        "low": text(bar.low),
        "high": text(bar.high),
        "open": text(bar.open),
        "close": text(bar.close),
        "volume": text(bar.volume),
    }


def trade(own_id: str, trade: Trade) -> dict[str, str]:
    return {
        "trade_id": trade.trade_id,
        "product_id": own_id,
        "price": text(trade.price),
        "size": text(trade.amount),
        "time": iso(trade.time_ms),
        "side": "SELL" if trade.side is Side.SELL else "BUY",
    }


def levels(rows: Iterable[Level]) -> list[dict[str, str]]:
    return [{"price": text(price), "size": text(amount)} for price, amount in rows]


def book_updates(side: str, rows: Iterable[Level], now_ms: int) -> list[dict[str, str]]:
    """``side``: bid or offer. An amount of zero takes the level away."""
    return [
        {"side": side, "event_time": iso(now_ms), "price_level": text(price), "new_quantity": text(amount)}
        for price, amount in rows
    ]


def ticker(own_id: str, day: Bar, bid: Level | None, ask: Level | None) -> dict[str, str]:
    change = (day.close - day.open) / day.open * 100 if day.open else 0.0
    return {
        "type": "ticker",
        "product_id": own_id,
        "price": text(day.close),
        "volume_24_h": text(day.volume),
        "low_24_h": text(day.low),
        "high_24_h": text(day.high),
        "low_52_w": text(day.low),
        "high_52_w": text(day.high),
        "price_percent_chg_24_h": f"{change:.8f}",
        "best_bid": text(bid[0]) if bid else "",
        "best_bid_quantity": text(bid[1]) if bid else "",
        "best_ask": text(ask[0]) if ask else "",
        "best_ask_quantity": text(ask[1]) if ask else "",
    }


# ------------------------------------------------------------------ orders and fills


def status(order: SimOrder) -> str:
    if order.is_open:
        return "OPEN"
    if order.status is SimStatus.FILLED:
        return "FILLED"
    dated = order.request.time_in_force is TimeInForce.GTD
    if order.status is SimStatus.EXPIRED and dated and order.updated_ms >= (order.request.expires_ms or 0):
        return "EXPIRED"
    return "CANCELLED"


def order_type(request: NewOrder) -> str:
    if request.kind is OrderKind.MARKET:
        return "MARKET"
    return "STOP_LIMIT" if request.kind in TRIGGER_KINDS else "LIMIT"


def time_in_force(request: NewOrder) -> str:
    if request.kind is OrderKind.MARKET:
        return "IMMEDIATE_OR_CANCEL"
    words = {TimeInForce.IOC: "IMMEDIATE_OR_CANCEL", TimeInForce.FOK: "FILL_OR_KILL"}
    return words.get(request.time_in_force, "GOOD_UNTIL_DATE_TIME" if request.expires_ms else "GOOD_UNTIL_CANCELLED")


def configuration(request: NewOrder) -> dict[str, Any]:
    """``order_configuration``: its name says kind and time in force."""
    if request.kind is OrderKind.MARKET:
        if request.cost_quote is not None:
            return {"market_market_ioc": {"quote_size": text(request.cost_quote)}}
        return {"market_market_ioc": {"base_size": text(request.amount)}}
    fields: dict[str, Any] = {"base_size": text(request.amount), "limit_price": text(request.price)}
    dated = {"end_time": iso(request.expires_ms)} if request.expires_ms is not None else {}
    ending = "gtd" if dated else "gtc"
    if request.kind in TRIGGER_KINDS:
        direction = "STOP_DIRECTION_STOP_UP" if fires_above(request) else "STOP_DIRECTION_STOP_DOWN"
        stop = {"stop_price": text(request.trigger_price), "stop_direction": direction}
        return {f"stop_limit_stop_limit_{ending}": {**fields, **stop, **dated}}
    if request.time_in_force is TimeInForce.IOC:
        return {"sor_limit_ioc": fields}
    if request.time_in_force is TimeInForce.FOK:
        return {"limit_limit_fok": fields}
    return {f"limit_limit_{ending}": {**fields, **dated, "post_only": request.post_only}}


def average(order: SimOrder) -> str:
    return text((order.cost_quote / order.filled).quantize(_FINE)) if order.filled else "0"


def _trigger_status(order: SimOrder) -> str:
    if order.request.kind not in TRIGGER_KINDS:
        return "INVALID_ORDER_TYPE"
    return "STOP_TRIGGERED" if order.triggered else "STOP_PENDING"


def _completion(order: SimOrder) -> str:
    amount = order.request.amount
    done = order.filled / amount if amount else order.cost_quote / (order.request.cost_quote or Decimal(1))
    return text((done * 100).quantize(Decimal("0.01")))


def order(own_id: str, order: SimOrder, fee: Decimal, fills: int) -> dict[str, Any]:
    """As REST shows it. Fees are in the quote currency."""
    request = order.request
    after_fees = order.cost_quote + fee * order.side.sign
    last = iso(order.updated_ms) if order.filled else None
    return {
        "order_id": own_order_id(order.order_id),
        "product_id": own_id,
        "user_id": "sim",
        "order_configuration": configuration(request),
        "side": order.side.name,
        "client_order_id": order.client_order_id,
        "status": status(order),
        "time_in_force": time_in_force(request),
        "created_time": iso(order.created_ms),
        "completion_percentage": _completion(order),
        "filled_size": text(order.filled),
        "average_filled_price": average(order),
        "fee": "",
        "number_of_fills": str(fills),
        "filled_value": text(order.cost_quote),
        "pending_cancel": False,
        "size_in_quote": request.cost_quote is not None,
        "total_fees": text(fee),
        "size_inclusive_of_fees": False,
        "total_value_after_fees": text(after_fees),
        "trigger_status": _trigger_status(order),
        "order_type": order_type(request),
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": not order.is_open,
        "product_type": "SPOT",
        "reject_message": "",
        "cancel_message": "User requested cancel" if order.status is SimStatus.CANCELED else "",
        "order_placement_source": "RETAIL_ADVANCED",
        "outstanding_hold_amount": text(order.reserved),
        "is_liquidation": False,
        "last_fill_time": last,
        "edit_history": [],
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
        "retail_portfolio_id": _PORTFOLIO,
    }


_WS_TYPES = {"MARKET": "Market", "LIMIT": "Limit", "STOP_LIMIT": "Stop Limit"}


def user_order(own_id: str, order: SimOrder, fee: Decimal, fills: int) -> dict[str, Any]:
    """As the user channel tells it."""
    request = order.request
    left = order.remaining if order.is_open and order.remaining is not None else ZERO
    return {
        "avg_price": average(order),
        "cancel_reason": "User requested cancel" if order.status is SimStatus.CANCELED else "",
        "client_order_id": order.client_order_id,
        "completion_percentage": _completion(order),
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
        "cumulative_quantity": text(order.filled),
        "filled_value": text(order.cost_quote),
        "leaves_quantity": text(left),
        "limit_price": text(request.price or ZERO),
        "number_of_fills": str(fills),
        "order_id": own_order_id(order.order_id),
        "order_side": order.side.name,
        "order_type": _WS_TYPES[order_type(request)],
        "outstanding_hold_amount": text(order.reserved),
        "post_only": str(request.post_only).lower(),
        "product_id": own_id,
        "product_type": "SPOT",
        "reject_reason": "",
        "retail_portfolio_id": _PORTFOLIO,
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
        "status": status(order),
        "stop_price": text(request.trigger_price) if request.trigger_price is not None else "",
        "time_in_force": time_in_force(request),
        "total_fees": text(fee),
        "total_value_after_fees": text(order.cost_quote + fee * order.side.sign),
        "trigger_status": _trigger_status(order),
        "creation_time": iso(order.created_ms),
        "end_time": "0001-01-01T00:00:00Z" if request.expires_ms is None else iso(request.expires_ms),
        "start_time": "0001-01-01T00:00:00Z",
    }


def fill(own_id: str, fill: SimFill) -> dict[str, Any]:
    return {
        "entry_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"entry {fill.trade_id} {fill.order_id}")),
        "trade_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"trade {fill.trade_id} {fill.order_id}")),
        "order_id": own_order_id(fill.order_id),
        "trade_time": iso(fill.time_ms),
        "trade_type": "FILL",
        "price": text(fill.price),
        "size": text(fill.amount),
        "commission": text(fill.fee.cost),
        "product_id": own_id,
        "sequence_timestamp": iso(fill.time_ms),
        "liquidity_indicator": "MAKER" if fill.maker else "TAKER",
        "size_in_quote": False,
        "user_id": "sim",
        "side": fill.side.name,
        "retail_portfolio_id": _PORTFOLIO,
    }


# ------------------------------------------------------------------ account


def account(balance: Balance) -> dict[str, Any]:
    coin = balance.currency
    return {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"account {coin}")),
        "name": f"{coin} Wallet",
        "currency": coin,
        "available_balance": {"value": text(balance.free), "currency": coin},
        "default": True,
        "active": True,
        "created_at": "2021-05-31T09:59:59Z",
        "updated_at": "2021-05-31T09:59:59Z",
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if coin in FIAT else "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": {"value": text(balance.used), "currency": coin},
        "retail_portfolio_id": _PORTFOLIO,
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }


def old_account(balance: Balance) -> dict[str, Any]:
    """As the older API (v2) lists it: one amount, whatever orders hold of it."""
    coin = balance.currency
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"account {coin}")),
        "name": f"{coin} Wallet",
        "primary": False,
        "type": "fiat" if coin in FIAT else "wallet",
        "currency": {"code": coin, "name": coin, "type": "fiat" if coin in FIAT else "crypto"},
        "balance": {"amount": text(balance.total), "currency": coin},
        "created_at": "2021-05-31T09:59:59Z",
        "updated_at": "2021-05-31T09:59:59Z",
        "resource": "account",
        "allow_deposits": False,
        "allow_withdrawals": False,
    }
