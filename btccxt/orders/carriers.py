"""Sends the orders that carry a leg: the leg's own, which is held until then, or spawned ones. Session loop."""

from __future__ import annotations

from btccxt.model import OrderRequest
from btccxt.orders.actions import Place
from btccxt.orders.context import PRIMARY
from btccxt.orders.contingency import ContingencyGroup
from btccxt.orders.tracker import OrderTracker

_OF_A_LEG = frozenset({"tradeid", "data", "parent", "oco"})  # what a spawned order has from its leg's context


class Carriers:
    def __init__(self, tracker: OrderTracker) -> None:
        self._tracker = tracker

    def place(self, group: ContingencyGroup, leg: str, request: OrderRequest) -> None:
        if request.client_order_id == leg:
            self._tracker.release(leg, request)
        else:
            self._spawn(group, leg, request, hold=False)

    def place_list(self, group: ContingencyGroup, stop: Place, target: Place) -> None:
        """Both as one order list; what is spawned for it is held until the other one is there, too."""
        for each in (stop, target):
            if each.request.client_order_id != each.leg:
                self._spawn(group, each.leg, each.request, hold=True)
        self._tracker.release_list(stop.request, target.request)

    def _spawn(self, group: ContingencyGroup, leg: str, request: OrderRequest, *, hold: bool) -> None:
        context = {key: value for key, value in group.context_of(leg).items() if key in _OF_A_LEG}
        self._tracker.submit(request, {**context, PRIMARY: leg}, hold=hold)
