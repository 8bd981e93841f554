"""A long run in short: a million candle frames of a hundred symbols through a store, with cuts; memory stays flat.

    python -m tests.heal.soak                                # 1,000,000 frames, 100 symbols, 200 cuts; some minutes
    python -m tests.heal.soak --frames 60000 --cuts 10

The exchange has a process of its own, so that what is measured is the store's. Cerebro itself keeps every bar unless it
is told not to: the soak runs with ``exactbars=1``, as a bot that runs for months should. Fails if memory grows after
the first third, or a bar is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.bt.time import ms_of_num
from btccxt.model import ConnectionState
from btccxt.sim.markets import many_listings
from btccxt.sim.server import SimExchange
from btccxt.sim.synthetic import SyntheticSource
from tests.heal.kit import MINUTE_MS, QUICK, QUICK_BREAKER

_ALLOWED_GROWTH_MB = 12.0
_PATIENCE_S = 60.0
_PATIENT = replace(QUICK, least_silence_s=10.0, most_silence_s=20.0, open_within_s=20.0)  # busy is not silent


@dataclass(slots=True)
class Soaked:
    frames: int
    cuts: int
    bars: int
    settled_mb: float
    ended_mb: float

    @property
    def growth_mb(self) -> float:
        return self.ended_mb - self.settled_mb


def serve(link: Connection, symbols: int, speed: float) -> None:
    asyncio.run(_serve(link, symbols, speed))


async def _serve(link: Connection, symbols: int, speed: float) -> None:
    """Answers every question with the frames sent so far; 'cut' breaks all connections first."""
    source = SyntheticSource(many_listings(symbols), 4, tick_ms=5_000)
    async with SimExchange(source, ("binance",), speed=speed, balances={"USDT": Decimal(1000)}) as sim:
        gone = 0
        link.send(str(sim.address))
        while True:
            question = await asyncio.get_running_loop().run_in_executor(None, link.recv)
            if question == "stop":
                return
            sent = sum(connection.frames_sent for connection in sim.connections)
            if question == "cut":
                gone += sent
                sent = 0
                sim.cut_connections()
            link.send(gone + sent)


class Counter(bt.Strategy):
    """Counts bars, and notices one that is missing, doubled or out of order."""

    def __init__(self) -> None:
        self.last_ms: dict[str, int] = {}
        self.bars = 0
        self.faults: list[str] = []
        self.enough = threading.Event()

    def prenext(self) -> None:
        self.next()

    def next(self) -> None:
        for data in self.datas:
            if not len(data):
                continue
            name, stamp_ms = data._dataname, ms_of_num(data.datetime[0])
            last_ms = self.last_ms.get(name)
            if stamp_ms == last_ms:
                continue
            if last_ms is not None and stamp_ms != last_ms + MINUTE_MS:
                self.faults.append(f"{name}: {stamp_ms} after {last_ms}")
            self.last_ms[name] = stamp_ms
            self.bars += 1
        if self.enough.is_set():
            self.env.runstop()


def soak(
    frames: int, symbols: int, cuts: int, speed: float = 60.0, say: Callable[[str], None] = lambda text: None
) -> Soaked:
    """Raises AssertionError for a missing bar; what memory did is for the caller to judge."""
    context = multiprocessing.get_context("spawn")
    link, theirs = context.Pipe()
    exchange = context.Process(target=serve, args=(theirs, symbols, speed), daemon=True)
    exchange.start()
    try:
        return _soak(link, frames, symbols, cuts, say)
    finally:
        link.send("stop")
        exchange.join(60)
        exchange.kill()


def _soak(link: Connection, frames: int, symbols: int, cuts: int, say: Callable[[str], None]) -> Soaked:
    store = CCXTStore("binance", mode="sim", sim_address=link.recv(), streams=_PATIENT, breaker=QUICK_BREAKER)
    cerebro = bt.Cerebro(stdstats=False, exactbars=1)
    for listing in many_listings(symbols):
        name = listing.market.symbol
        cerebro.adddata(store.getdata(dataname=name, timeframe=bt.TimeFrame.Minutes, backfill_start=False))
    cerebro.addstrategy(Counter)
    thread = threading.Thread(target=cerebro.run, daemon=True)
    with store.kept_open():
        thread.start()
        _until(lambda: store.state is ConnectionState.LIVE and store.health()["streams"])
        strategy: Any = cerebro.runningstrats[0]
        done, settled_mb, seen = 0, 0.0, 0
        while seen < frames or done < cuts:
            time.sleep(0.2)
            due = done < cuts and seen >= frames * (done + 1) / (cuts + 1)
            link.send("cut" if due else "count")
            seen = link.recv()
            if due:
                done += 1
                _until(lambda: store.state is ConnectionState.LIVE)
            if not settled_mb and seen > frames / 3:
                settled_mb = _memory_mb()
            if due or seen >= frames:
                say(f"{seen:>9} frames  {done:>4} cuts  {strategy.bars:>7} bars  {_memory_mb():7.1f} MB")
        _until(lambda: store.state is ConnectionState.LIVE)
        ended_mb = _memory_mb()
        strategy.enough.set()
        thread.join(2 * _PATIENCE_S)
        assert not thread.is_alive(), "the strategy would not end"
    assert strategy.faults == []
    assert len(strategy.last_ms) == symbols
    return Soaked(seen, done, strategy.bars, settled_mb, ended_mb)


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the store did not become live"
        time.sleep(0.05)


def _memory_mb() -> float:
    """Resident memory of this process. Linux only."""
    gc.collect()
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.heal.soak", description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--speed", type=float, default=60.0, help="exchange seconds per second")
    given = parser.parse_args(arguments)
    result = soak(given.frames, given.symbols, given.cuts, given.speed, print)
    print(f"{result}; grew by {result.growth_mb:.1f} MB since the first third (allowed: {_ALLOWED_GROWTH_MB:g})")
    return 0 if result.growth_mb <= _ALLOWED_GROWTH_MB else 1


if __name__ == "__main__":
    sys.exit(main())
