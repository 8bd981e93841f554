"""Fills of an order as its own answer lists them, for exchanges whose account trades ccxt cannot ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from btccxt.exchange.ccxt.statuses import field_of, number_of
from btccxt.exchange.ccxt.times import raw_time
from btccxt.exchange.profile.status_rule import OrderTradesRule, PushedTradeRule
from btccxt.model import ZERO, Fee, Fill, Side


def fills_in_order(
    info: Any,
    rule: OrderTradesRule,
    *,
    symbol: str,
    side: Side | None,
    order_id: str | None,
    client_order_id: str | None,
    time_ms: int | None,
) -> tuple[Fill, ...]:
    """The order's one fee, in the quote coin, is shared among them by what they cost: its rate is the same for all."""
    rows = field_of(info, rule.rows)
    if side is None:
        return ()
    if not isinstance(rows, list):
        pushed = None if rule.pushed is None else _pushed_fill(info, rule.pushed, symbol, side)
        return () if pushed is None else (replace(pushed, order_id=order_id, client_order_id=client_order_id),)
    found: list[tuple[Mapping[str, Any], Decimal, Decimal]] = []
    for row in rows:
        price, amount = (number_of(field_of(row, path)) for path in (rule.price, rule.amount))
        if field_of(row, rule.id) is not None and price and amount:
            found.append((row, price, amount))
    whole_fee = number_of(field_of(info, rule.whole_fee))
    whole_cost = sum((price * amount for _, price, amount in found), ZERO)
    coin = symbol.partition("/")[2]
    return tuple(
        Fill(
            trade_id=str(field_of(row, rule.id)),
            symbol=symbol,
            side=side,
            price=price,
            amount=amount,
            time_ms=raw_time(row, (rule.time,)) or time_ms or 0,
            order_id=order_id,
            client_order_id=client_order_id,
            fee=None if whole_fee is None else Fee(coin, whole_fee * price * amount / whole_cost),
        )
        for row, price, amount in found
    )


def _pushed_fill(info: Any, rule: PushedTradeRule, symbol: str, side: Side) -> Fill | None:
    """None where the message is for no trade, or does not tell its fee: asked for, the order does."""
    trade_id, time_ms = field_of(info, rule.id), raw_time(info, (rule.time,))
    price, amount, fee = (number_of(field_of(info, path)) for path in (rule.price, rule.amount, rule.fee))
    if trade_id is None or time_ms is None or not price or not amount or fee is None:
        return None
    return Fill(
        trade_id=str(trade_id), symbol=symbol, side=side, price=price, amount=amount, time_ms=time_ms,
        fee=Fee(symbol.partition("/")[2], fee),
    )  # fmt: skip
