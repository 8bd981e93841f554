"""An iceberg order that the exchange does not have: slices, the next when the last one has filled. Pure."""

from __future__ import annotations

from decimal import Decimal

from btccxt.model import ZERO, Market
from btccxt.orders.exposure import traded
from btccxt.orders.leg import Leg


def done(leg: Leg) -> Decimal:
    """What its slices have filled, by the exchange's word, so that no trade listed late is bought again."""
    return sum((traded(each.order) for each in leg.placements if each.order is not None), ZERO)


def next_slice(leg: Leg, market: Market) -> Decimal:
    """How much is shown next; the last one is never less than the exchange takes. Zero: nothing is left."""
    shown = leg.slice_amount or ZERO
    left = leg.request.amount - done(leg)
    if left <= shown:
        return max(left, ZERO)
    least = market.min_amount or market.amount_step or ZERO
    if market.min_cost is not None and leg.request.price:
        least = max(least, market.min_cost / leg.request.price)
    rest = left - shown
    if rest >= least:
        return shown
    return left - least if left - least >= least else left
