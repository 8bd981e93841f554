"""Orders of one symbol that wait for the last price: stops, take-profits, trailing orders."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from decimal import Decimal

from btccxt.matching.book import WorkingOrder
from btccxt.matching.filters import floor_to_step
from btccxt.matching.records import STOP_KINDS, TRAILING_KINDS, NewOrder
from btccxt.model import Market, OrderKind, Side


def fires_above(request: NewOrder) -> bool:
    """True if the order fires when the last price rises to its trigger, False if when it falls to it."""
    if request.trigger_above is not None:
        return request.trigger_above
    if request.kind in STOP_KINDS or request.kind in TRAILING_KINDS:
        return request.side is Side.BUY
    return request.side is Side.SELL


def reached(request: NewOrder, last: Decimal) -> bool:
    """Would this (not trailing) order fire at once?"""
    if request.trigger_price is None or request.kind in TRAILING_KINDS:
        return False
    return last >= request.trigger_price if fires_above(request) else last <= request.trigger_price


class TriggerBook:
    def __init__(self, market: Market) -> None:
        self._market = market
        self._above: list[tuple[Decimal, int, WorkingOrder]] = []  # ascending, served from the front
        self._below: list[tuple[Decimal, int, WorkingOrder]] = []  # ascending, served from the end
        self._trailing: dict[str, WorkingOrder] = {}
        self._sequence = 0

    def add(self, order: WorkingOrder, last: Decimal | None) -> None:
        if order.request.kind in TRAILING_KINDS:
            self._trailing[order.order_id] = order
            if last is not None:
                self._trail(order, last)
            return
        assert order.trigger_price is not None
        self._sequence += 1
        order.sequence = self._sequence if fires_above(order.request) else -self._sequence  # served oldest first
        insort(self._waiting(order), (order.trigger_price, order.sequence, order))

    def remove(self, order: WorkingOrder) -> None:
        if self._trailing.pop(order.order_id, None) is not None or order.trigger_price is None:
            return
        waiting = self._waiting(order)
        index = bisect_left(waiting, (order.trigger_price, order.sequence, order))
        if index < len(waiting) and waiting[index][2] is order:
            del waiting[index]

    def trailing(self) -> Iterable[WorkingOrder]:
        return self._trailing.values()

    def fired_by(self, last: Decimal) -> list[WorkingOrder]:
        """Orders that this last price fires, oldest first per direction; they no longer wait."""
        fired = []
        while self._above and self._above[0][0] <= last:
            fired.append(self._above.pop(0)[2])
        while self._below and self._below[-1][0] >= last:
            fired.append(self._below.pop()[2])
        if self._trailing:
            trailed = [order for order in self._trailing.values() if self._trail(order, last)]
            for order in trailed:
                del self._trailing[order.order_id]
            fired += trailed
        return fired

    def _waiting(self, order: WorkingOrder) -> list[tuple[Decimal, int, WorkingOrder]]:
        return self._above if fires_above(order.request) else self._below

    def _trail(self, order: WorkingOrder, last: Decimal) -> bool:
        """Follow the price; True if it came back by the trailing distance."""
        request = order.request
        selling = request.side is Side.SELL
        if order.best_price is None:
            activation = request.trigger_price
            if activation is not None and (last < activation if selling else last > activation):
                return False
            order.best_price = last
        elif order.trigger_price is not None and (
            last <= order.trigger_price if selling else last >= order.trigger_price
        ):
            return True
        else:
            order.best_price = max(order.best_price, last) if selling else min(order.best_price, last)
        order.trigger_price = self._distance_away(request, order.best_price)
        return False

    def _distance_away(self, request: NewOrder, best: Decimal) -> Decimal:
        if request.kind is OrderKind.TRAILING_PERCENT:
            assert request.trailing_percent is not None
            distance = best * request.trailing_percent / 100
        else:
            assert request.trailing_amount is not None
            distance = request.trailing_amount
        step = self._market.price_step
        if request.side is Side.SELL:
            return floor_to_step(best - distance, step)
        price = floor_to_step(best + distance, step)
        return price if price >= best + distance or not step else price + step
