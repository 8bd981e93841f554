"""Orders of the strategy's own that close what a bracket or a pair protects (``close()`` under a live bracket). Pure.

Such an order has a share in each group whose position it closes. While it is wanted the group's exits make way for it:
on spot they free the coins, on contracts the targets go and the stop stays until the position has. What it fills has
left the position, and the exits shrink to the rest; what it does not fill is protected again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from btccxt.model import ZERO, Market, OrderKind, OrderRequest
from btccxt.orders.context import CLOSES, EMULATED
from btccxt.orders.exposure import given_back
from btccxt.orders.live_order import LiveOrder


@dataclass(slots=True)
class Share:
    """``amount``: what of the group's position an order may close; ``before``: what it closes of other groups first."""

    amount: Decimal
    before: Decimal
    order: LiveOrder | None = None
    released: bool = False  # it is on its way to the exchange, or there

    @property
    def is_over(self) -> bool:
        return self.order is not None and self.order.is_final


class Shares:
    """All shares in one group, by the orders' names."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._all: dict[str, Share] = {}

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, name: str, share: Share) -> None:
        self._all[name] = share

    def hear(self, order: LiveOrder) -> None:
        share = self._all[order.client_order_id]
        share.order = order
        share.released = share.released or not order.pending_release

    def __getitem__(self, name: str) -> Share:
        return self._all[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._all)

    @property
    def waiting(self) -> list[str]:
        """Those that have not been sent."""
        return [name for name, each in self._all.items() if not each.released and not each.is_over]

    def taken(self, share: Share) -> Decimal:
        if share.order is None:
            return ZERO
        return min(share.amount, max(ZERO, given_back(share.order, self._market) - share.before))

    @property
    def closed(self) -> Decimal:
        """What they have taken out of the position so far."""
        return sum((self.taken(each) for each in self._all.values()), ZERO)

    @property
    def pending(self) -> Decimal:
        """What they may yet take."""
        return sum((each.amount - self.taken(each) for each in self._all.values() if not each.is_over), ZERO)

    @property
    def under_way(self) -> Decimal:
        """The part of ``pending`` that is at the exchange, or on its way there."""
        going = [each for each in self._all.values() if each.released and not each.is_over]
        return sum((each.amount - self.taken(each) for each in going), ZERO)


def shares_in(context: Mapping[str, str]) -> dict[str, Decimal]:
    """By group: what an order may close of it."""
    pairs = (word.rsplit(":", 1) for word in context.get(CLOSES, "").split())
    return {group: Decimal(amount) for group, amount in pairs}


def shares_text(shares: Mapping[str, Decimal]) -> str:
    return " ".join(f"{group}:{amount:f}" for group, amount in shares.items())


def is_at_once(request: OrderRequest, context: Mapping[str, str]) -> bool:
    """It is to fill now; any other closing order of a group whose coins are bound once becomes one of its exits."""
    return request.kind is OrderKind.MARKET and EMULATED not in context


def waits_for_way(request: OrderRequest, context: Mapping[str, str]) -> bool:
    """Whether it is sent only when exits have made way."""
    return CLOSES in context and is_at_once(request, context)


def is_followed(request: OrderRequest, context: Mapping[str, str], market: Market) -> bool:
    """Whether it is none of its groups' orders. Where the coins are bound once, what is not to fill now is a guest."""
    return CLOSES in context and (is_at_once(request, context) or market.is_contract)


def is_guest(request: OrderRequest, context: Mapping[str, str], market: Market) -> bool:
    """Whether it shares the coins of one group, and waits there for its price."""
    return CLOSES in context and not is_followed(request, context, market)
