"""Which orders belong together: groups by name, by the orders that are their legs, and by their entries.

Session loop. What follows from a group is decided in ``contingency.py`` and done in ``emulator.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import get_args

from btccxt.model import Market, OrderRequest
from btccxt.orders.closing import is_guest, shares_in
from btccxt.orders.context import EMULATED, ON_UNPROTECTED, PRIMARY
from btccxt.orders.contingency import ContingencyGroup
from btccxt.orders.event_loop import Loop
from btccxt.orders.leg import Leg, made_way
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.policy import TrackerPolicy, Unprotected

_ENTRY_WAIT_S = 60.0  # for the entry of a bracket whose exits are here
_KEPT = 2_000  # ended ones, for late trades


class Groups:
    """``order`` finds an order by its name, ``held`` says what the account holds of a symbol, ``may_list`` whether the
    exchange takes two as one order list; ``never_came`` hears of groups whose entry does not come.
    """

    def __init__(
        self,
        markets: Mapping[str, Market],
        policy: TrackerPolicy,
        order: Callable[[str], LiveOrder | None],
        held: Callable[[str], Decimal],
        may_list: Callable[[OrderRequest, OrderRequest], bool],
        never_came: Callable[[ContingencyGroup], None],
        loop: Loop,
    ) -> None:
        self._markets = markets
        self._policy = policy
        self._order = order
        self._held = held
        self._may_list = may_list
        self._never_came = never_came
        self._loop = loop
        self.by_name: dict[str, ContingencyGroup] = {}
        self.legs: dict[str, tuple[ContingencyGroup, str]] = {}
        """With the leg's name, by that name and by those of orders that carry it."""
        self.entries: dict[str, ContingencyGroup] = {}
        self._ended: dict[str, None] = {}  # oldest first

    def find(self, name: str) -> ContingencyGroup | None:
        """By its own name, or that of one of its orders."""
        return self.by_name.get(name) or self.legs.get(name, (None,))[0]

    def guarding(self, name: str) -> ContingencyGroup | None:
        """The group that is to make way for an order which closes what it guards.

        An order that stood alone until now guards what it would sell, as the only one of a group of its own.
        """
        group = self.find(name) or self._alone(name)
        leg = None if group is None else group.legs.get(name)
        if group is None or leg is None or group.entry_name is not None or len(group.legs) > 1:
            return group
        group.are_exits = group.are_exits or (self._closes(leg.request) and leg.slice_amount is None)
        return group

    def _alone(self, name: str) -> ContingencyGroup | None:
        order = self._order(name)
        if order is None:
            return None
        group = self._new(name, order.intent, order.context, are_exits=self._closes(order.intent))
        leg = Leg.of(order.intent, order.context)
        group.add(leg)
        self.legs[name] = group, name
        group.hear(order, name)
        if order.is_final and not made_way(order):  # as the strategy has been told
            leg.over, leg.told, leg.shown = order.state, True, order
        return group

    def unfinished(self) -> list[ContingencyGroup]:
        return [group for name, group in self.by_name.items() if name not in self._ended]

    def join(self, request: OrderRequest, context: Mapping[str, str]) -> ContingencyGroup | None:
        """The group that an order belongs to as a leg, made where it is the first of it."""
        name, host = request.client_order_id, None
        if PRIMARY in context:
            primary = context[PRIMARY]
            if primary in self.legs or self._alone(primary) is not None:
                self.legs[name] = self.legs[primary]
            return None
        if parent := context.get("parent"):
            group = self.by_name.get(parent) or self._new(parent, request, context, entry_name=parent)
        elif leader := context.get("oco"):
            group = self._of_pair(leader, request, context)
        elif (host := self._host_of(request, context)) is not None:
            group = host
        elif EMULATED in context or is_guest(request, context, self._markets[request.symbol]):
            group = self._new(f"{name}-itself", request, context, are_exits=False)  # it may name a bracket as well
        else:
            return None
        leg = Leg.of(request, context)
        leg.is_guest, leg.backstop = host is not None, leg.backstop if self._policy.trailing_backstop else None
        group.add(leg)
        self.legs[name] = group, name
        self._ended.pop(group.name, None)
        return group

    def _host_of(self, request: OrderRequest, context: Mapping[str, str]) -> ContingencyGroup | None:
        if not is_guest(request, context, self._markets[request.symbol]):
            return None
        return next((group for name in shares_in(context) if (group := self.guarding(name)) is not None), None)

    def _of_pair(self, leader: str, request: OrderRequest, context: Mapping[str, str]) -> ContingencyGroup:
        known, first = self.legs.get(leader), self._order(leader)
        if known is not None:
            if len(known[0].legs) == 1 and known[0].entry_name is None:  # it waited alone until now
                known[0].are_exits = self._closes(request) and self._closes(known[0].legs[leader].request)
            return known[0]
        closes = self._closes(request) and (first is None or self._closes(first.intent))
        group = self._new(leader, request, context, are_exits=closes)
        if first is not None and leader != request.client_order_id:
            group.add(Leg.of(first.intent, first.context))
            self.legs[leader] = group, leader
            group.hear(first, leader)
        return group

    def _new(
        self, name: str, request: OrderRequest, context: Mapping[str, str], *, entry_name: str | None = None,
        are_exits: bool = True,
    ) -> ContingencyGroup:  # fmt: skip
        word = context.get(ON_UNPROTECTED)
        usual = self._policy.bracket_unprotected if entry_name else self._policy.pair_unprotected
        unprotected: Unprotected = word if word in get_args(Unprotected) else usual  # type: ignore[assignment]
        group = ContingencyGroup(
            name, self._markets[request.symbol], self._policy, entry_name=entry_name, are_exits=are_exits,
            unprotected=unprotected, held=lambda: self._held(request.symbol), may_list=self._may_list,
        )  # fmt: skip
        self.by_name[name] = group
        if entry_name is not None:
            self.entries[entry_name] = group
            entry = self._order(entry_name)
            if entry is not None:
                group.hear(entry)
            else:
                self._loop.call_at(self._loop.time() + _ENTRY_WAIT_S, self._entry_is_late, group)
        return group

    def _closes(self, request: OrderRequest) -> bool:
        """Whether an order is there to close a position."""
        if not self._markets[request.symbol].is_contract:
            return request.side.sign < 0
        return request.reduce_only or self._held(request.symbol) * request.side.sign < 0

    def _entry_is_late(self, group: ContingencyGroup) -> None:
        if group.entry is None and self._order(group.name) is None:
            group.entry_never_came()
            self._never_came(group)

    def end(self, group: ContingencyGroup) -> list[ContingencyGroup]:
        """It is over, and kept for late trades. Returns those that ended long ago and are not."""
        if group.name in self._ended:
            return []
        self._ended[group.name] = None
        forgotten = []
        while len(self._ended) > _KEPT:
            name = next(iter(self._ended))
            del self._ended[name]
            old = self.by_name.pop(name, None)
            if old is None or not old.is_over:
                continue
            forgotten.append(old)
            self.entries.pop(old.entry_name or "", None)
            for leg in old.legs.values():
                for each in (leg.name, *(placement.name for placement in leg.placements)):
                    self.legs.pop(each, None)
        return forgotten
