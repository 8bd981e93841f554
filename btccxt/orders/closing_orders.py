"""Follows the strategy's own orders that close what groups protect: they are sent when the exits have made way.

Session loop. What makes way for what is decided in ``contingency.py`` and ``closing.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from btccxt.model import ZERO, Market, OrderRequest, round_amount
from btccxt.orders.closing import Share, shares_in, waits_for_way
from btccxt.orders.contingency import ContingencyGroup
from btccxt.orders.event_loop import Loop
from btccxt.orders.live_order import LiveOrder

MOST_WAIT_S = 60.0  # as long as a cancel may take to be confirmed


@dataclass(slots=True)
class _Closing:
    request: OrderRequest
    groups: list[ContingencyGroup]
    beside: Decimal  # what it sells that no group protects
    waits: bool


class ClosingOrders:
    """``send`` and ``withdraw`` let a held order go, or end it."""

    def __init__(
        self,
        markets: Mapping[str, Market],
        group: Callable[[str], ContingencyGroup | None],
        send: Callable[[str, OrderRequest], None],
        withdraw: Callable[[str, str], None],
        loop: Loop,
    ) -> None:
        self._markets = markets
        self._group = group
        self._send = send
        self._withdraw = withdraw
        self._loop = loop
        self._all: dict[str, _Closing] = {}

    def join(self, request: OrderRequest, context: Mapping[str, str]) -> list[ContingencyGroup]:
        """Its groups, which know of it from now on."""
        before, groups = ZERO, []
        for name, amount in shares_in(context).items():
            group = self._group(name)
            if group is not None and not group.are_exits:
                continue  # it guards nothing
            if group is not None:
                group.closing.add(request.client_order_id, Share(amount, before))
                groups.append(group)
            before += amount
        waits = waits_for_way(request, context)
        self._all[request.client_order_id] = _Closing(request, groups, request.amount - before, waits)
        if waits:
            self._loop.call_at(self._loop.time() + MOST_WAIT_S, self._give_up, request.client_order_id)
        return groups

    def hear(self, order: LiveOrder) -> list[ContingencyGroup]:
        """Groups that an order's news concerns."""
        closing = self._all.get(order.client_order_id)
        if closing is None:
            return []
        for group in closing.groups:
            group.closing.hear(order)
        if order.is_final or not order.pending_release:
            closing.waits = False
        return closing.groups

    def _give_up(self, name: str) -> None:
        """Its time is over: what is in its way could not be taken off."""
        closing = self._all.get(name)
        if closing is not None and closing.waits:
            closing.waits = False
            self._withdraw(name, f"not sent: the exits did not make way within {MOST_WAIT_S:g} s")

    def look_all(self) -> None:
        self.look(list(self._all))

    def look(self, names: Iterable[str]) -> None:
        """Send those of them that exits have made way for."""
        for name in names:
            closing = self._all.get(name)
            if closing is None or not closing.waits or not all(group.has_made_way() for group in closing.groups):
                continue
            closing.waits = False
            self._let_go(name, closing)

    def _let_go(self, name: str, closing: _Closing) -> None:
        """As much of it as there still is to close: a stop may have been quicker than its cancel."""
        market = self._markets[closing.request.symbol]
        left = closing.beside
        for group in closing.groups:
            share = group.closing[name]
            left += min(share.amount, group.exposure - group.closing.under_way)
            share.released = True
        amount = min(closing.request.amount, round_amount(market, left))
        if amount < (market.min_amount or market.amount_step or ZERO) or not amount:
            self._withdraw(name, "nothing is left to close: an exit was quicker")
        else:
            self._send(name, replace(closing.request, amount=amount))

    def forget(self, group: ContingencyGroup) -> None:
        for name in group.closing.names:
            self._all.pop(name, None)
