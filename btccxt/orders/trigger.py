"""One order that waits here for a price: a stop, a take-profit, a trailing stop, a limit that may not rest. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from btccxt.model import OrderKind, OrderRequest, Side

PROTECTIVE_KINDS = frozenset(
    {OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.TRAILING_AMOUNT, OrderKind.TRAILING_PERCENT}
)
TRAILING_KINDS = frozenset({OrderKind.TRAILING_AMOUNT, OrderKind.TRAILING_PERCENT})
_BREAKS_OUT = frozenset({OrderKind.STOP, OrderKind.STOP_LIMIT})  # fires when the price moves with the order's side
_ENDS_AS = {
    OrderKind.STOP: OrderKind.MARKET,
    OrderKind.TAKE_PROFIT: OrderKind.MARKET,
    OrderKind.TRAILING_AMOUNT: OrderKind.MARKET,
    OrderKind.TRAILING_PERCENT: OrderKind.MARKET,
    OrderKind.STOP_LIMIT: OrderKind.LIMIT,
    OrderKind.TAKE_PROFIT_LIMIT: OrderKind.LIMIT,
    OrderKind.LIMIT: OrderKind.LIMIT,
}


@dataclass(frozen=True, slots=True)
class Trigger:
    """An order that waits here for a price. ``best``: of a trailing order, the best price seen since it was armed.

    A plain limit order waits for its own price (the leg of a pair that cannot rest at the exchange beside the other).
    """

    request: OrderRequest
    best: Decimal | None = None

    @property
    def level(self) -> Decimal | None:
        """The price that fires it; None for a trailing order that has seen none."""
        if self.best is not None and (distance := self._distance(self.best)) is not None:
            return self.best - distance if self.request.side is Side.SELL else self.best + distance
        return self.request.price if self.request.kind is OrderKind.LIMIT else self.request.trigger_price

    def on_price(self, price: Decimal) -> tuple[Trigger, bool]:
        """The trigger after this price, and whether it fires."""
        request = self.request
        if self._distance(price) is None:
            return self, self.is_reached(price)
        best = price if self.best is None else self.best
        best = max(best, price) if request.side is Side.SELL else min(best, price)
        moved = self if best == self.best else replace(self, best=best)
        return moved, moved.is_reached(price)

    def is_reached(self, price: Decimal) -> bool:
        """Whether this price fires it as it stands."""
        request, level = self.request, self.level
        if level is None:
            return False
        if request.kind in PROTECTIVE_KINDS - _BREAKS_OUT:
            return price <= level if request.side is Side.SELL else price >= level
        upwards = (request.side is Side.BUY) == (request.kind in _BREAKS_OUT)
        return price >= level if upwards else price <= level

    def _distance(self, best: Decimal) -> Decimal | None:
        if self.request.trailing_amount is not None:
            return self.request.trailing_amount
        if self.request.trailing_percent is not None:
            return best * self.request.trailing_percent / 100
        return None

    def fired(self) -> OrderRequest:
        """What is sent when it fires: the same order without its condition."""
        request = self.request
        if request.limit_offset is not None and (level := self.level) is not None:
            request = replace(request, price=level - request.limit_offset)
        return replace(
            request,
            kind=_ENDS_AS.get(request.kind, request.kind) if request.price is None else OrderKind.LIMIT,
            limit_offset=None,
            trigger_price=None,
            trailing_amount=None,
            trailing_percent=None,
        )
