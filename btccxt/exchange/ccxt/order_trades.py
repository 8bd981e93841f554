"""Fills of an order as its own answer lists them, for exchanges whose account trades ccxt cannot ask for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from btccxt.exchange.ccxt.statuses import field_of, number_of
from btccxt.exchange.profile.profile_schema import OrderTradesRule
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
    if side is None or not isinstance(rows, list):
        return ()
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
            time_ms=_time(field_of(row, rule.time)) or time_ms or 0,
            order_id=order_id,
            client_order_id=client_order_id,
            fee=None if whole_fee is None else Fee(coin, whole_fee * price * amount / whole_cost),
        )
        for row, price, amount in found
    )


def _time(text: Any) -> int | None:
    return int(datetime.fromisoformat(text).timestamp() * 1_000) if isinstance(text, str) else None
