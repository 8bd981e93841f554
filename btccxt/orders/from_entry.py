"""The price of an exit that is so many per cent from what its entry was filled at. Pure."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from btccxt.model import Market, OrderRequest

PRICED = "priced from its entry's fills: "
"""How the note on an order begins whose price is settled."""


def priced_from(request: OrderRequest, average: Decimal, percent: Decimal, market: Market) -> OrderRequest:
    """``percent`` is signed: above zero lies above the entry.

    Rounded towards the entry: the loss is never larger than asked for, and the target never further away.
    """
    raw = average * (1 + percent / 100)
    price = _stepped(raw, market, up=percent < 0)
    if (price < average) is not (percent < 0) or price == average:
        price = _stepped(raw, market, up=percent > 0)  # the steps are coarser than the distance
    if request.trigger_price is None:
        return replace(request, price=price)
    limit = None if request.price is None else price + (request.price - request.trigger_price)
    return replace(request, trigger_price=price, price=limit)


def _stepped(price: Decimal, market: Market, *, up: bool) -> Decimal:
    step = market.price_step
    if not step:
        return price
    return (price / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * step
