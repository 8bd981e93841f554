"""A small exchange and tracker in memory, with a clock of their own, to play contingent orders on: pure, and quick.

News travels as messages that a test delivers when it likes, so a fill may be late, and a cancel come too late. Orders
are ``LiveOrder`` records that the real lifecycle makes, and the emulator is the real one.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from btccxt.model import (
    ZERO,
    Fee,
    Fill,
    Market,
    MarketType,
    OrderKind,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Origin,
    Side,
)
from btccxt.orders.emulator import OrderEmulator
from btccxt.orders.events import (
    Alarm,
    Amended,
    CancelRequested,
    Journaled,
    NeverArrived,
    Noted,
    Rejection,
    Released,
    Sent,
    Withdrawn,
)
from btccxt.orders.leg import NOT_LISTED
from btccxt.orders.lifecycle import apply
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.register import OrderEvent
from btccxt.orders.restart import RestoredState
from btccxt.orders.trigger import PROTECTIVE_KINDS

D = Decimal
SPOT = Market(
    "BTC/USDT", "BTC", "USDT", None, MarketType.SPOT, active=True, price_step=D("0.01"), amount_step=D("0.001"),
    taker_rate=D("0.001"), min_cost=D(5),
)  # fmt: skip
PERP = Market(
    "BTC/USDT:USDT", "BTC", "USDT", "USDT", MarketType.LINEAR, active=True, price_step=D("0.1"),
    amount_step=D("0.001"), taker_rate=D("0.0005"),
)  # fmt: skip
_TRIGGERED = frozenset({OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT, OrderKind.TAKE_PROFIT_LIMIT})


class Clock:
    """An event loop's clock and callbacks, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self._soon: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._later: list[tuple[float, int, list[Any]]] = []
        self._count = itertools.count()

    def time(self) -> float:
        return self.now_s

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> None:
        self._soon.append((callback, args))

    call_soon_threadsafe = call_soon

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Any:
        entry = [callback, args]
        heapq.heappush(self._later, (when, next(self._count), entry))
        handle = type("Handle", (), {})()
        handle.cancel = entry.clear
        return handle

    def run(self) -> None:
        while self._soon:
            callback, args = self._soon.popleft()
            callback(*args)

    def advance(self, seconds: float) -> None:
        until = self.now_s + seconds
        self.run()
        while self._later and self._later[0][0] <= until:
            when, _, entry = heapq.heappop(self._later)
            self.now_s = max(self.now_s, when)
            if entry:
                entry[0](*entry[1])
            self.run()
        self.now_s = until


@dataclass
class Resting:
    """An order at the exchange."""

    request: OrderRequest
    order_id: str
    triggered: bool = False
    filled: Decimal = ZERO
    status: OrderStatus = OrderStatus.OPEN

    @property
    def remaining(self) -> Decimal:
        return self.request.amount - self.filled

    @property
    def is_open(self) -> bool:
        return not self.status.is_final

    @property
    def in_book(self) -> bool:
        return self.is_open and (self.triggered or self.request.kind not in _TRIGGERED)


@dataclass
class Exchange:
    """``liquidity``: how much fills at a price before the rest has to wait; None: all.

    ``siblings``: orders of one list, by name. ``expiry_first``: the end of one is told before the fill of the other.
    """

    market: Market
    price: Decimal = field(default_factory=lambda: D(100))
    coins: Decimal = field(
        default_factory=lambda: D(50)
    )  # more than any test buys: nothing but btccxt keeps it from selling too much
    position: Decimal = ZERO
    fee_in_base: bool = False
    liquidity: Decimal | None = None
    say: Callable[[str, Any], None] = lambda name, event: None
    orders: dict[str, Resting] = field(default_factory=dict)
    refuse_next: list[str] = field(default_factory=list)
    siblings: dict[str, str] = field(default_factory=dict)
    expiry_first: bool = False
    count: int = 0

    def bound(self, side: Side) -> Decimal:
        """What a list binds it binds once."""
        total, seen = ZERO, set()
        for name, order in self.orders.items():
            if order.is_open and order.request.side is side and name not in seen:
                sibling = self._open_sibling(name)
                seen.add(self.siblings.get(name))
                total += max(order.remaining, ZERO if sibling is None else sibling.remaining)
        return total

    def _open_sibling(self, name: str) -> Resting | None:
        sibling = self.orders.get(self.siblings.get(name, ""))
        return sibling if sibling is not None and sibling.is_open else None

    def place_list(self, stop: OrderRequest, target: OrderRequest) -> None:
        """Both or none; neither may execute at once."""
        pair = (stop, target)
        names = [each.client_order_id for each in pair]
        assert not set(names) & self.orders.keys(), f"{names} are sent twice"
        why = self._why_not(stop)
        crosses = self.price >= target.price if target.side is Side.SELL else self.price <= target.price
        if why is None and crosses:
            why = "the relationship of the prices is not correct"
        if why is not None:
            for name in names:
                self.say(name, Withdrawn(NOT_LISTED + why))
            return
        self.siblings |= {names[0]: names[1], names[1]: names[0]}
        for request in pair:
            self.count += 1
            order = self.orders[request.client_order_id] = Resting(request, str(self.count))
            self._tell(order)

    def _end_sibling(self, name: str, status: OrderStatus) -> None:
        sibling = self._open_sibling(name)
        if sibling is not None:
            sibling.status = status
            self._tell(sibling)

    def place(self, request: OrderRequest) -> None:
        name = request.client_order_id
        assert name not in self.orders, f"{name} is sent twice"
        if (why := self._why_not(request)) is not None:
            self.say(name, Rejection((why,)))
            return
        self.count += 1
        order = self.orders[name] = Resting(request, str(self.count))
        self._tell(order)
        self.match(order)

    def _why_not(self, request: OrderRequest) -> str | None:
        if self.refuse_next:
            return self.refuse_next.pop(0)
        if (
            not self.market.is_contract
            and request.side is Side.SELL
            and self.bound(Side.SELL) + request.amount > self.coins
        ):
            return "insufficient balance"
        if request.reduce_only and self.position * request.side.sign >= 0:
            return "reduce-only without a position"
        if request.kind in (OrderKind.STOP, OrderKind.STOP_LIMIT) and self._reached(request):
            return "Stop price would trigger immediately."
        return None

    def cancel(self, name: str) -> None:
        order = self.orders.get(name)
        if order is not None and order.is_open:
            order.status = OrderStatus.CANCELED
            self._tell(order)
            self._end_sibling(name, OrderStatus.CANCELED)

    def move(self, price: Decimal) -> None:
        self.price = price
        for order in list(self.orders.values()):
            self.match(order)

    def match(self, order: Resting) -> None:
        request = order.request
        if not order.is_open:
            return
        if request.kind in _TRIGGERED and not order.triggered:
            if not self._reached(request):
                return
            order.triggered = True
            self._tell(order)
            self._end_sibling(request.client_order_id, OrderStatus.EXPIRED)
        kind = request.kind
        at_market = kind in (OrderKind.MARKET, OrderKind.STOP, OrderKind.TAKE_PROFIT)
        if at_market or (self.price <= request.price if request.side is Side.BUY else self.price >= request.price):
            amount = order.remaining if self.liquidity is None else min(order.remaining, self.liquidity)
            self.fill(order, amount)
            if at_market and order.is_open and kind is OrderKind.MARKET:
                order.status = OrderStatus.EXPIRED  # nothing is left in the book for it
                self._tell(order)

    def fill(self, order: Resting, amount: Decimal) -> None:
        request = order.request
        if request.reduce_only:
            amount = min(amount, max(ZERO, -self.position * request.side.sign))
        if amount <= ZERO:
            if request.reduce_only:
                order.status = OrderStatus.EXPIRED
                self._tell(order)
            return
        if self.expiry_first:
            self._end_sibling(request.client_order_id, OrderStatus.EXPIRED)
        self.count += 1
        order.filled += amount
        change = amount * request.side.sign
        self.position += change
        fee = Fee("USDT", amount * self.price * self.market.taker_rate)
        if self.fee_in_base and request.side is Side.BUY:
            fee = Fee("BTC", amount * self.market.taker_rate)
            change -= fee.cost
        self.coins += change
        fill = Fill(
            str(self.count), request.symbol, request.side, self.price, amount, self.count, order.order_id,
            request.client_order_id, fee,
        )  # fmt: skip
        self.say(request.client_order_id, fill)
        if order.remaining <= ZERO:
            order.status = OrderStatus.FILLED
        self._tell(order)
        self._end_sibling(request.client_order_id, OrderStatus.EXPIRED)

    def _reached(self, request: OrderRequest) -> bool:
        breaks_out = request.kind in (OrderKind.STOP, OrderKind.STOP_LIMIT)
        upwards = (request.side is Side.BUY) == breaks_out
        return self.price >= request.trigger_price if upwards else self.price <= request.trigger_price

    def _tell(self, order: Resting) -> None:
        request = order.request
        status = OrderStatus.TRIGGERED if order.triggered and order.status is OrderStatus.OPEN else order.status
        self.say(
            request.client_order_id,
            OrderUpdate(
                request.symbol, status, Origin.PUSH, order.order_id, request.client_order_id, filled=order.filled
            ),
        )


class World:
    """``tracker`` for the emulator, the exchange, the strategy that hears of it, and the way between them.

    With ``instant`` every message arrives at once; else ``deliver`` brings the next one.
    """

    def __init__(
        self, market: Market = SPOT, *, instant: bool = True, policy: TrackerPolicy | None = None, lists: bool = False
    ) -> None:
        """``lists``: the exchange takes a limit order and a stop of one size as one order list."""
        self.market = market
        self.lists = lists
        self.policy = policy or TrackerPolicy()
        self.clock = Clock()
        self.exchange = Exchange(market, say=self._on_the_way)
        self.instant = instant
        self.messages: deque[tuple[str, Any]] = deque()  # from the exchange
        self.requests: deque[tuple[str, OrderRequest | str | tuple[OrderRequest, OrderRequest]]] = deque()  # to it
        self.orders: dict[str, LiveOrder] = {}
        self.told: set[str] = set()
        self.best: dict[str, Decimal] = {}
        self.alarms: list[Alarm] = []
        self.notes_told: list[str] = []
        self.strategy: dict[str, LiveOrder] = {}
        self.news: list[OrderEvent] = []
        self.watched = False
        self._ids = itertools.count(1)
        self._begin_life()

    def _begin_life(self) -> None:
        self.emulator = OrderEmulator(
            self, {self.market.symbol: self.market}, self._watch, self.alarms.append, self._publish,
            now_ms=lambda: int(self.clock.now_s * 1000), held=self._held, tell=self.notes_told.append,
            may_list=self._may_list, policy=self.policy, loop=self.clock,
        )  # type: ignore[arg-type]  # fmt: skip

    def _may_list(self, stop: OrderRequest, target: OrderRequest) -> bool:
        kinds = stop.kind in (OrderKind.STOP, OrderKind.STOP_LIMIT) and target.kind is OrderKind.LIMIT
        return self.lists and kinds and stop.amount == target.amount

    def _held(self, symbol: str) -> Decimal:
        return self.exchange.position if self.market.is_contract else self.exchange.coins

    def _watch(self, symbol: str, wanted: bool) -> None:
        assert self.watched != wanted
        self.watched = wanted
        if wanted:  # whoever begins to watch asks for the price once
            self.clock.call_soon(lambda: self.emulator.on_price(symbol, self.exchange.price) if self.watched else None)

    # -------------------------------------------------------------- what the strategy does

    def give(self, name: str, side: Side, kind: OrderKind, amount: str, context: Mapping[str, str] | None = None,
             **fields: Any) -> None:  # fmt: skip
        values = {key: D(value) if isinstance(value, str) else value for key, value in fields.items()}
        request = OrderRequest(name, self.market.symbol, side, kind, D(amount), **values)
        self.emulator.submit(request, {**(context or {}), "ref": str(len(self.orders))})
        self.settle()

    def bracket(self, amount: str = "1", entry: str | None = "100", stop: str = "90", target: str | None = "110",
                stop_kind: OrderKind = OrderKind.STOP, **context: str) -> None:  # fmt: skip
        """As the broker hands one in: the exits first, then the entry. ``entry=None``: at market."""
        tied = {"parent": "entry", **context}
        reduces = {"reduce_only": True} if self.market.is_contract else {}
        pair = {"oco": "stop"} if target is not None else {}
        limit = {"price": D(stop) - 1} if stop_kind is OrderKind.STOP_LIMIT else {}
        self.give("stop", Side.SELL, stop_kind, amount, {**tied, **pair}, trigger_price=stop, **limit, **reduces)
        if target is not None:
            self.give("target", Side.SELL, OrderKind.LIMIT, amount, {**tied, **pair}, price=target, **reduces)
        if entry is None:
            self.give("entry", Side.BUY, OrderKind.MARKET, amount)
        else:
            self.give("entry", Side.BUY, OrderKind.LIMIT, amount, price=entry)

    def strategy_cancels(self, name: str) -> None:
        self.emulator.cancel(name)
        self.settle()

    # -------------------------------------------------------------- what the market does

    def move(self, price: str | Decimal) -> None:
        self.exchange.move(D(price))
        if self.watched:
            self.emulator.on_price(self.market.symbol, D(price))
        self.settle()

    def prints(self, price: str | Decimal) -> None:
        """A trade at a price that the book does not follow."""
        self.emulator.on_price(self.market.symbol, D(price))
        self.settle()

    def fill(self, name: str, amount: str) -> None:
        self.exchange.fill(self.exchange.orders[name], D(amount))
        self.settle()

    def exchange_cancels(self, name: str) -> None:
        """By hand on the website, or the exchange itself."""
        self.exchange.cancel(name)
        self.settle()

    def wait(self, seconds: float) -> None:
        end = self.clock.now_s + seconds
        while self.clock.now_s < end:
            self.clock.advance(min(0.05, end - self.clock.now_s))
            self.settle()

    def settle(self) -> None:
        self.clock.run()
        while self.instant and (self.requests or self.messages):
            self.deliver()

    def deliver(self) -> None:
        """The next request reaches the exchange or, where there is none, the next message the tracker."""
        if self.requests:
            name, what = self.requests.popleft()
            if isinstance(what, str):
                self.exchange.cancel(name)
            elif isinstance(what, tuple):
                self.exchange.place_list(*what)
            else:
                self.exchange.place(what)
        elif self.messages:
            name, event = self.messages.popleft()
            if name in self.orders:
                self._apply(name, event)
        self.clock.run()

    def _on_the_way(self, name: str, event: Any) -> None:
        self.messages.append((name, event))

    # -------------------------------------------------------------- a kill and a new life

    def kill(self, lose: int = 0) -> None:
        """The program dies: nothing but the journal is left; requests that have not left are lost."""
        self.clock._soon.clear()
        self.clock._later.clear()
        self.requests.clear()
        self.watched = False
        waiting, self.messages = list(self.messages), deque()
        before = self.orders
        self.orders = dict(before)
        self._begin_life()
        heard: dict[str, list[Fill]] = {}
        self._hears = lambda event: heard.setdefault(event.order.client_order_id, []).extend(event.fills)
        for name, event in waiting:  # what the exchange answers when it is asked
            if name in self.orders:
                self._apply(name, event)
        for name, order in list(self.orders.items()):
            if not order.is_final and not order.pending_release and name not in self.exchange.orders:
                self._apply(name, NeverArrived("never sent"))
        self._hears = None
        ended = [order for order in self.orders.values() if order.is_final]
        opened = [order for order in self.orders.values() if not order.is_final]
        untold = [each for each in ended if each.client_order_id not in self.told or each.client_order_id in heard]
        told = [each for each in ended if each not in untold]
        changes = [OrderEvent(each, tuple(heard.get(each.client_order_id, ()))) for each in untold]
        restored = self.emulator.restore(RestoredState(tuple(opened), tuple(changes), tuple(told), dict(self.best)))
        for event in restored.changes:
            self._strategy_hears(OrderEvent(event.order))
        for order in restored.open_orders:
            self._strategy_hears(OrderEvent(order))
        wishes = [name for name, order in self.orders.items() if order.cancel_requested and not order.is_final]
        self.requests += [(name, "cancel") for name in wishes]  # the tracker takes them up again
        self.settle()

    _hears: Callable[[OrderEvent], None] | None = None

    # -------------------------------------------------------------- the tracker, as the emulator uses it

    def next_client_order_id(self) -> str:
        return f"spawned-{next(self._ids)}"

    def order(self, name: str) -> LiveOrder | None:
        return self.orders.get(name)

    def submit(self, request: OrderRequest, context: Mapping[str, str] | None = None, *, hold: bool = False,
               begins: Callable[..., None] | None = None) -> None:  # fmt: skip
        def begin() -> None:
            if begins is not None:
                begins(request, context or {})
            name = request.client_order_id
            assert name not in self.orders
            self.orders[name] = LiveOrder(
                request, dict(context or {}), created_ms=len(self.orders), pending_release=hold
            )
            self._apply(name, Journaled())
            if not hold:
                self._send(name)

        self.clock.call_soon(begin)

    def release(self, name: str, request: OrderRequest) -> None:
        def go() -> None:
            order = self.orders[name]
            if order.pending_release and not order.is_final:
                self._apply(name, Released(replace(request, client_order_id=name)))
                self._send(name)

        self.clock.call_soon(go)

    def release_list(self, stop: OrderRequest, target: OrderRequest) -> None:
        def go() -> None:
            pair = ((stop, target.client_order_id), (target, stop.client_order_id))
            wanted = True
            for request, other in pair:
                order = self.orders[request.client_order_id]
                wanted = wanted and order.pending_release and not order.is_final and not order.cancel_requested
                if order.pending_release and not order.is_final:
                    self._apply(order.client_order_id, Released(request, other))
            for request, _ in pair:
                name = request.client_order_id
                if wanted:
                    self._apply(name, Sent(1))
                elif not self.orders[name].is_final:
                    self._apply(name, Withdrawn(NOT_LISTED + "the other one was not wanted any more"))
            if wanted:
                self.requests.append((stop.client_order_id, (stop, target)))

        self.clock.call_soon(go)

    def cancel(self, name: str) -> None:
        def go() -> None:
            order = self.orders.get(name)
            if order is None or order.is_final:
                return
            self._apply(name, CancelRequested())
            if order.state.is_unsent:
                self._apply(name, Withdrawn("cancelled before it was sent"))
            else:
                self.requests.append((name, "cancel"))

        self.clock.call_soon(go)

    def note(self, name: str, text: str) -> Future[None]:
        self._apply(name, Noted(text))
        return Future()

    def keep_best_price(self, name: str, price: Decimal) -> None:
        self.best[name] = price

    def confirm_told(self, name: str) -> None:
        self.told.add(name)

    def edit(self, name: str, request: OrderRequest, *, why: str) -> None:
        """Of one that waits here."""
        self.clock.call_soon(lambda: self._apply(name, Amended(replace(request, client_order_id=name), None, why)))

    def _send(self, name: str) -> None:
        order = self.orders[name]
        if order.cancel_requested or order.is_final:
            return
        self._apply(name, Sent(1))
        self.requests.append((name, order.request))

    def _apply(self, name: str, event: Any) -> None:
        before = self.orders[name]
        order, effects = apply(before, event, int(self.clock.now_s * 1000))
        self.alarms += [effect for effect in effects if isinstance(effect, Alarm)]
        if order is before:
            return
        self.orders[name] = order
        fills = tuple(effect.fill for effect in effects if type(effect).__name__ == "NewFill")
        news = OrderEvent(order, fills)
        if self._hears is not None:
            self._hears(news)
            return
        for each in self.emulator.hear(news):
            self._publish(each)

    def _publish(self, event: OrderEvent) -> None:
        self.news.append(event)
        self._strategy_hears(event)

    def _strategy_hears(self, event: OrderEvent) -> None:
        name, before = event.order.client_order_id, self.strategy.get(event.order.client_order_id)
        if before is not None and before.is_final and not event.order.is_final:
            raise AssertionError(f"{name} was {before.state.value}, and is {event.order.state.value} again")
        self.strategy[name] = event.order
        if event.order.is_final:
            self.emulator.told(name)

    # -------------------------------------------------------------- what is true

    def at_exchange(self) -> dict[str, str]:
        """Open orders: kind and what is left, by client order id."""
        return {
            name: f"{order.request.kind.value} {order.remaining.normalize():f}"
            for name, order in self.exchange.orders.items()
            if order.is_open
        }

    def protected(self) -> Decimal:
        return sum(
            (
                order.remaining
                for order in self.exchange.orders.values()
                if order.is_open and order.request.kind in PROTECTIVE_KINDS
            ),
            ZERO,
        )

    def states(self) -> dict[str, str]:
        return {name: order.state.value for name, order in self.strategy.items()}
