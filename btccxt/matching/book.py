"""One symbol's order book: resting orders of accounts, and ambient liquidity (the anonymous rest of the market).

Price-time priority holds between both. An ambient level arrived when its price first appeared in an unbroken run of
``set_ambient`` calls: orders that rested at that price before are served before it, later ones after it.

With ``queued`` an order also waits for the prints of the market: behind the amount that its price showed when it came.
Printed trades there work that off. Where less is shown than stands ahead, some of it was cancelled; a print that
follows at once may be what the shown amount has told already, and is not counted twice. At a price that is not shown
(deeper than the levels that are known) the whole amount stands ahead that shows when it comes into sight.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import count, islice

from btccxt.matching.records import NewOrder, SimOrder, SimStatus
from btccxt.model import ZERO, OrderKind, Side


class WorkingOrder:
    """The engine's own, mutable order. ``snapshot()`` is what leaves the engine."""

    __slots__ = (
        "account",
        "ahead",
        "best_price",
        "client_order_id",
        "cost",
        "counted_ahead",
        "created_ms",
        "filled",
        "list_id",
        "order_id",
        "price",
        "request",
        "reserve_coin",
        "reserved",
        "sequence",
        "status",
        "trigger_price",
        "triggered",
        "updated_ms",
        "visible",
    )

    def __init__(self, order_id: str, account: str, client_order_id: str, request: NewOrder, now_ms: int) -> None:
        self.order_id = order_id
        self.account = account
        self.client_order_id = client_order_id
        self.request = request
        self.status = SimStatus.NEW
        self.filled = ZERO
        self.cost = ZERO
        self.created_ms = now_ms
        self.updated_ms = now_ms
        self.triggered = False
        self.reserve_coin = ""
        self.reserved = ZERO
        self.list_id = request.list_id
        self.price = request.price
        self.trigger_price = request.trigger_price
        self.best_price: Decimal | None = None  # of a trailing order: the extreme it trails
        self.sequence = 0
        self.visible = ZERO
        self.ahead: Decimal | None = ZERO  # amount of the market that is served before it; None: not known yet
        self.counted_ahead = ZERO  # how much less of it the last depth has shown

    @property
    def remaining(self) -> Decimal:
        return ZERO if self.request.amount is None else self.request.amount - self.filled

    @property
    def is_resting(self) -> bool:
        """At work: neither waiting for a trigger or for another order, nor ended."""
        return self.status in (SimStatus.NEW, SimStatus.PARTIALLY_FILLED)

    @property
    def is_market(self) -> bool:
        return self.request.kind is OrderKind.MARKET or self.request.price is None

    def snapshot(self) -> SimOrder:
        return SimOrder(
            self.order_id,
            self.account,
            self.client_order_id,
            self.request,
            self.status,
            self.filled,
            self.cost,
            self.created_ms,
            self.updated_ms,
            self.triggered,
            self.reserved,
            self.list_id,
            self.trigger_price,
        )


class BookSide:
    """Bids or asks. ``maker()`` is the next order or ambient level that a taker meets."""

    def __init__(self, side: Side, sequence: Iterator[int], queued: bool = False) -> None:
        self.side = side
        self._queued = queued
        self._sequence = sequence
        self._prices: list[Decimal] = []  # of resting orders, ascending
        self._levels: dict[Decimal, OrderedDict[str, WorkingOrder]] = {}
        self._ambient: dict[Decimal, Decimal] = {}  # best price first
        self._arrived: dict[Decimal, int] = {}

    def better(self, price: Decimal, other: Decimal) -> bool:
        return price > other if self.side is Side.BUY else price < other

    # -------------------------------------------------------------- resting orders

    def add(self, order: WorkingOrder) -> None:
        price = order.price
        assert price is not None
        level = self._levels.get(price)
        if level is None:
            level = self._levels[price] = OrderedDict()
            insort(self._prices, price)
        self._queue(order, level)

    def _queue(self, order: WorkingOrder, level: OrderedDict[str, WorkingOrder]) -> None:
        slice_amount = order.request.iceberg_amount
        order.visible = order.remaining if slice_amount is None else min(slice_amount, order.remaining)
        order.sequence = next(self._sequence)
        if self._queued and order.price is not None:
            order.ahead, order.counted_ahead = self._shown(order.price), ZERO
        level[order.order_id] = order

    def remove(self, order: WorkingOrder) -> None:
        price = order.price
        level = self._levels.get(price) if price is not None else None
        if price is None or level is None or level.pop(order.order_id, None) is None:
            return
        if not level:
            del self._levels[price]
            del self._prices[bisect_left(self._prices, price)]

    def reduce(self, order: WorkingOrder, amount: Decimal) -> None:
        """``amount`` of a resting order was filled (``order.filled`` already says so)."""
        if not order.remaining:
            self.remove(order)
            return
        order.visible -= amount
        if not order.visible:  # the next slice of an iceberg goes to the back of its price
            assert order.price is not None
            level = self._levels[order.price]
            del level[order.order_id]
            self._queue(order, level)

    def best_order(self) -> WorkingOrder | None:
        if not self._prices:
            return None
        level = self._levels[self._prices[-1 if self.side is Side.BUY else 0]]
        return next(iter(level.values()))

    # -------------------------------------------------------------- ambient liquidity

    def set_ambient(self, levels: Iterable[tuple[Decimal, Decimal]]) -> None:
        best_first = sorted(levels, reverse=self.side is Side.BUY)
        self._ambient = {price: amount for price, amount in best_first if amount > 0}
        arrived, before = {}, self._arrived
        now = next(self._sequence)
        for price in self._ambient:
            arrived[price] = before.get(price, now)
        self._arrived = arrived
        if self._queued:
            self._see_cancels()

    def _shown(self, price: Decimal) -> Decimal | None:
        """The market's amount at a price; None where it lies deeper than what is shown."""
        amount = self._ambient.get(price)
        if amount is not None:
            return amount
        deepest = next(reversed(self._ambient), None)
        return ZERO if deepest is not None and self.better(price, deepest) else None

    def _see_cancels(self) -> None:
        for price, level in self._levels.items():
            shown = self._shown(price)
            for order in level.values():
                order.counted_ahead = ZERO
                if shown is None:
                    continue
                if order.ahead is not None and shown < order.ahead:
                    order.counted_ahead = order.ahead - shown
                order.ahead = shown if order.ahead is None else min(order.ahead, shown)

    def pass_by(self, price: Decimal, amount: Decimal) -> Decimal:
        """A trade was printed at a price: how much of it comes to our first order there."""
        reaches: Decimal | None = None
        for order in self._levels.get(price, {}).values():
            counted = min(order.counted_ahead, amount)
            order.counted_ahead -= counted
            if order.ahead is None:
                reaches = reaches or ZERO
                continue
            left = amount - counted - order.ahead
            order.ahead = max(ZERO, -left)
            reaches = max(ZERO, left) if reaches is None else reaches
        return reaches or ZERO

    def take_ambient(self, price: Decimal, amount: Decimal) -> None:
        left = self._ambient[price] - amount
        if left > 0:
            self._ambient[price] = left
        else:
            del self._ambient[price]

    def best_ambient(self) -> tuple[Decimal, Decimal] | None:
        for price, amount in self._ambient.items():
            return price, amount
        return None

    # -------------------------------------------------------------- both together

    def best_price(self) -> Decimal | None:
        resting = self._prices[-1 if self.side is Side.BUY else 0] if self._prices else None
        ambient = next(iter(self._ambient), None)
        if resting is None or ambient is None:
            return ambient if resting is None else resting
        return resting if self.better(resting, ambient) else ambient

    def maker(self) -> tuple[Decimal, Decimal, WorkingOrder | None] | None:
        """Price, amount on offer and order (None: ambient) that is served next."""
        order, ambient = self.best_order(), self.best_ambient()
        if order is not None and order.price is not None:
            if ambient is None or self.better(order.price, ambient[0]):
                return order.price, order.visible, order
            if order.price == ambient[0] and order.sequence < self._arrived[ambient[0]]:
                return order.price, order.visible, order
        return None if ambient is None else (*ambient, None)

    def walk(self, hidden: bool = False) -> Iterator[tuple[Decimal, Decimal]]:
        """Price levels, best first, lazily. ``hidden`` counts the invisible part of icebergs too."""
        resting = reversed(self._prices) if self.side is Side.BUY else iter(self._prices)
        ambient = iter(self._ambient.items())
        price, offer = next(resting, None), next(ambient, None)
        while price is not None or offer is not None:
            if price is None or (offer is not None and self.better(offer[0], price)):
                assert offer is not None
                yield offer
                offer = next(ambient, None)
                continue
            orders = self._levels[price].values()
            amount = sum((order.remaining if hidden else order.visible for order in orders), ZERO)
            if offer is not None and offer[0] == price:
                amount += offer[1]
                offer = next(ambient, None)
            yield price, amount
            price = next(resting, None)

    def levels(self, count: int) -> list[tuple[Decimal, Decimal]]:
        """The ``count`` best price levels with what is visible of them."""
        return list(islice(self.walk(), count))


class Book:
    def __init__(self, queued: bool = False) -> None:
        sequence = count(1)
        self.bids = BookSide(Side.BUY, sequence, queued)
        self.asks = BookSide(Side.SELL, sequence, queued)
        self.last: Decimal | None = None

    def side(self, side: Side) -> BookSide:
        return self.bids if side is Side.BUY else self.asks

    def crosses(self, side: Side, price: Decimal) -> bool:
        """Would a limit order at this price take liquidity?"""
        best = self.side(side.opposite).best_price()
        return best is not None and (price >= best if side is Side.BUY else price <= best)

    def available(self, side: Side, limit: Decimal | None) -> Decimal:
        """Amount that a taker of ``side`` could get, down to its limit."""
        return sum((amount for _, amount in self._reachable(side, limit)), ZERO)

    def walk_of(self, side: Side, amount: Decimal) -> Iterator[tuple[Decimal, Decimal]]:
        """(price, amount) that a market order would take; less than all of it where liquidity ends."""
        for price, offered in self._reachable(side, None):
            taken = min(amount, offered)
            yield price, taken
            amount -= taken
            if not amount:
                return

    def amount_for(self, side: Side, cost: Decimal) -> Decimal:
        """What a market order gets for a cost; less where liquidity ends."""
        amount = ZERO
        for price, offered in self._reachable(side, None):
            taken = min(offered, cost / price)
            amount += taken
            cost -= taken * price
            if taken < offered:
                break
        return amount

    def _reachable(self, side: Side, limit: Decimal | None) -> Iterator[tuple[Decimal, Decimal]]:
        for price, amount in self.side(side.opposite).walk(hidden=True):
            if limit is not None and (price > limit if side is Side.BUY else price < limit):
                return
            yield price, amount
