"""What an exchange cannot do is done here: triggers, trailing stops, OCO groups, brackets. Pure.

``Trigger`` watches prices for one order that waits on this machine. ``Ties`` knows which orders hang together and says
what follows when one of them changes. Neither sends anything: ``emulator.py`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from btccxt.model import ZERO, OrderKind, OrderRequest, Side
from btccxt.orders.live_order import LifecycleState, LiveOrder

PROTECTIVE_KINDS = frozenset(
    {OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.TRAILING_AMOUNT, OrderKind.TRAILING_PERCENT}
)
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


# ------------------------------------------------------------------ one order that waits for a price


@dataclass(frozen=True, slots=True)
class Trigger:
    """An order that waits here for a price. ``best``: of a trailing order, the best price seen since it was armed.

    A plain limit order waits for its own price (the leg of a pair that cannot rest at the exchange beside the other).
    """

    request: OrderRequest
    best: Decimal | None = None

    def on_price(self, price: Decimal) -> tuple[Trigger, bool]:
        """The trigger after this price, and whether it fires."""
        request = self.request
        distance = self._distance(price)
        if distance is None:
            level = request.price if request.kind is OrderKind.LIMIT else request.trigger_price
            if level is None:
                return self, False
            upwards = (request.side is Side.BUY) == (request.kind in _BREAKS_OUT)
            return self, price >= level if upwards else price <= level
        best = price if self.best is None else self.best
        best = max(best, price) if request.side is Side.SELL else min(best, price)
        moved = replace(self, best=best)
        distance = moved._distance(best) or distance
        return moved, price <= best - distance if request.side is Side.SELL else price >= best + distance

    def _distance(self, best: Decimal) -> Decimal | None:
        if self.request.trailing_amount is not None:
            return self.request.trailing_amount
        if self.request.trailing_percent is not None:
            return best * self.request.trailing_percent / 100
        return None

    def fired(self) -> OrderRequest:
        """What is sent when it fires: the same order without its condition."""
        return replace(
            self.request,
            kind=_ENDS_AS[self.request.kind],
            trigger_price=None,
            trailing_amount=None,
            trailing_percent=None,
        )


# ------------------------------------------------------------------ orders that hang together


@dataclass(frozen=True, slots=True)
class Release:
    """A waiting order's turn has come; ``amount`` replaces its own if it is smaller."""

    client_order_id: str
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    client_order_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Unprotected:
    """A protective order was refused while its position stands."""

    client_order_id: str
    why: str


@dataclass(frozen=True, slots=True)
class BothFilled:
    """Members of a group filled more together than any of them was to fill: the second was quicker than its cancel.

    ``group``: its first member.
    """

    client_order_id: str
    why: str
    group: str


Consequence = Release | Cancel | Unprotected | BothFilled


@dataclass(slots=True)
class Ties:
    """Parents and pairs by client order id. A child waits for its parent's end; of a group at most one stays.

    A parent that ended with any fill releases its children for what it filled; one that ended without fills takes them
    along. The end of one member of a group ends the others, except a protective order's refusal: then the rest stays,
    and somebody is told.
    """

    parent_of: dict[str, str] = field(default_factory=dict)
    group_of: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, OrderKind] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    done_parents: set[str] = field(default_factory=set)
    results: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)  # of those that ended: filled, amount

    def add(self, request: OrderRequest, context: Mapping[str, str]) -> None:
        """``context['parent']`` and ``context['oco']`` hold client order ids; the group's name is its first member."""
        name = request.client_order_id
        if parent := context.get("parent"):
            self.parent_of[name] = parent
        if leader := context.get("oco"):
            self.group_of[leader] = self.group_of.get(leader, leader)
            self.group_of[name] = self.group_of[leader]
        self.kinds[name] = request.kind

    def waits_for_parent(self, name: str) -> bool:
        parent = self.parent_of.get(name)
        return parent is not None and parent not in self.done_parents

    def others(self, name: str) -> Iterable[str]:
        """Members of the same group that have not ended."""
        group = self.group_of.get(name)
        if group is None:
            return ()
        return [each for each, its in self.group_of.items() if its == group and each != name and each not in self.ended]

    def hear(self, order: LiveOrder, net_filled: Decimal) -> list[Consequence]:
        """What follows from an order's new state. ``net_filled``: what it filled, less fees taken in the coin."""
        name = order.client_order_id
        if not order.is_final:
            return []
        if name in self.ended:  # a fill after the end still counts
            return [*self._too_much(name, order)] if order.filled > self.results[name][0] else []
        self.ended.add(name)
        consequences: list[Consequence] = [*self._children(name, order, net_filled), *self._too_much(name, order)]
        refused = order.state is LifecycleState.REJECTED and self.kinds.get(name) in PROTECTIVE_KINDS
        if refused and (name in self.parent_of or name in self.group_of):
            return [*consequences, Unprotected(name, "; ".join(order.reasons) or "refused")]
        why = f"order {name} of the same pair is {order.state.value}"
        return consequences + [Cancel(other, why) for other in self.others(name)]

    def _too_much(self, name: str, order: LiveOrder) -> Iterable[Consequence]:
        self.results[name] = order.filled, order.amount
        group = self.group_of.get(name)
        if group is None or not order.filled:
            return
        ended = {
            each: self.results[each] for each, its in self.group_of.items() if its == group and each in self.results
        }
        filled, wanted = sum((done for done, _ in ended.values()), ZERO), max(amount for _, amount in ended.values())
        if filled > wanted:
            parts = ", ".join(f"{each} {done.normalize():f}" for each, (done, _) in ended.items() if done)
            why = f"{parts}: together {filled.normalize():f}, at most {wanted.normalize():f} was wanted"
            yield BothFilled(name, why, group)

    def filled_by_others(self, name: str) -> Decimal:
        """What the members of the same group that have ended filled."""
        group = self.group_of.get(name)
        names = [each for each, its in self.group_of.items() if group is not None and its == group and each != name]
        return sum((self.results[each][0] for each in names if each in self.results), ZERO)

    def _children(self, name: str, order: LiveOrder, net_filled: Decimal) -> Iterable[Consequence]:
        children = [child for child, parent in self.parent_of.items() if parent == name and child not in self.ended]
        if not children:
            return
        self.done_parents.add(name)
        for child in children:
            if order.filled:
                yield Release(child, net_filled)
            else:
                yield Cancel(child, f"its entry {name} is {order.state.value} without a fill")
