"""Kraken's WebSocket v2 frames, as pure functions: engine records in, dicts out.

Shapes: docs.kraken.com, WebSocket v2. JSON numbers, ISO times, and the common symbols (``BTC/USDT``).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from btccxt.matching.records import STOP_KINDS, TRAILING_KINDS, TRIGGER_KINDS, NewOrder, SimFill, SimOrder, SimStatus
from btccxt.model import ZERO, Balance, Bar, Market, OrderKind, Side, Trade
from btccxt.sim.dialects.kraken import format as fmt
from btccxt.sim.dialects.kraken.format import Level

# ------------------------------------------------------------------ public


def ws_candle(symbol: str, minutes: int, length_ms: int, bar: Bar) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "trades": 1 if bar.volume else 0,
        "volume": bar.volume,
        "vwap": fmt.vwap(bar),
        "interval_begin": fmt.iso(bar.open_ms)[:-1] + "000Z",
        "interval": minutes,
        "timestamp": fmt.iso(bar.open_ms + length_ms),
    }


def ws_trade(symbol: str, trade: Trade) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "side": "sell" if trade.side is Side.SELL else "buy",
        "price": trade.price,
        "qty": trade.amount,
        "ord_type": "market",
        "trade_id": int(trade.trade_id) if trade.trade_id.isdecimal() else 0,
        "timestamp": fmt.iso(trade.time_ms),
    }


def ws_ticker(symbol: str, day: Bar, bid: Level | None, ask: Level | None, now_ms: int) -> dict[str, Any]:
    bid, ask = bid or (ZERO, ZERO), ask or (ZERO, ZERO)
    change = day.close - day.open
    return {
        "symbol": symbol,
        "bid": float(bid[0]),
        "bid_qty": float(bid[1]),
        "ask": float(ask[0]),
        "ask_qty": float(ask[1]),
        "last": day.close,
        "volume": day.volume,
        "vwap": fmt.vwap(day),
        "low": day.low,
        "high": day.high,
        "change": change,
        "change_pct": round(change / day.open * 100, 2) if day.open else 0.0,
        "timestamp": fmt.iso(now_ms),
    }


def ws_levels(levels: Iterable[Level]) -> list[dict[str, float]]:
    return [{"price": float(price), "qty": float(amount)} for price, amount in levels]


def checksum(market: Market, bids: Sequence[Level], asks: Sequence[Level]) -> int:
    """CRC32 of the best ten asks and bids: digits of price and amount without point and leading zeros."""
    price_places, amount_places = fmt.places(market.price_step), fmt.places(market.amount_step)

    def digits(number: Decimal, count: int) -> str:
        return f"{number:.{count}f}".replace(".", "").lstrip("0")

    levels = [*asks[:10], *bids[:10]]
    text = "".join(digits(price, price_places) + digits(amount, amount_places) for price, amount in levels)
    return zlib.crc32(text.encode())


# ------------------------------------------------------------------ private


def _known_by(order: SimOrder, user_ref: int) -> dict[str, Any]:
    known: dict[str, Any] = {"order_id": fmt.order_txid(order.order_id), "order_userref": user_ref}
    if order.request.client_order_id is not None:
        known["cl_ord_id"] = order.request.client_order_id
    return known


def _triggers(order: SimOrder) -> dict[str, Any]:
    request = order.request
    trigger = order.trigger_price or request.trigger_price or ZERO
    kind = "pct" if request.kind is OrderKind.TRAILING_PERCENT else "static"
    return {
        "reference": "last",
        "price": float(request.trailing_percent or request.trailing_amount or trigger),
        "price_type": "quote" if request.kind is OrderKind.TRAILING_AMOUNT else kind,
        "actual_price": float(trigger),
        "status": "triggered" if order.triggered else "untriggered",
    }


def _contingent(close: NewOrder) -> dict[str, Any]:
    row: dict[str, Any] = {"order_type": fmt.kind_name(close.kind)}
    if close.price is not None:
        row |= {"limit_price": float(close.price), "limit_price_type": "static"}
    if close.trigger_price is not None:
        row |= {"trigger_price": float(close.trigger_price), "trigger_price_type": "static"}
    return row


def execution_open(
    symbol: str, order: SimOrder, user_ref: int, kind: str, close: NewOrder | None = None
) -> dict[str, Any]:
    """The whole order: exec_type ``pending_new``, and the rows of a snapshot."""
    request = order.request
    row: dict[str, Any] = {
        **_known_by(order, user_ref),
        "symbol": symbol,
        "order_qty": float(request.amount or 0),
        "cum_qty": float(order.filled),
        "cum_cost": float(order.cost_quote),
        "avg_price": float(order.cost_quote / order.filled) if order.filled else 0.0,
        "time_in_force": request.time_in_force.value,
        "exec_type": kind,
        "side": order.side.value,
        "order_type": fmt.order_type(order),
        "post_only": request.post_only,
        "order_status": "pending_new" if kind == "pending_new" else fmt.ws_status(order),
        "fee_usd_equiv": 0.0,
        "fee_ccy_pref": "fciq",
        "timestamp": fmt.iso(order.updated_ms),
    }
    if request.price is not None:
        row |= {"limit_price_type": "static", "limit_price": float(request.price)}
    if request.cost_quote is not None:
        row["cash_order_qty"] = float(request.cost_quote)
    if close is not None:
        row["contingent"] = _contingent(close)
    if request.kind in TRIGGER_KINDS:
        row["triggers"] = _triggers(order)
        if request.kind in STOP_KINDS or request.kind in TRAILING_KINDS:
            row["stop_price"] = float(order.trigger_price or ZERO)
    return row


def execution_change(order: SimOrder, user_ref: int, kind: str, reason: str = "") -> dict[str, Any]:
    """What changed, and no more: ``new``, ``filled``, ``canceled``, ``expired``, ``amended`` or ``status``."""
    row: dict[str, Any] = {
        "timestamp": fmt.iso(order.updated_ms),
        "order_status": fmt.ws_status(order),
        "exec_type": kind,
        **_known_by(order, user_ref),
    }
    if kind in ("filled", "canceled", "expired"):
        row |= {
            "cum_qty": float(order.filled),
            "cum_cost": float(order.cost_quote),
            "fee_usd_equiv": 0.0,
            "avg_price": float(order.cost_quote / order.filled) if order.filled else 0.0,
        }
    if kind == "canceled":
        row |= {"cancel_reason": reason, "reason": reason}
    if kind == "amended":
        row |= {"order_qty": float(order.request.amount or 0), "limit_price": float(order.request.price or 0)}
    if kind == "status":
        row["triggers"] = _triggers(order)
    return row


def execution_trade(symbol: str, order: SimOrder, fill: SimFill, user_ref: int) -> dict[str, Any]:
    return {
        **_known_by(order, user_ref),
        "symbol": symbol,
        "exec_type": "trade",
        "exec_id": fmt.trade_txid(fill.trade_id, fill.side),
        "trade_id": fill.trade_id,
        "side": fill.side.value,
        "order_type": fmt.order_type(order),
        "order_status": "partially_filled" if order.status is not SimStatus.FILLED else "filled",
        "last_qty": float(fill.amount),
        "last_price": float(fill.price),
        "liquidity_ind": "m" if fill.maker else "t",
        "cost": float(fill.price * fill.amount),
        "order_qty": float(order.request.amount or 0),
        "cum_qty": float(order.filled),
        "cum_cost": float(order.cost_quote),
        "avg_price": float(order.cost_quote / order.filled),
        "fees": [{"asset": fill.fee.currency, "qty": float(fill.fee.cost)}],
        "fee_usd_equiv": float(fill.fee.cost),
        "timestamp": fmt.iso(fill.time_ms),
    }


def balance_row(balance: Balance) -> dict[str, Any]:
    total = float(balance.total)
    return {
        "asset": balance.currency,
        "asset_class": "currency",
        "balance": total,
        "wallets": [{"type": "spot", "id": "main", "balance": total}],
    }


def balance_change(balance: Balance, change: Decimal, number: int, now_ms: int) -> dict[str, Any]:
    return {
        "ledger_id": fmt.txid("L", number),
        "ref_id": fmt.txid("T", number),
        "timestamp": fmt.iso(now_ms),
        "type": "trade",
        "asset": balance.currency,
        "asset_class": "currency",
        "category": "trade",
        "wallet_type": "spot",
        "wallet_id": "main",
        "amount": float(change),
        "fee": 0.0,
        "balance": float(balance.total),
    }
