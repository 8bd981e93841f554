"""A bot in a process of its own, to be killed: ``python -m tests.chaos.bot ADDRESS JOURNAL PLAN``.

``PLAN`` is 'four' (one order of every kind that must survive) or 'SEED:FIRST_STEP'. The bot says 'ready' when its
strategy runs and 'step N' after each step. It ends when its input is closed, so that it never outlives its test.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from decimal import Decimal
from typing import Any

from btccxt._bt import bt
from tests.chaos.run import make_store
from tests.chaos.scenario import START_PRICE, make_scenario
from tests.chaos.strategy import ChaosStrategy, PacedData
from tests.chaos.venue import BTC

PAUSE_S = 0.05


class Pace:
    """Bars at a steady pace; what a Conductor is to ChaosStrategy, without waiting for anything to come to rest."""

    def __init__(self, plan: str) -> None:
        seed, _, first = plan.partition(":")
        self.scenario = make_scenario(int(seed) if first else 0, steps=40, kills=True)
        self.step = int(first or 0) - 1
        self.acted = True
        self._next_s = 0.0

    @property
    def price(self) -> Decimal:
        return self.scenario.steps[self.step - 1].price if self.step else START_PRICE

    def next_price(self) -> Decimal | None:
        if time.monotonic() < self._next_s:
            return None
        self._next_s = time.monotonic() + PAUSE_S
        if self.step >= 0:
            print("step", self.step, flush=True)
        if self.step + 1 < len(self.scenario.steps):
            self.step += 1
        return self.price


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


def main(address: str, journal: str, plan: str) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pace = Pace(plan)
    store = make_store(address, journal)
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(PacedData(dataname=BTC, next_price=pace.next_price, timeframe=bt.TimeFrame.Minutes))
    cerebro.setbroker(store.getbroker())
    strategy: Any = Four if plan == "four" else ChaosStrategy
    cerebro.addstrategy(strategy, conductor=pace)
    print("ready", flush=True)
    cerebro.run()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
