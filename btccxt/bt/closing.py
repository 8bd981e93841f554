"""Which part of an order closes what exits of brackets and pairs guard: they make way for it (``orders/closing.py``).

Lives in the strategy's thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from btccxt.bt.compat import bt
from btccxt.bt.orders import OrderStore
from btccxt.model import ZERO, Market, OrderRequest, Side, decimal_of
from btccxt.orders import funds
from btccxt.orders.closing import is_at_once
from btccxt.orders.trigger import PROTECTIVE_KINDS


@dataclass(frozen=True, slots=True)
class Guarded:
    """What the exits of one group guard. ``open``: by fills told so far; ``wanted``: by the size of its exits.

    ``shares_coins``: whether an order that is not to fill at once may wait beside them.
    """

    group: str
    open: Decimal
    wanted: Decimal
    shares_coins: bool = True


@dataclass(frozen=True, slots=True)
class Guards:
    """All groups whose exits go the same way as an order; ``beside``: what of the position nobody guards."""

    groups: tuple[Guarded, ...] = ()
    beside: Decimal = ZERO

    def shares(
        self, request: OrderRequest, context: Mapping[str, str], market: Market, reasons: list[str]
    ) -> dict[str, Decimal]:
        """By group: what the order closes of it, the oldest first."""
        step = market.amount_step or Decimal("1e-12")
        need = request.amount - self.beside
        if need < step:
            return {}
        if not market.is_contract and not is_at_once(request, context):
            return self._shared_coins(request, reasons)
        shares: dict[str, Decimal] = {}
        for each in self.groups:
            part = min(each.open, need)
            if part >= step:
                shares[each.group] = part
                need -= part
        return shares if market.is_contract or need < step else {}

    def _shared_coins(self, request: OrderRequest, reasons: list[str]) -> dict[str, Decimal]:
        """It waits beside the exits of one group, whose coins it takes when its price comes."""
        hosts = [each for each in self.groups if each.shares_coins]
        host = next((each for each in hosts if each.wanted >= request.amount), None)
        if host is not None:
            return {host.group: request.amount}
        if hosts and sum((each.wanted for each in hosts), self.beside) >= request.amount:
            names = ", ".join(each.group for each in hosts)
            reasons.append(
                f"its coins are bound by exits ({names}), of none for all of its size: sell at market, or in one order "
                "for each bracket"
            )
        return {}


class Closing:
    """One per run."""

    def __init__(self, own: OrderStore) -> None:
        self._own = own
        self._under_way: list[tuple[bt.Order, dict[str, Decimal]]] = []  # orders that close at once

    def sent(self, order: bt.Order, shares: dict[str, Decimal]) -> None:
        for name in shares:
            self._own.is_closed_by_another(name)
        self._under_way.append((order, shares))

    def reserved(self) -> Iterator[funds.OpenOrder]:
        """Those that wait for exits to make way: the coins are theirs."""
        for order, _ in self._under_way:
            request = self._own.request(order)
            if request is not None and self._own.waits(order):
                yield funds.OpenOrder(request, decimal_of(abs(order.executed.remsize)), None)

    def _by_group(self, market: Market, side: Side) -> dict[str, list[bt.Order]]:
        found: dict[str, list[bt.Order]] = {}
        for group, order in self._own.exits(market.symbol, side):
            found.setdefault(group, []).append(order)
        if not market.is_contract:  # coins are bound once, whoever binds them
            found |= {name: [order] for name, order in self._own.alone(market.symbol, side)}
        return found

    def exits(self, market: Market, side: Side) -> list[bt.Order]:
        """Orders that make way for one that closes what they guard."""
        return [order for legs in self._by_group(market, side).values() for order in legs]

    def guards(
        self, market: Market, side: Side, position: Decimal, total: Decimal, markets: Mapping[str, Market]
    ) -> Guards:
        """``position``: signed, of the market. ``total``: of its coin, on spot."""
        if market.is_contract and position * side.sign >= 0:
            return Guards()
        exits = self._by_group(market, side)
        if not exits:
            return Guards()
        taken = self._taken()
        groups = tuple(self._guarded(name, legs, taken.get(name, ZERO)) for name, legs in exits.items())
        held = abs(position)
        if not market.is_contract:
            refs = {order.ref for legs in exits.values() for order in legs}
            refs |= {order.ref for order, _ in self._under_way}
            held = total - funds.bound(market.base, self._own.open_orders(without=refs), markets)
        guarded = sum((each.open for each in groups), ZERO) + sum(taken.values(), ZERO)
        return Guards(groups, max(ZERO, held - guarded))

    def _taken(self) -> dict[str, Decimal]:
        """By group: what orders that are closing it now will take."""
        self._under_way = [(order, shares) for order, shares in self._under_way if order.alive()]
        taken: dict[str, Decimal] = {}
        for order, shares in self._under_way:
            left = decimal_of(abs(order.executed.remsize))
            for name, amount in reversed(shares.items()):
                part = min(amount, left)
                taken[name] = taken.get(name, ZERO) + part
                left -= part
        return taken

    def _guarded(self, name: str, legs: Sequence[bt.Order], taken: Decimal) -> Guarded:
        wanted = max(decimal_of(abs(order.executed.remsize)) for order in legs)
        parent = legs[0].parent
        if parent is not None:
            exited = sum((decimal_of(abs(order.executed.size)) for order in legs), ZERO)
            entered = decimal_of(abs(parent.executed.size))
            return Guarded(name, max(ZERO, min(wanted, entered - exited) - taken), wanted)
        requests = [request for order in legs if (request := self._own.request(order)) is not None]
        has_stop = len(legs) > 1 or any(request.kind in PROTECTIVE_KINDS for request in requests)
        return Guarded(name, max(ZERO, wanted - taken), wanted, shares_coins=has_stop)
