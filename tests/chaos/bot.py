"""A bot in a process of its own, to be killed.

``python -m tests.chaos.bot WIRE ADDRESS JOURNAL`` places one order of every kind that must survive, and ends when its
input is closed, so that it never outlives its test. ``lead_a_life`` is the bot of the killed seeds (``forked.py``).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from decimal import Decimal
from typing import Any

from btccxt.bt.compat import bt
from btccxt.orders.journal.journal import Journal
from tests.chaos import wires
from tests.chaos.forked import Pipe
from tests.chaos.referee import patience_s
from tests.chaos.run import make_store
from tests.chaos.scenario import START_PRICE, make_scenario
from tests.chaos.strategy import SETTLE_S, ChaosStrategy, Known, Rest
from tests.still_market import PacedData

PAUSE_S = 0.05


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
    """One bar per 'next'; what a Conductor is to ChaosStrategy.

    Told what it must 'know', it says 'settled' when that has arrived and all has come to rest.
    """

    def __init__(self, seed: int, first: int, store: Any, lead: Pipe) -> None:
        self.scenario = make_scenario(seed, steps=40, kills=True)
        self.step = first - 1
        self.acted = True
        self.store = store
        self._lead = lead
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
            if time.monotonic() - self._since > patience_s(SETTLE_S):
                self._lead.say({"unsettled": busy})
                os._exit(4)
            return None
        self._since = time.monotonic()
        if not self._go_on:
            if self._asked != self._answered:
                self._answered = self._asked
                self._lead.say({"settled": self._asked})
            return None
        self._go_on = False
        self._rest.again()
        self.step += 1
        self.acted = False
        return self.price

    def _hear(self) -> None:
        while self._lead.has_line():
            order = self._lead.hear()
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


def main(wire_name: str, address: str, journal: str) -> None:
    threading.Thread(target=_end_with_the_input, daemon=True).start()
    wire = getattr(wires, wire_name)
    _trade(make_store(wire, address, journal), wire, Four, Steady())


def lead_a_life(lead: Pipe, plan: dict[str, Any]) -> None:
    """From the plan's step on, as ``lead`` says. ``die_at``: before or after the n-th write that must be durable."""
    wire = getattr(wires, plan["wire"])
    if plan["die_at"]:
        _die_in_the_journal(*plan["die_at"])
    store = make_store(wire, plan["address"], plan["journal"])
    _trade(store, wire, ChaosStrategy, Led(plan["seed"], plan["first"], store, lead))


def _trade(store: Any, wire: wires.HttpSession, strategy: Any, pace: Any) -> None:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(PacedData(dataname=wire.symbol, next_price=pace.next_price, timeframe=bt.TimeFrame.Minutes))
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(strategy, conductor=pace)
    cerebro.run()


def _die_in_the_journal(write: int, moment: str) -> None:
    """Each write gets a transaction of its own: more places to die at."""
    commit, transaction = Journal._commit, Journal._transaction
    count = 0

    def one_by_one(self: Journal, batch: list[Any]) -> None:
        for each in batch:
            commit(self, [each])

    def dying(self: Journal, writes: list[Any], *, synced: bool) -> None:
        nonlocal count
        count += synced
        if count == write and synced and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        transaction(self, writes, synced=synced)
        if count == write and synced:
            os.kill(os.getpid(), signal.SIGKILL)

    Journal._commit, Journal._transaction = one_by_one, dying  # type: ignore[method-assign,assignment]


def _end_with_the_input() -> None:
    sys.stdin.read()
    os._exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
