"""What a position gained and gave back by orders, as exits must count it: the exchange's cumulative amounts, less fees
that were taken in the coin itself. Pure.
"""

from __future__ import annotations

from decimal import Decimal

from btccxt.model import ZERO, Market, Side
from btccxt.orders.live_order import LifecycleState, LiveOrder


def traded(order: LiveOrder) -> Decimal:
    """What the exchange says it has filled, though the trades behind it may not have been listed yet.

    "Filled" without an amount is how a fired trigger is closed while its child still fills: no amount then, unless the
    wait for trades is over.
    """
    told = max(order.filled, order.reported_filled)
    closed = LifecycleState.FILLED in order.reported_terminal
    if closed and (order.fills_overdue or not order.is_conditional or order.reported_filled_at_close is not None):
        told = max(told, order.amount_to_close)
    return min(told, max(order.amount, order.filled)) if order.has_exact_amount else told


def gained(order: LiveOrder, market: Market) -> Decimal:
    """What the position grew by: on spot a buy may pay its fee in the coin that it buys."""
    amount = traded(order)
    if market.is_contract or order.request.side is Side.SELL or not amount:
        return amount
    known = order.filled if order.fees else ZERO  # a fee that is not told yet is taken for the usual one, in the coin
    return amount - order.fees.get(market.base, ZERO) - (amount - known) * market.taker_rate


def given_back(order: LiveOrder, market: Market) -> Decimal:
    """What the position shrank by."""
    amount = traded(order)
    return amount if market.is_contract else amount - order.fees.get(market.base, ZERO) * order.request.side.sign
