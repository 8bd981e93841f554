"""Filters that take bars away, and cerebro's old way of keeping datas together, on live data as in a backtest."""

from __future__ import annotations

from typing import Any

import pytest

from btccxt.bt.compat import bt
from tests.bt.harness import LIVE, FakeStore, Run, closed, make_bars, wait_until

BARS = make_bars(12)


def renko_bricks(live: bool, size: float) -> list[Any]:
    store = FakeStore()
    run = Run(store)
    store.past["BTC/USDT"] = BARS
    data = store.getdata(historical=not live)
    data.addfilter(bt.filters.Renko, size=size, autosize=20.0)
    run.cerebro.adddata(data)
    # Another data tells that a bar without a brick has passed.
    store.past["ETH/USDT"] = BARS
    other = store.getdata("ETH/USDT", historical=not live)
    run.cerebro.adddata(other)

    def script() -> None:
        for bar in BARS:
            for symbol in ("BTC/USDT", "ETH/USDT"):
                store.send(symbol, closed(bar), *([LIVE] if bar is BARS[0] else []))
        wait_until(lambda: len(other) == len(BARS))
        run.cerebro.runstop()

    if live:
        store.play(script)
    run.go()
    return [bar for bar in dict.fromkeys(first for first, _ in run.bars) if bar is not None]


@pytest.mark.parametrize("size", [2.0, 5.0, 50.0])
def test_live_renko_gives_the_bricks_of_the_backtest_also_where_the_first_bar_makes_none(size: float) -> None:
    bricks = renko_bricks(live=True, size=size)
    assert bricks == renko_bricks(live=False, size=size)
    assert [length for length, _, _ in bricks] == list(range(1, len(bricks) + 1))
    assert len(bricks) == {2.0: 5, 5.0: 2, 50.0: 0}[size]


@pytest.mark.parametrize("live", [False, True])
def test_two_datas_kept_together_the_old_way(live: bool) -> None:
    store = FakeStore()
    run = Run(store, cerebro=bt.Cerebro(stdstats=False, oldsync=True))
    for symbol in ("BTC/USDT", "ETH/USDT"):
        store.past[symbol] = BARS
        run.cerebro.adddata(store.getdata(symbol, historical=not live))

    def script() -> None:
        for symbol in ("BTC/USDT", "ETH/USDT"):
            store.send(symbol, closed(*BARS[:3]), LIVE)
        wait_until(lambda: len(run.bars) == 3, "history came without anybody's patience running out")
        for bar in BARS[3:]:
            for symbol in ("ETH/USDT", "BTC/USDT"):
                store.send(symbol, closed(bar))
        wait_until(lambda: len(run.bars) == len(BARS))
        run.cerebro.runstop()

    if live:
        store.play(script)
    run.go()
    assert [(first[2], second[2]) for first, second in run.bars] == [(bar.close, bar.close) for bar in BARS]
