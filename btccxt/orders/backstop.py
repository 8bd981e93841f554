"""A plain stop at the exchange behind a trailing stop that is kept here: a dead program leaves that protection. Pure.

It stands at the worst price that the trailing stop may have, and follows in steps: no oftener, and by no less, than the
policy says. The trailing stop itself goes on being watched here; when its price comes the backstop is taken off first,
so that never two of them fill.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from btccxt.model import Market, OrderKind, OrderRequest, Side, TimeInForce, round_price
from btccxt.orders.leg import Leg, Placement
from btccxt.orders.trigger import TRAILING_KINDS

REDUCE_ONLY = "reduce_only"
"""The value of ``context.BACKSTOP`` where the exchange can say so of a stop, and the order is of a contract."""
MOST_FAILURES = 3


def backstop_of(leg: Leg, market: Market) -> OrderRequest | None:
    """What stands at the exchange while ``leg`` waits here; None before a price has been seen."""
    level = leg.trigger.level
    if level is None:
        return None
    request = leg.request
    return replace(
        request, kind=OrderKind.STOP, price=None, trigger_price=round_price(market, level), trailing_amount=None,
        trailing_percent=None, limit_offset=None, time_in_force=TimeInForce.GTC, post_only=False,
        reduce_only=request.reduce_only or leg.backstop == REDUCE_ONLY,
    )  # fmt: skip


def is_backstop(leg: Leg, placement: Placement) -> bool:
    return leg.backstop is not None and leg.request.kind in TRAILING_KINDS and placement.request.kind is OrderKind.STOP


def idle_backstops(leg: Leg, placements: Iterable[Placement]) -> list[Placement]:
    """Those of them whose own price has not come at the exchange."""
    return [each for each in placements if is_backstop(leg, each) and not each.is_executing]


def is_behind(leg: Leg, standing: Iterable[Placement], move_pct: Decimal) -> bool:
    """Whether the price has gone so much of the trailing distance away from a backstop that it has to follow."""
    level, best = leg.trigger.level, leg.trigger.best
    if level is None or best is None:
        return False
    least = abs(best - level) * move_pct / 100
    sign = 1 if leg.request.side is Side.SELL else -1
    stops = (each.request.trigger_price for each in idle_backstops(leg, standing))
    return any(stop is not None and (level - stop) * sign >= max(least, Decimal(0)) and level != stop for stop in stops)
