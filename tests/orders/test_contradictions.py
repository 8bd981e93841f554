"""What cannot be news of an order is told, and changes nothing of it."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from btccxt.model import OrderKind, OrderRequest, OrderStatus, OrderUpdate, Origin, Side
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.register import contradiction

LIMIT = OrderRequest("a1", "BTC/USDT", Side.BUY, OrderKind.LIMIT, D("0.5"), D(100))


def told(filled: str | None, amount: str | None) -> OrderUpdate:
    return OrderUpdate(
        "BTC/USDT", OrderStatus.OPEN, Origin.QUERY, "1", "a1", Side.BUY,
        amount=None if amount is None else D(amount), filled=None if filled is None else D(filled),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("filled", "amount", "believed"),
    [
        ("0.5", "0.5", True),
        ("0.5000000001", None, True),  # rounded on the way
        (None, None, True),
        ("0.6", "0.8", True),  # made larger at the exchange
        ("0.6", None, False),
        ("0.6", "0", False),
        ("1000000000000", None, False),
    ],
)
def test_more_than_the_whole_order_is_not_filled(filled: str | None, amount: str | None, believed: bool) -> None:
    assert (contradiction(LiveOrder(LIMIT), told(filled, amount)) is None) is believed


def test_of_an_order_by_cost_the_amount_is_an_estimate() -> None:
    by_cost = OrderRequest("a1", "BTC/USDT", Side.BUY, OrderKind.MARKET, D("0.5"), cost_quote=D(50))
    assert contradiction(LiveOrder(by_cost), told("0.6", None)) is None
