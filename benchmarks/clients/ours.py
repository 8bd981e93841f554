"""btccxt as a user has it: a store, its broker, one data per symbol, and a strategy that does nothing but look."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

from benchmarks.clients.tally import Tally
from benchmarks.exchange_process import keys_of, stamp
from benchmarks.market import symbols_of
from benchmarks.processes import Link
from btccxt.bt.compat import bt
from btccxt.exchange import plausibility
from btccxt.session import bar_feed
from btccxt.sim.tls import SimAddress
from btccxt.store.engine import run
from btccxt.store.store import CCXTStore

HOURLY = {"timeframe": bt.TimeFrame.Minutes, "compression": 60}
_POOLS = {"weight": {"capacity": 10**9, "window_ms": 60_000}, "orders": {"capacity": 10**9, "window_ms": 10_000}}
_NO_LIMITS = {"binance": {"markets": {"spot": {"rate": {"pools": _POOLS}}}}}


def store_at(address: SimAddress, group: str, **options: Any) -> CCXTStore:
    """A store on the benchmark's exchange; limits are out of the way, as they are for the peers."""
    # The exchange's bars follow each other faster than its clock here.
    plausibility._MOST_AHEAD_MS = bar_feed._MOST_AHEAD_MS = sys.maxsize
    return CCXTStore(
        "binance", mode="sim", config=keys_of(group), sim_address=str(address), overrides=_NO_LIMITS,
        warmup="send",  # bars here come as quickly as can be, whatever their stamps say
        **options,
    )  # fmt: skip


class Onlooker(bt.Strategy):
    """Says when every data is live; notes when each new bar was seen."""

    params = (("tally", None), ("timed", True), ("on_live", None))

    def __init__(self) -> None:
        self.live = 0
        self.lengths = [0] * len(self.datas)

    def notify_data(self, data: Any, status: int, *args: Any, **kwargs: Any) -> None:
        if status == data.LIVE:
            self.live += 1
            if self.live == len(self.datas):
                self.p.on_live(self)

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        if not self.p.timed:
            return
        now_us, lengths = stamp(), self.lengths
        for place, data in enumerate(self.datas):
            if len(data) != lengths[place]:
                lengths[place] = len(data)
                self.p.tally.late_us.append(now_us - data.volume[0])


def watch(link: Link, address: SimAddress, group: str, count: int, timed: bool = True) -> None:
    """A worker: what it answers counts closed bars."""
    logging.disable(logging.WARNING)  # who waits for whose first bar, and the like
    tally = Tally()

    def serve_link(strategy: bt.Strategy) -> None:
        def answer(question: tuple[Any, ...]) -> Any:
            tally.seen = sum(len(data) for data in strategy.datas)
            return tally.answer(question)

        threading.Thread(target=answer_in_thread, args=(link, answer, strategy), daemon=True).start()

    run(
        Onlooker, store=store_at(address, group), symbol=symbols_of(group, count), timeframe="1h",
        data_options={"backfill_start": False}, params={"tally": tally, "timed": timed, "on_live": serve_link},
    )  # fmt: skip


def answer_in_thread(link: Link, answer: Callable[[tuple[Any, ...]], Any], strategy: bt.Strategy) -> None:
    """Beside the strategy's thread, which waits for the exchange and not for a benchmark."""
    link.ready()
    while (question := link.question())[0] != "stop":
        link.answer(answer(question))
    strategy.env.runstop()
