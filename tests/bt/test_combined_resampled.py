"""Chained and rolled datas, resampled and replayed: what comes is what one data of the same bars gives, in any zone."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from btccxt.model import Bar, Trade
from tests.bt.harness import (
    ENDED,
    HOUR_MS,
    LIVE,
    MINUTE_MS,
    START_MS,
    FakeStore,
    Run,
    closed,
    make_bars,
    stamp_ms,
    wait_until,
)

TF = bt.TimeFrame
ZONES = [None, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"]
STARTS = [
    "2024-03-09",
    "2024-04-06",
    "2024-10-05",
    "2024-11-02",
    "2011-12-29",
]  # before clocks change, and Apia's lost day
TARGETS = [None, (TF.Minutes, 60), (TF.Minutes, 120), (TF.Days, 1), (TF.Weeks, 1)]
COUNT = 3 * 24 * 4  # quarters of an hour


def seen_by(store: FakeStore, add: Any) -> list[Any]:
    """Every bar of the last data as it was when ``next`` was called."""
    seen: list[Any] = []

    def look(strategy: Any) -> None:
        own = strategy.datas[-1]
        if len(own):
            lines = (own.open, own.high, own.low, own.close, own.volume)
            seen.append((len(own), stamp_ms(own), *(line[0] for line in lines)))

    run = Run(store, on_next=look)
    add(run.cerebro)
    run.go()
    return list(dict.fromkeys(seen))


def shown(cerebro: bt.Cerebro, data: Any, target: Any, replayed: bool, beside: bool) -> None:
    if (target is None or beside) and not any(data is each for each in cerebro.datas):
        cerebro.adddata(data)
    if target is not None:
        timeframe, compression = target
        add = cerebro.replaydata if replayed else cerebro.resampledata
        add(data, timeframe=timeframe, compression=compression)


def outer_of(cerebro: bt.Cerebro, how: str, parts: list[Any], beside: bool, change_ms: int) -> Any:
    """Known to cerebro where ``beside``, else made as cerebro makes them."""
    options = {}
    if how == "rolloverdata":
        options["checkdate"] = lambda moment, data: stamp_ms(data) >= change_ms
    if beside:
        return getattr(cerebro, how)(*parts, name="x", **options)
    made = {"chaindata": bt.feeds.Chainer, "rolloverdata": bt.feeds.RollOver}[how]
    return made(*parts, dataname="x", **options)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(ZONES),
    st.sampled_from(STARTS),
    st.sampled_from(TARGETS),
    st.sampled_from(["chaindata", "rolloverdata"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(5, COUNT - 5),
    st.integers(0, 4),
)
def test_two_parts_give_what_one_data_gives(
    zone: str | None,
    start: str,
    target: Any,
    how: str,
    replayed: bool,
    beside: bool,
    live: bool,
    cut: int,
    overlap: int,
) -> None:
    start_ms = round(datetime.fromisoformat(start).replace(tzinfo=timezone.utc).timestamp() * 1000)
    bars = make_bars(COUNT, start_ms, 15 * MINUTE_MS)
    whole = FakeStore()
    whole.past["ALL"] = bars
    data = whole.getdata("ALL", compression=15, historical=True, tz=zone)
    wanted = seen_by(whole, lambda cerebro: shown(cerebro, data, target, replayed, beside))

    store = FakeStore()
    store.past["A"], store.past["B"] = bars[: cut + overlap], bars[cut - overlap :]
    parts = [
        store.getdata("A", compression=15, historical=True, tz=zone),
        store.getdata("B", compression=15, historical=not live, tz=zone),
    ]
    if live:
        store.play(lambda: store.send("B", closed(*store.past["B"]), LIVE, ENDED))  # type: ignore[arg-type]

    def add(cerebro: bt.Cerebro) -> None:
        outer = outer_of(cerebro, how, parts, beside or target is None, bars[cut].open_ms)
        shown(cerebro, outer, target, replayed, beside)

    assert seen_by(store, add) == wanted


# ------------------------------------------------------------------ what one data of bars does not have


@pytest.mark.parametrize("how", ["chaindata", "rolloverdata"])
@pytest.mark.parametrize("target", [None, (TF.Minutes, 1)])
def test_trades_of_one_millisecond_are_all_there(how: str, target: Any) -> None:
    times = [0, 5, 5, 5, 61_000, 61_000, 125_000, 125_000, 190_000]
    trades = [Trade(str(n), START_MS + at, 100.0 + n, 1.0) for n, at in enumerate(times)]
    store = FakeStore()
    store.past["A"], store.past["B"] = trades[:6], trades[4:]
    parts = [store.getdata(symbol, timeframe=TF.Ticks, historical=True) for symbol in "AB"]
    seen = seen_by(
        store, lambda cerebro: shown(cerebro, outer_of(cerebro, how, parts, True, 2**62), target, False, True)
    )
    if target is None:
        assert [bar[1] - START_MS for bar in seen] == times
    else:
        assert [bar[-1] for bar in seen] == [4.0, 2.0, 2.0]  # the last minute is not over


@pytest.mark.parametrize("how", ["chaindata", "rolloverdata"])
def test_a_quiet_live_part_closes_the_hour_by_the_clock(how: str) -> None:
    store = FakeStore()
    store.past["A"] = make_bars(50)
    parts = [store.getdata("A", historical=True, tz="Asia/Kathmandu"), store.getdata("B", tz="Asia/Kathmandu")]
    run = Run(store)
    outer = outer_of(run.cerebro, how, parts, False, 2**62)
    run.cerebro.resampledata(outer, timeframe=TF.Minutes, compression=60)

    def script() -> None:
        store.send("B", closed(*make_bars(30, START_MS + 50 * MINUTE_MS)), LIVE)
        wait_until(lambda: len(run.bars) >= 2, "the first hours")  # 00:15 and 01:15 of Kathmandu's quarter to
        store.clock.set(START_MS + 2 * HOUR_MS + 20 * MINUTE_MS)
        wait_until(lambda: len(run.bars) >= 3, "the hour without trades at its end")
        run.cerebro.runstop()

    store.play(script)
    run.go()
    assert [bar[0][1] - START_MS for bar in run.bars] == [15 * MINUTE_MS, 75 * MINUTE_MS, 135 * MINUTE_MS]


@pytest.mark.parametrize("how", ["chaindata", "rolloverdata"])
def test_a_second_run_and_exactbars_show_the_same(how: str) -> None:
    store = FakeStore()
    store.past["A"], store.past["B"] = make_bars(200)[:90], make_bars(200)[80:]
    parts = [store.getdata(symbol, historical=True) for symbol in "AB"]
    run = Run(store)
    outer = outer_of(run.cerebro, how, parts, True, 2**62)
    run.cerebro.resampledata(outer, timeframe=TF.Minutes, compression=60)
    run.go()
    first, run.log[:] = run.bars, []
    assert len(first) == 200
    run.go()
    assert run.bars == first
    run.log.clear()
    run.go(exactbars=1)
    assert [bar[-1][1:] for bar in run.bars if bar[-1]] == [bar[-1][1:] for bar in first if bar[-1]]


def test_parts_that_replay_are_refused() -> None:
    store = FakeStore()
    store.past["A"] = store.past["B"] = make_bars(5)
    parts = [store.getdata(symbol, historical=True) for symbol in "AB"]
    parts[1].replay(timeframe=TF.Minutes, compression=5)
    run = Run(store)
    run.cerebro.chaindata(*parts, name="x")
    with pytest.raises(ConfigError, match="x: replay what holds the parts"):
        run.go()


def test_a_chain_in_a_chain_and_with_a_data_of_somebody_else(tmp_path: Any) -> None:
    bars: list[Bar] = make_bars(9)
    store = FakeStore()
    store.past["B"], store.past["C"] = bars[3:6], bars[6:]
    rows = [
        f"{datetime.fromtimestamp(bar.open_ms / 1000 + 60, tz=timezone.utc):%Y-%m-%d %H:%M:%S},"
        f"{bar.open},{bar.high},{bar.low},{bar.close},{bar.volume}"
        for bar in bars[:4]
    ]
    (tmp_path / "old.csv").write_text("\n".join(rows))
    old = bt.feeds.GenericCSVData(
        dataname=str(tmp_path / "old.csv"), timeframe=TF.Minutes, openinterest=-1, headers=False
    )
    inner = bt.feeds.Chainer(old, store.getdata("B", historical=True), dataname="inner")
    run = Run(store)
    outer = run.cerebro.chaindata(inner, store.getdata("C", historical=True), name="x")
    run.cerebro.resampledata(outer, timeframe=TF.Minutes, compression=3)
    run.go()
    assert [bar[0][2] for bar in run.bars] == [bar.close for bar in bars]
    assert [length for length, *_ in dict.fromkeys(bar[1] for bar in run.bars if bar[1])] == [1, 2, 3]
