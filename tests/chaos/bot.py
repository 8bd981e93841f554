"""A bot in a process of its own, to be killed: ``python -m tests.chaos.bot WIRE ADDRESS JOURNAL PLAN [TICKET:MOMENT]``.

``PLAN`` is 'four' (one order of every kind that must survive) or 'SEED:FIRST_STEP'. With a seed it is led:
told what it must 'know', it says 'settled' when that has arrived and all has come to rest; told 'next', it acts the
next step. ``TICKET:MOMENT`` is where it kills itself: 'before' or 'after' the n-th write
that must be durable. It ends when its input is closed, so that it never outlives its test.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from decimal import Decimal
from typing import Any

from btccxt._bt import bt
from btccxt.orders.journal import Journal
from tests.chaos import wires
from tests.chaos.run import make_store
from tests.chaos.scenario import START_PRICE, make_scenario
from tests.chaos.strategy import SETTLE_S, ChaosStrategy, Known, Rest
from tests.still_market import PacedData

PAUSE_S = 0.05
BREATH_S = 0.15  # what other threads are doing when the bot is to die comes to its end first, so that a seed replays


class Steady:
    """Bars at a steady pace."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def next_price(self) -> Decimal | None:
        if time.monotonic() < self._next_s:
            return None
        self._next_s = time.monotonic() + PAUSE_S
        return START_PRICE


class Led:
    """One bar per 'next'; what a Conductor is to ChaosStrategy."""

    def __init__(self, seed: int, first: int, store: Any, orders: queue.SimpleQueue[str]) -> None:
        self.scenario = make_scenario(seed, steps=40, kills=True)
        self.step = first - 1
        self.acted = True
        self._orders = orders
        self._rest = Rest(store)
        self._known: Known = {}
        self._price: Decimal | None = None
        self._asked, self._answered = 0, -1
        self._go_on = False
        self._since = time.monotonic()

    @property
    def price(self) -> Decimal:
        return self.scenario.steps[self.step - 1].price if self.step else START_PRICE

    def next_price(self) -> Decimal | None:
        self._hear()
        busy = self._rest.busy(self._known, self._price) if self.acted else ["the strategy has not acted yet"]
        if busy:
            if time.monotonic() - self._since > SETTLE_S:
                print("unsettled:", *busy, flush=True)
                os._exit(4)
            return None
        self._since = time.monotonic()
        if not self._go_on:
            if self._asked != self._answered:
                self._answered = self._asked
                print("settled", self._asked, flush=True)
            return None
        self._go_on = False
        self._rest.again()
        self.step += 1
        self.acted = False
        return self.price

    def _hear(self) -> None:
        while not self._orders.empty():
            order = json.loads(self._orders.get())
            if "know" in order:
                self._asked = order["number"]
                self._known, self._price = order["know"], Decimal(order["price"])
                self._rest.again()
            else:
                self._go_on = True


class Four(bt.Strategy):
    """A limit order, a bracket, a trailing stop and a pair, all of which must survive."""

    params = (("conductor", None),)

    def next(self) -> None:
        if len(self) == 1:
            self.buy(size=0.011, exectype=bt.Order.Limit, price=50_000.0)
            self.buy_bracket(size=0.02, price=59_500.0, limitprice=61_500.0, stopprice=57_000.0)
            self.sell(size=0.013, exectype=bt.Order.StopTrail, trailpercent=0.01)
            stop = self.sell(size=0.014, exectype=bt.Order.Stop, price=58_000.0)
            self.sell(size=0.014, exectype=bt.Order.Limit, price=61_000.0, oco=stop)


def main(wire_name: str, address: str, journal: str, plan: str, end: str = "") -> None:
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    wire = getattr(wires, wire_name)
    if end:
        _die_in_the_journal(int(end.split(":")[0]), end.split(":")[1])
    store = make_store(wire, address, journal)
    pace: Any = Steady()
    if plan != "four":
        seed, first = plan.split(":")
        pace = Led(int(seed), int(first), store, orders)
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(PacedData(dataname=wire.symbol, next_price=pace.next_price, timeframe=bt.TimeFrame.Minutes))
    cerebro.setbroker(store.getbroker())
    strategy: Any = Four if plan == "four" else ChaosStrategy
    cerebro.addstrategy(strategy, conductor=pace)
    cerebro.run()


def _die_in_the_journal(write: int, moment: str) -> None:
    """Each write gets a transaction of its own, or chance would decide how many tickets one commit makes durable."""
    commit, transaction = Journal._commit, Journal._transaction
    count = 0

    def one_by_one(self: Journal, batch: list[Any]) -> None:
        for each in batch:
            commit(self, [each])

    def dying(self: Journal, writes: list[Any], *, synced: bool) -> None:
        nonlocal count
        count += synced
        if count == write and synced and moment == "before":
            die()
        transaction(self, writes, synced=synced)
        if count == write and synced:
            die()

    def die() -> None:
        time.sleep(BREATH_S)
        os.kill(os.getpid(), signal.SIGKILL)

    Journal._commit, Journal._transaction = one_by_one, dying  # type: ignore[method-assign,assignment]


def _listen(orders: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
