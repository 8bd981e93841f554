"""A source of bars in this process: no exchange, no socket. What is left is the way from a feed's event to next()."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from benchmarks.clients.ours import HOURLY, Onlooker
from benchmarks.clients.tally import Tally
from benchmarks.exchange_process import stamp
from benchmarks.market import HOUR_MS, NOON_MS, PRICE, START_MS, symbols_of
from benchmarks.processes import Link
from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.bt.data import CCXTData
from btccxt.model import Bar, ConnectionState
from btccxt.session.events import BarsClosed, FeedEvent, FeedRequest, FeedState

Sink = Callable[[FeedEvent], None]


class _Feed:
    def close(self) -> None:
        """There is nothing to end."""


class LocalSource:
    """A ``FeedSource``: history that is in memory already, and sinks for whoever has live bars."""

    name = "local"

    def __init__(self, bars: Sequence[Bar] = ()) -> None:
        self._bars = bars
        self.sinks: dict[str, Sink] = {}

    def timeframes(self) -> Collection[str]:
        return ("1m", "1h")

    def open_feed(self, request: FeedRequest, sink: Sink) -> _Feed:
        self.sinks[request.symbol] = sink
        sink(FeedState(ConnectionState.LIVE))
        return _Feed()

    def history(self, request: FeedRequest) -> Sequence[Bar]:
        return self._bars

    def now_ms(self) -> float:
        return START_MS

    def wall_s(self, exchange_ms: float) -> float:
        return exchange_ms / 1000

    def put_notification(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    # What cerebro asks of a store.
    def start(self, data: Any = None, broker: Any = None) -> None:
        """Nothing to connect to."""

    def stop(self) -> None:
        """Nothing to leave."""

    def get_notifications(self) -> list[Any]:
        if self.cerebro_loop is not None:
            self.cerebro_loop.poll(self)
        return []

    cerebro_loop: CerebroLoop | None = None


def ring(link: Link, feeds: int, events: int, per_s: float) -> None:
    """A worker: a thread hands bars to feeds taken at random; tells how late ``next()`` saw each (µs), and the CPU."""
    source, tally = LocalSource(), Tally()
    cerebro = bt.Cerebro(stdstats=False)
    symbols = symbols_of("L", feeds)
    for symbol in symbols:
        cerebro.adddata(CCXTData(source=source, dataname=symbol, backfill_start=False, **HOURLY))
    source.cerebro_loop = CerebroLoop.of(cerebro)

    def hand_out(strategy: bt.Strategy) -> None:
        threading.Thread(target=_hand_out, args=(source, tally, strategy, events, per_s, link), daemon=True).start()

    cerebro.addstrategy(Onlooker, tally=tally, on_live=hand_out)
    cerebro.run()


def _hand_out(source: LocalSource, tally: Tally, strategy: bt.Strategy, events: int, per_s: float, link: Link) -> None:
    rng = random.Random(1)
    next_open_ms = dict.fromkeys(source.sinks, NOON_MS)

    def hand(symbol: str) -> None:
        open_ms = next_open_ms[symbol]
        next_open_ms[symbol] = open_ms + HOUR_MS
        price = float(PRICE)
        source.sinks[symbol](BarsClosed((Bar(open_ms, price, price, price, price, stamp()),)))

    for symbol in source.sinks:  # next() begins when every data has a bar
        hand(symbol)
    time.sleep(0.5)
    tally.late_us.clear()
    cpu_s = time.process_time()
    symbols = list(source.sinks)
    for _ in range(events):
        time.sleep(rng.expovariate(per_s))
        hand(rng.choice(symbols))
    time.sleep(0.5)
    link.ready((tally.late_us, time.process_time() - cpu_s))
    link.question()
    strategy.env.runstop()
