"""``store.orders``: orders from outside a strategy, by the rules, limits and journal of those from inside.

Each call is done by the strategy's thread, between two of its steps: the caller's own thread waits for that, usually
a few milliseconds, never for the exchange (except ``wait``).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from btccxt.bt.broker import CCXTBroker
from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.errors import BtccxtError, ConfigError, Refused

T = TypeVar("T")
_ANSWER_S = 10.0
_LOOK_S = 0.05  # between two looks of ``wait``


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order as it stood when it was asked for. ``size`` and ``filled`` are signed; ``status`` is backtrader's word.

    ``ref``: its number, as ``notify_order`` knows it. ``reasons``: why it ended otherwise than filled.
    """

    ref: int
    symbol: str
    client_order_id: str | None
    status: str
    is_open: bool
    size: float
    filled: float
    average: float | None
    reasons: tuple[str, ...] = ()


class EntryStore(Protocol):
    """What is needed of a store."""

    cerebro_loop: CerebroLoop | None

    def getbroker(self) -> CCXTBroker: ...


class StoreOrders:
    """Every method raises ConfigError where no cerebro runs with the store (``LiveEngine.start()``, or
    ``cerebro.run()`` in another thread), or none of its datas is of the symbol, BtccxtError if the strategy's thread
    does not take the call within 10 s (then it is not done), and Refused with every reason, before anything is sent.

    Symbols are ccxt's ('BTC/USDT'). What is placed here comes of no bar, so no warm-up holds it back; the strategy
    hears of it in ``notify_order``. Inside an event loop use ``asyncio.to_thread``.
    """

    def __init__(self, store: EntryStore) -> None:
        self._store = store
        self.arrivals: deque[tuple[str | None, Callable[[], Any], Future[Any]]] = deque()
        self._loop: CerebroLoop | None = None
        self._lock = threading.Lock()

    # -------------------------------------------------------------- any thread

    def buy(self, symbol: str, size: float, **words: Any) -> PlacedOrder:
        """``words`` are those of a strategy's ``buy``: ``price``, ``exectype``, ``valid``, ``tif`` …"""
        return self._in_strategy(
            lambda: self._placed(self._broker.buy(None, self._data(symbol), size, **words)), symbol
        )

    def sell(self, symbol: str, size: float, **words: Any) -> PlacedOrder:
        """As ``buy``."""
        return self._in_strategy(
            lambda: self._placed(self._broker.sell(None, self._data(symbol), size, **words)), symbol
        )

    def bracket(self, symbol: str, size: float, **words: Any) -> tuple[PlacedOrder | None, ...]:
        """Entry, stop, target, as ``broker.bracket`` (``stop_pct``, ``target_pct``, ``trail_pct``, ``price``)."""

        def place() -> tuple[PlacedOrder | None, ...]:
            orders = self._broker.bracket(self._data(symbol), size, owner=None, **words)
            return tuple(None if order is None else self._placed(order) for order in orders)

        return self._in_strategy(place, symbol)

    def close(self, symbol: str, size: float | None = None) -> PlacedOrder:
        """Close the account's position at market, or ``size`` of it; exits that guard it make way."""

        def place() -> PlacedOrder:
            data = self._data(symbol)
            held = float(self._broker.ledger.holding(symbol).amount)
            if not held:
                raise Refused(f"there is no position in {symbol}")
            leave = self._broker.sell if held > 0 else self._broker.buy
            return self._placed(leave(None, data, abs(held) if size is None else size))

        return self._in_strategy(place, symbol)

    def cancel(self, order: PlacedOrder | int | str) -> PlacedOrder:
        """By the order, its ``ref``, or its client order id. It may still fill until the exchange has confirmed."""

        def ask() -> PlacedOrder:
            found = self._find(order)
            self._broker.cancel(found)
            return _view(found)

        return self._in_strategy(ask)

    def status(self, order: PlacedOrder | int | str) -> PlacedOrder:
        """As it stands now."""
        return self._in_strategy(lambda: _view(self._find(order)))

    def wait(self, order: PlacedOrder | int | str, timeout_s: float) -> PlacedOrder:
        """Blocks until the order has ended, or ``timeout_s`` is over: then it is returned as it stands."""
        until_s = time.monotonic() + timeout_s
        while True:
            found = self.status(order)
            if not found.is_open or time.monotonic() >= until_s:
                return found
            time.sleep(min(_LOOK_S, max(0.0, until_s - time.monotonic())))

    # -------------------------------------------------------------- the way there

    def _in_strategy(self, act: Callable[[], T], symbol: str | None = None) -> T:
        loop = self._store.cerebro_loop
        if loop is None or not loop.is_running:
            raise ConfigError(
                "no cerebro runs with this store: start LiveEngine(strategy, store=store).start(), or cerebro.run() in "
                "another thread, and place orders when it has begun"
            )
        if loop.is_own_thread:
            return act()
        with self._lock:
            if self._loop is not loop:
                self._loop = loop
                loop.every_loop.append(self._work)
        done: Future[T] = Future()
        loop.inbox.put(self, (symbol, act, done))
        try:
            return done.result(_ANSWER_S)
        except FutureTimeout:
            if not done.cancel():  # it has begun
                return done.result()
            raise BtccxtError(
                f"the strategy's thread did not take it within {_ANSWER_S:g} s: its next() may be waiting, the "
                "symbol's first bar may not have come, or the run has ended; it was not done"
            ) from None

    def _work(self) -> None:
        """Strategy's thread, once a loop."""
        for _ in range(len(self.arrivals)):
            symbol, act, done = self.arrivals.popleft()
            if symbol is not None and self._has_no_bar(symbol):
                self.arrivals.append((symbol, act, done))
            elif done.set_running_or_notify_cancel():
                try:
                    done.set_result(act())
                except Exception as error:  # noqa: BLE001 - it is the caller's, in his own thread
                    done.set_exception(error)

    # -------------------------------------------------------------- in the strategy's thread

    @property
    def _broker(self) -> CCXTBroker:
        return self._store.getbroker()

    def _data(self, symbol: str) -> bt.AbstractDataBase:
        data = self._broker.books.first_data(symbol)
        if data is None:
            known = ", ".join(self._broker.symbols) or "none"
            raise ConfigError(f"{symbol}: no data of it is in this cerebro (there is: {known}); add it with getdata()")
        return data

    def _has_no_bar(self, symbol: str) -> bool:
        """It comes in a moment: an order needs a price."""
        data = self._broker.books.first_data(symbol)
        return data is not None and not len(data)

    def _find(self, order: PlacedOrder | int | str) -> bt.Order:
        key = order.ref if isinstance(order, PlacedOrder) else order
        for each in self._broker.orders:
            if key in (each.ref, each.info.get("client_order_id")):
                return each
        raise ConfigError(f"no order {key!r} in this run")

    def _placed(self, order: bt.Order) -> PlacedOrder:
        if order.status in (bt.Order.Rejected, bt.Order.Margin):
            raise Refused(order.info.get("reasons") or ("refused",))
        return _view(order)


def _view(order: bt.Order) -> PlacedOrder:
    executed = order.executed
    return PlacedOrder(
        order.ref, order.data._dataname, order.info.get("client_order_id"), order.getstatusname(), order.alive(),
        order.created.size, executed.size, executed.price if executed.size else None,
        tuple(order.info.get("reasons") or ()),
    )  # fmt: skip
