"""Lines bid, ask and spread: with live bars, never with history."""

from __future__ import annotations

import math
from typing import Any

import pytest

from btccxt.bt.compat import bt
from btccxt.bt.quoted_data import CCXTQuotedData
from btccxt.model import ConnectionState, StreamKey, StreamKind, Ticker
from btccxt.session.events import BarsClosed, FeedState, QuoteSeen
from btccxt.session.quotes import QuotedSink
from tests.bt.harness import LIVE, FakeStore, Run, closed, make_bars, wait_until

BARS = make_bars(8)


def quoted(store: FakeStore, **kwargs: Any) -> Any:
    data_class: Any = CCXTQuotedData
    return data_class(source=store, dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes, quotes=True, **kwargs)


@pytest.mark.parametrize("exactbars", [0, 1])
def test_a_live_bar_carries_the_quote_of_its_arrival(exactbars: int) -> None:
    store = FakeStore()
    seen: list[tuple[float, ...]] = []

    def look(strategy: Any) -> None:
        data = strategy.data
        seen.append((data.close[0], data.bid[0], data.ask[0], data.spread[0]))

    run = Run(store, on_next=look)
    run.cerebro.adddata(quoted(store))

    def script() -> None:
        store.send("BTC/USDT", closed(*BARS[:3]), LIVE)
        store.send("BTC/USDT", QuoteSeen(99.0, 99.5), closed(BARS[3]))
        store.send("BTC/USDT", closed(BARS[4]))
        store.send("BTC/USDT", QuoteSeen(100.0, 102.0), closed(*BARS[5:7]))
        wait_until(lambda: len(seen) == 7)
        run.cerebro.runstop()

    store.play(script)
    run.go(exactbars=exactbars)
    assert store.requests[0].quotes
    assert [math.isnan(bid) for _, bid, _, _ in seen] == [True] * 3 + [False, True, True, False]
    assert seen[3] == (BARS[3].close, 99.0, 99.5, 0.5)
    assert seen[6] == (BARS[6].close, 100.0, 102.0, 2.0)


def test_in_a_backtest_the_lines_exist_and_say_nothing() -> None:
    store = FakeStore()
    store.past["BTC/USDT"] = BARS
    run = Run(store)
    data = quoted(store, historical=True)
    run.cerebro.adddata(data)
    run.go()
    assert len(run.bars) == 8
    assert math.isnan(data.bid[0]) and math.isnan(data.spread[0])


def test_a_resampled_bar_carries_its_last_quote() -> None:
    store = FakeStore()
    seen: list[tuple[float, float]] = []
    run = Run(store, on_next=lambda strategy: seen.append((strategy.data.volume[0], strategy.data.ask[0])))
    run.cerebro.resampledata(quoted(store), timeframe=bt.TimeFrame.Minutes, compression=5)

    def script() -> None:
        store.send("BTC/USDT", closed(*BARS[:3]), LIVE)
        for n in (3, 4):
            store.send("BTC/USDT", QuoteSeen(10.0, 11.0 + n), closed(BARS[n]))
        wait_until(lambda: seen)
        run.cerebro.runstop()

    store.play(script)
    run.go()
    assert seen == [(5.0, 15.0)]


def test_a_quote_is_told_with_live_bars_only_and_is_none_while_its_stream_is_down() -> None:
    heard: list[Any] = []
    sink = QuotedSink("BTC/USDT", heard.append)
    bars, key = BarsClosed((BARS[0],)), StreamKey(StreamKind.TICKER, "BTC/USDT")
    sink.on_event(key, Ticker("BTC/USDT", 0, 9.0, None))
    sink(bars)
    sink(FeedState(ConnectionState.LIVE))
    sink(bars)
    sink.on_down(key, "cut")
    sink(bars)
    assert [type(event) for event in heard] == [BarsClosed, FeedState, QuoteSeen, BarsClosed, QuoteSeen, BarsClosed]
    assert heard[2].bid == 9.0 and math.isnan(heard[2].ask) and math.isnan(heard[4].bid)
