"""A bot with a pair of orders, to be killed: ``python -m tests.chaos.pair_bot ADDRESS JOURNAL LIFE``.

``LIFE``: 'trade' places the pair and goes on until it is killed; 'ticket' kills itself as soon as its first ticket is
on disk, before anything is sent. 'raising' places nothing and kills itself when the alarm that both filled is raised,
'telling' when the strategy is told of it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from btccxt.bt.compat import bt
from btccxt.notices import StoreNotice
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.journal.journal import Journal
from btccxt.store.notifier import Notifier
from btccxt.store.store import CCXTStore
from tests.chaos.run import make_store
from tests.chaos.scenario import START_PRICE
from tests.chaos.wires import LINEAR
from tests.still_market import PacedData

SIZE = 0.02
STOP, LIMIT = 59_000.0, 61_000.0
_PAUSE_S = 0.03


class PairStrategy(bt.Strategy):
    """``said``: everything that ``notify_store`` heard; ``ends``: orders as ``notify_order`` told their end.

    ``heard`` is called with each alarm.
    """

    params = (("trades", False), ("heard", None))

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.ends: list[Any] = []

    def notify_order(self, order: Any) -> None:
        if not order.alive():
            self.ends.append(order)

    def notify_store(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self.said.append(msg)
        if self.p.heard is not None and isinstance(msg, StoreNotice) and isinstance(msg.about, Alarm):
            self.p.heard(msg.about)

    def next(self) -> None:
        if self.p.trades and len(self) == 1:
            self.buy(size=SIZE)
            stop = self.sell(size=SIZE, exectype=bt.Order.Stop, price=STOP)
            self.sell(size=SIZE, exectype=bt.Order.Limit, price=LIMIT, oco=stop)


def run(
    address: str, journal: str | Path, until: Callable[[int], bool], **params: Any
) -> tuple[PairStrategy, CCXTStore]:
    """One life: a bar every few milliseconds, as long as ``until(bars so far)`` is false."""
    store = make_store(LINEAR, address, journal)
    bars, next_s = 0, 0.0

    def next_price() -> Decimal | None:
        nonlocal bars, next_s
        if until(bars):
            raise StopIteration
        if time.monotonic() < next_s:
            return None
        bars, next_s = bars + 1, time.monotonic() + _PAUSE_S
        return START_PRICE

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(PacedData(dataname=LINEAR.symbol, next_price=next_price, timeframe=bt.TimeFrame.Minutes))
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(PairStrategy, **params)
    return cerebro.run()[0], store


def main(address: str, journal: str, life: str) -> None:
    threading.Thread(target=_end_with_input, daemon=True).start()

    def die(alarm: Alarm) -> None:
        if alarm.kind is AlarmKind.OVERFILL:
            os.kill(os.getpid(), signal.SIGKILL)

    if life == "ticket":
        _die_with_the_first_ticket()
    if life == "raising":
        Notifier.alarm = lambda self, alarm: die(alarm)  # type: ignore[method-assign]
    run(
        address,
        journal,
        lambda bars: False,
        trades=life in ("trade", "ticket"),
        heard=die if life == "telling" else None,
    )


def _die_with_the_first_ticket() -> None:
    """In the journal's thread, which is the first to know that the ticket is on disk."""
    transaction = Journal._transaction

    def dying(self: Journal, writes: list[Any], *, synced: bool) -> None:
        transaction(self, writes, synced=synced)
        if self._connection.execute("SELECT count(*) FROM tickets").fetchone()[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    Journal._transaction = dying  # type: ignore[method-assign]


def _end_with_input() -> None:
    """So that it never outlives its test."""
    sys.stdin.read()
    os._exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
