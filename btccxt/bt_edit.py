"""Changing an order that rests at the exchange, as backtrader sees it: the new intent, and its figures on the order.

Pure; the broker sends and hears. What the exchange cannot change is cancelled and followed by a new order
(``orders/editing.py``).
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from btccxt.bt.compat import bt
from btccxt.bt.order_request import CryptoBuyOrder, CryptoSellOrder, positive
from btccxt.errors import Refused
from btccxt.model import ZERO, Market, OrderKind, OrderRequest, decimal_of
from btccxt.precision import round_amount, round_price

_BY_TRIGGER = {OrderKind.STOP, OrderKind.TAKE_PROFIT}
_BY_BOTH = {OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT_LIMIT}


def edited(
    order: Any,
    request: OrderRequest,
    market: Market,
    client_order_id: str,
    *,
    size: float | None,
    price: float | None,
    plimit: float | None,
) -> OrderRequest:
    """The intent after the edit, rounded; None leaves a figure as it is. ``size`` is the whole size, signed or not.

    Raises Refused with every reason.
    """
    reasons: list[str] = []
    if (size, price, plimit) == (None, None, None):
        reasons.append("give size, price or plimit")
    if request.kind is not OrderKind.LIMIT and request.kind not in _BY_TRIGGER | _BY_BOTH:
        reasons.append(f"a {request.kind.value} order has nothing that could be changed; cancel it and place another")
    if plimit is not None and request.kind not in _BY_BOTH:
        reasons.append(f"plimit is the limit of stop-limit orders; the price of a {request.kind.value} order is price")
    amount, filled = request.amount, decimal_of(abs(order.executed.size))
    if size is not None and (asked := positive(abs(size), "size", reasons)) is not None:
        amount = round_amount(market, asked)
        if amount <= filled:
            reasons.append(f"size {amount:f}: {filled:f} are filled already; cancel the rest instead")
    first = None if price is None else positive(price, "price", reasons)
    second = None if plimit is None else positive(plimit, "plimit", reasons)
    if reasons:
        raise Refused(reasons)
    changed = replace(request, client_order_id=client_order_id, amount=amount)
    if first is not None:
        rounded = round_price(market, first)
        by_trigger = request.kind in _BY_TRIGGER | _BY_BOTH
        changed = replace(changed, trigger_price=rounded) if by_trigger else replace(changed, price=rounded)
    return changed if second is None else replace(changed, price=round_price(market, second))


def take_figures(order: Any, request: OrderRequest) -> None:
    """What became of the intent on the way: an edit, or an exit sized to what its entry filled."""
    sign = 1 if order.isbuy() else -1
    left = max(request.amount - decimal_of(abs(order.executed.size)), ZERO)
    order.size = order.created.size = float(request.amount) * sign
    order.executed.remsize = float(left) * sign
    _take_prices(order, request)


def _take_prices(order: Any, request: OrderRequest) -> None:
    if order.exectype == bt.Order.Limit and request.price is not None:
        order.created.price = float(request.price)
    elif request.kind in _BY_TRIGGER | _BY_BOTH and request.trigger_price is not None:
        order.created.price = float(request.trigger_price)
    if request.kind in _BY_BOTH and request.price is not None:
        order.created.pricelimit = float(request.price)


def follower_of(order: Any, request: OrderRequest) -> Any:
    """The backtrader order that follows one which the exchange cannot change: for what that has not filled."""
    left: Decimal = request.amount - decimal_of(abs(order.executed.size))
    cls = CryptoBuyOrder if order.isbuy() else CryptoSellOrder
    first, second = request.trigger_price or request.price, request.price
    return cls(
        owner=order.owner, data=order.data, size=float(left), price=None if first is None else float(first),
        pricelimit=None if request.kind not in _BY_BOTH or second is None else float(second),
        exectype=order.exectype, tradeid=order.tradeid, simulated=order.p.simulated,
    )  # fmt: skip
