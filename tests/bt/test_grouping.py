"""The options of resampledata and replaydata, and what they refuse."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest

from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from btccxt.model import Trade
from tests.bt.harness import (
    DAY_MS,
    HOUR_MS,
    LIVE,
    MINUTE_MS,
    START_MS,
    FakeStore,
    Run,
    closed,
    make_bars,
    naive,
    stamp_ms,
    wait_until,
)

TF = bt.TimeFrame


def resampled(store: FakeStore, data: Any, how: str = "resampledata", **options: Any) -> list[tuple[int, float, float]]:
    """(stamp from the start, close, volume) of each bar as it came."""
    seen: dict[int, tuple[int, float, float]] = {}

    def look(strategy: Any) -> None:
        own = strategy.data
        seen[len(own)] = (stamp_ms(own) - START_MS, own.close[0], own.volume[0])

    run = Run(store, on_next=look)
    getattr(run.cerebro, how)(data, **options)
    run.go()
    return [seen[length] for length in sorted(seen)]


def history(count: int, **kwargs: Any) -> tuple[FakeStore, Any]:
    store = FakeStore()
    store.past["BTC/USDT"] = make_bars(count)
    return store, store.getdata(historical=True, **kwargs)


def ticks(*times_ms: int, **kwargs: Any) -> tuple[FakeStore, Any]:
    store = FakeStore()
    store.past["BTC/USDT"] = [Trade(str(n), START_MS + at, 100.0 + n, 1.0) for n, at in enumerate(times_ms)]
    return store, store.getdata(timeframe=TF.Ticks, historical=True, **kwargs)


def test_trades_may_be_counted_instead_of_timed() -> None:
    got = resampled(*ticks(5, 7, 20_000, 90_000, 90_001), timeframe=TF.Ticks, compression=2)
    assert got == [(7, 101.0, 2.0), (90_000, 103.0, 2.0)]


def test_bars_may_be_counted_from_the_first_one() -> None:
    store, data = history(8, fromdate=naive(2024, 1, 1, 0, 1))
    got = resampled(store, data, timeframe=TF.Minutes, compression=3, bar2edge=False)
    assert got == [(4 * MINUTE_MS, 103.0, 3.0), (7 * MINUTE_MS, 106.0, 3.0)]


def test_the_stamp_may_be_the_beginning_or_the_last_part() -> None:
    store, data = history(6)
    assert resampled(store, data, timeframe=TF.Minutes, compression=3, rightedge=False)[1][0] == 3 * MINUTE_MS
    got = resampled(*ticks(5, 7, 70_000), timeframe=TF.Minutes, compression=1, adjbartime=False)
    assert got == [(7, 101.0, 2.0)]


def test_boundaries_may_be_moved() -> None:
    got = resampled(*history(12), timeframe=TF.Minutes, compression=5, boundoff=1)
    assert [(at // MINUTE_MS, volume) for at, _, volume in got] == [(4, 4.0), (9, 5.0)]


def test_days_of_a_session_end_when_it_ends() -> None:
    store = FakeStore()
    store.past["BTC/USDT"] = make_bars(48, length_ms=HOUR_MS)
    data = store.getdata(compression=60, historical=True, sessionend=time(17, 0))
    got = resampled(store, data, timeframe=TF.Days, compression=1)
    assert [(at // HOUR_MS, volume) for at, _, volume in got] == [(17, 17.0), (41, 24.0)]


def test_the_last_bar_of_trades_is_whole_where_the_range_that_was_asked_for_is() -> None:
    for end, count in ((naive(2024, 1, 1, 0, 2), 2), (naive(2024, 1, 1, 0, 1, 59), 1)):
        store, data = ticks(5, 70_000, todate=end)
        store.clock.set(START_MS + DAY_MS)
        assert len(resampled(store, data, timeframe=TF.Minutes, compression=1)) == count


def test_backtraders_own_classes_are_replaced_however_they_are_added() -> None:
    store, data = history(10)
    data.addfilter(bt.resamplerfilter.ResamplerMinutes, compression=5)
    run = Run(store)
    run.cerebro.adddata(data)
    run.go()
    assert [bar[1] - START_MS for (bar,) in run.bars] == [5 * MINUTE_MS, 10 * MINUTE_MS]


def test_a_quiet_market_closes_its_day_by_the_clock() -> None:
    store = FakeStore()
    run = Run(store)
    data = store.getdata(compression=60, tz="Asia/Tokyo")
    run.cerebro.resampledata(data, timeframe=TF.Days, compression=1)

    def script() -> None:
        store.send("BTC/USDT", closed(*make_bars(3, length_ms=HOUR_MS)), LIVE)
        store.clock.set(START_MS + 15 * HOUR_MS + 60_000)  # midnight in Tokyo has passed
        wait_until(lambda: run.bars)
        run.cerebro.runstop()

    store.play(script)
    run.go()
    assert run.bars == [((1, START_MS + 15 * HOUR_MS, 102.0),)]


@pytest.mark.parametrize(
    ("how", "options", "words"),
    [
        ("resampledata", {"timeframe": TF.Seconds, "compression": 5}, "cannot be made of"),
        ("resampledata", {"compresion": 5}, "did you mean compression"),
        ("resampledata", {"timeframe": "1h"}, "bt.TimeFrame"),
        ("resampledata", {"compression": 0}, "1 or more"),
        ("replaydata", {"timeframe": TF.Days, "adjbartime": True}, "newest part"),
        ("resampledata", {"timeframe": TF.Seconds, "compression": 90, "bar2edge": False}, "whole number"),
    ],
)
def test_what_cannot_be_built_is_refused_at_once(how: str, options: dict[str, Any], words: str) -> None:
    _, data = history(3)
    with pytest.raises(ConfigError, match=words):
        getattr(bt.Cerebro(), how)(data, **options)


def test_a_trading_calendar_is_refused_with_what_serves_instead() -> None:
    store, data = history(3, calendar=bt.TradingCalendar())
    with pytest.raises(ConfigError, match="sessionend"):
        resampled(store, data, timeframe=TF.Days, compression=1)
