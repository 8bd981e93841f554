"""CCXTData in a real cerebro: closed bars, each once, in order; what is asked of the source; what the user is told."""

from __future__ import annotations

import random
from datetime import date, datetime, timezone
from typing import Any

import pytest

from btccxt.bt.compat import bt
from btccxt.bt.data import CCXTData
from btccxt.bt.time import num_of_ms
from btccxt.errors import BtccxtError, ConfigError, ConnectionLost, MissingBars, Unsupported
from btccxt.model import Bar, ConnectionState, Trade
from btccxt.session.events import Correction, FeedFailed, FeedState, Hole, HoleCause, TicksArrived
from tests.bt.harness import (
    DAY_MS,
    ENDED,
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
CONNECTING = FeedState(ConnectionState.CONNECTING)
RECONNECTING = FeedState(ConnectionState.RECONNECTING, "socket closed")
DEGRADED = FeedState(ConnectionState.DEGRADED, "polling")


def one_feed(*events: Any, **kwargs: Any) -> tuple[Run, Any]:
    """Run one live feed through ``events`` and its end."""
    store = FakeStore()
    run = Run(store)
    data = store.getdata(**kwargs)
    run.cerebro.adddata(data)
    store.play(lambda: store.send("BTC/USDT", *events, ENDED))
    return run.go(), data


def closes(run: Run) -> list[float]:
    return [bar[0][2] for bar in run.bars]


# ------------------------------------------------------------------ bars, each once, in order


def test_bars_come_once_and_in_order_whatever_repeats() -> None:
    bars = make_bars(6)
    run, _ = one_feed(closed(*bars[:3]), closed(*bars[1:4]), LIVE, closed(bars[2]), closed(bars[4]), closed(bars[5]))
    assert run.bars == [((n + 1, START_MS + (n + 1) * MINUTE_MS, 100.0 + n),) for n in range(6)]


def test_a_bar_is_seen_with_all_its_figures() -> None:
    store = FakeStore()
    seen: list[tuple[float, ...]] = []

    def hook(strategy: Any) -> None:
        data = strategy.data
        seen.append((data.open[0], data.high[0], data.low[0], data.close[0], data.volume[0], data.openinterest[0]))
        seen.append((data.tick_open, data.tick_high, data.tick_low, data.tick_close, data.tick_volume, data.tick_last))

    run = Run(store, on_next=hook)
    run.cerebro.adddata(store.getdata())
    store.play(lambda: store.send("BTC/USDT", closed(Bar(START_MS, 1.0, 4.0, 0.5, 2.0, 7.0)), ENDED))
    run.go()
    assert seen == [(1.0, 4.0, 0.5, 2.0, 7.0, 0.0), (1.0, 4.0, 0.5, 2.0, 7.0, 2.0)]


def test_events_of_a_feed_that_was_closed_are_not_delivered() -> None:
    store = FakeStore()
    run = Run(store)
    run.cerebro.adddata(store.getdata())

    def script() -> None:
        store.send("BTC/USDT", closed(*make_bars(1)), LIVE)
        wait_until(lambda: len(run.bars) == 1)
        run.cerebro.runstop()
        wait_until(lambda: store.feeds["BTC/USDT"].is_closed)
        store.send("BTC/USDT", closed(*make_bars(5)))

    store.play(script)
    run.go()
    old = store.feeds["BTC/USDT"]
    run.log.clear()
    store.feeds.clear()

    def second_script() -> None:
        wait_until(lambda: store.feeds)
        old.send(closed(*make_bars(5)))
        store.send("BTC/USDT", ENDED)

    store.play(second_script)
    run.go()
    assert run.bars == []


# ------------------------------------------------------------------ what is asked of the source


def test_the_request_carries_what_the_data_was_told() -> None:
    run, _ = one_feed(
        compression=15,
        fromdate=naive(2024, 1, 1, 6),
        todate=date(2024, 1, 31),
        backfill=False,
        backfill_start=False,
        bars="trades",
    )
    (request,) = run.stores[0].requests
    assert request.symbol == "BTC/USDT"
    assert request.timeframe == "15m"
    assert request.from_ms == START_MS + 6 * HOUR_MS
    assert request.to_ms == START_MS + 31 * DAY_MS  # the whole of the 31st
    assert (request.backfill_start, request.backfill, request.bars) == (False, False, "trades")
    usual, _ = one_feed()
    (request,) = usual.stores[0].requests
    assert (request.backfill_start, request.backfill, request.bars) == (True, True, "candles")


@pytest.mark.parametrize(
    ("fromdate", "tz"),
    [
        (datetime(2024, 1, 1, 3, tzinfo=timezone.utc), None),
        (datetime(2024, 1, 1, 3, tzinfo=timezone.utc), "Asia/Tokyo"),
        (naive(2024, 1, 1, 12), "Asia/Tokyo"),
        (naive(2024, 1, 1, 3), None),
    ],
)
def test_a_naive_fromdate_is_in_the_datas_zone_and_an_aware_one_is_itself(fromdate: datetime, tz: Any) -> None:
    run, _ = one_feed(fromdate=fromdate, tz=tz)
    assert run.stores[0].requests[0].from_ms == START_MS + 3 * HOUR_MS


@pytest.mark.parametrize("historical", [False, True])
@pytest.mark.parametrize("preload", [False, True])
def test_fromdate_and_todate_take_whole_bars_only(historical: bool, preload: bool) -> None:
    store = FakeStore()
    run = Run(store)
    bars = make_bars(10)
    store.past["BTC/USDT"] = bars
    run.cerebro.adddata(
        store.getdata(historical=historical, fromdate=naive(2024, 1, 1, 0, 2), todate=naive(2024, 1, 1, 0, 7))
    )
    if not historical:
        store.play(lambda: store.send("BTC/USDT", closed(*bars), ENDED))
    run.go(preload=preload)
    assert [bar[0][1] for bar in run.bars] == [START_MS + n * MINUTE_MS for n in range(3, 8)]


@pytest.mark.parametrize("preload", [False, True])
def test_the_last_bar_of_todates_day_is_in(preload: bool) -> None:
    store = FakeStore()
    run = Run(store)
    store.past["BTC/USDT"] = make_bars(30, length_ms=HOUR_MS)
    run.cerebro.adddata(store.getdata(compression=60, historical=True, todate=date(2024, 1, 1)))
    run.go(preload=preload)
    assert len(run.bars) == 24
    assert run.bars[-1][0][1] == START_MS + DAY_MS


# ------------------------------------------------------------------ historical


def rising_and_falling(count: int) -> list[Bar]:
    chance = random.Random(7)
    price, bars = 100.0, []
    for n in range(count):
        step = chance.gauss(0, 1)
        bars.append(Bar(START_MS + n * MINUTE_MS, price, price + 2, price - 2, price + step, chance.random()))
        price += step
    return bars


class Crossing(bt.Strategy):
    """Writes down bars and signals."""

    params = (("log", None),)

    def __init__(self) -> None:
        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=3), bt.ind.SMA(period=8))

    def next(self) -> None:
        data = self.data
        figures = (data.open[0], data.high[0], data.low[0], data.close[0], data.volume[0], data.openinterest[0])
        self.p.log.append((len(self), data.datetime[0], *figures, self.cross[0], self.data.tick_close))


class StockHistory(bt.feed.DataBase):
    """The same bars through backtrader's own preloading, bar by bar."""

    params = (("bars", ()),)

    def _load(self) -> bool:
        if len(self) > len(self.p.bars):
            return False
        bar = self.p.bars[len(self) - 1]
        values = (num_of_ms(bar.open_ms + MINUTE_MS), bar.open, bar.high, bar.low, bar.close, bar.volume, 0.0)
        names = ("datetime", "open", "high", "low", "close", "volume", "openinterest")
        for name, value in zip(names, values, strict=True):
            getattr(self.lines, name)[0] = value
        return True


def stock_history_log(bars: list[Bar], **kwargs: Any) -> list[Any]:
    run = Run(strategy=Crossing)
    feed_class: Any = StockHistory
    run.cerebro.adddata(feed_class(bars=tuple(bars), timeframe=TF.Minutes))
    return run.go(**kwargs).log


@pytest.mark.parametrize("how", [{}, {"runonce": False}, {"preload": False}, {"exactbars": 1}, {"lookahead": 3}])
def test_history_loaded_in_bulk_is_what_backtrader_loads_bar_by_bar(how: dict[str, Any]) -> None:
    store = FakeStore()
    bars = rising_and_falling(200)
    store.past["BTC/USDT"] = bars
    run = Run(store, cerebro=bt.Cerebro(stdstats=False, lookahead=how.get("lookahead", 0)), strategy=Crossing)
    run.cerebro.adddata(store.getdata(historical=True))
    ours = run.go(**how).log
    theirs = stock_history_log(bars)
    assert len(ours) == 192
    assert ours[:-1] == theirs[:-1]
    assert ours[-1][:-1] == theirs[-1][:-1]  # backtrader forgets the tick of the last bar


def test_history_may_be_cloned_filtered_and_subclassed() -> None:
    class WithSpread(CCXTData):
        lines = ("spread",)

    store = FakeStore()
    store.past["BTC/USDT"] = make_bars(5)
    run = Run(store)
    data_class: Any = WithSpread
    data = data_class(source=store, dataname="BTC/USDT", timeframe=TF.Minutes, historical=True)
    run.cerebro.adddata(data)
    run.cerebro.adddata(data.clone())
    filtered = store.getdata(historical=True)
    filtered.addfilter_simple(lambda data: data.close[0] % 2 == 1)
    run.cerebro.adddata(filtered)
    run.go()
    assert run.bars[-1] == ((5, START_MS + 5 * MINUTE_MS, 104.0),) * 2 + ((3, START_MS + 5 * MINUTE_MS, 104.0),)
    assert data.lines.spread.buflen() == 5


def test_history_beside_a_live_feed_waits_for_the_live_feeds_history() -> None:
    store = FakeStore()
    run = Run(store)
    store.past["ETH/USDT"] = make_bars(10)
    run.cerebro.adddata(store.getdata("BTC/USDT"))
    run.cerebro.adddata(store.getdata("ETH/USDT", historical=True))

    def script() -> None:
        wait_until(lambda: "CONNECTED" in run.statuses("ETH/USDT"))
        store.send("BTC/USDT", closed(*make_bars(10)), LIVE, ENDED)

    store.play(script)
    run.go()
    assert [(btc[0], eth[0]) for btc, eth in run.bars] == [(n, n) for n in range(1, 11)]
    assert run.statuses("ETH/USDT") == ["CONNECTED", "DISCONNECTED"]


def test_an_optimisation_downloads_the_history_once() -> None:
    store = FakeStore()
    store.past["BTC/USDT"] = make_bars(20)
    cerebro = bt.Cerebro(stdstats=False, maxcpus=1)
    store.cerebro = cerebro
    cerebro.adddata(store.getdata(historical=True))

    class Tried(bt.Strategy):
        params = (("period", 1),)

        def stop(self) -> None:
            self.length = len(self)

    cerebro.optstrategy(Tried, period=(1, 2, 3))
    assert len(cerebro.run()) == 3
    assert len(store.requests) == 1


def test_no_history_at_all_ends_the_run_at_once() -> None:
    store = FakeStore()
    store.past["BTC/USDT"] = []
    run = Run(store)
    run.cerebro.adddata(store.getdata(historical=True, fromdate=naive(2024, 1, 1)))
    assert run.go().bars == []
    assert any("fakex has nothing from 2024-01-01 00:00:00 to now" in text for text in run.store_messages)


# ------------------------------------------------------------------ trades


def trade(ms: int, price: float, amount: float = 1.0) -> Trade:
    return Trade(str(ms), START_MS + ms, price, amount)


def test_ticks_are_single_trades_at_their_own_time() -> None:
    trades = (trade(5, 10.0, 0.25), trade(5, 11.0), trade(17, 12.0))
    run, data = one_feed(TicksArrived(trades[:2]), LIVE, TicksArrived(trades[2:]), timeframe=TF.Ticks)
    assert run.stores[0].requests[0].timeframe is None
    assert [(bar[0][1] - START_MS, bar[0][2]) for bar in run.bars] == [(5, 10.0), (5, 11.0), (17, 12.0)]
    assert data.volume.array[0] == 0.25
    assert data.open.array[1] == data.high.array[1] == data.low.array[1] == 11.0


def test_past_trades_may_be_replayed_from_history() -> None:
    store = FakeStore()
    store.past["BTC/USDT"] = [trade(n * 10, 10.0 + n) for n in range(5)]
    run = Run(store)
    run.cerebro.adddata(store.getdata(timeframe=TF.Ticks, historical=True))
    assert closes(run.go()) == [10.0, 11.0, 12.0, 13.0, 14.0]


def test_a_trade_on_a_boundary_belongs_to_the_bar_that_begins_there() -> None:
    store = FakeStore()
    seen: list[tuple[int, float]] = []

    def hook(strategy: Any) -> None:
        seen.append((stamp_ms(strategy.data) - START_MS, strategy.data.volume[0]))

    run = Run(store, on_next=hook)
    data = store.getdata(timeframe=TF.Ticks)
    run.cerebro.resampledata(data, timeframe=TF.Seconds, compression=5)
    trades = tuple(trade(ms, 10.0) for ms in (0, 4_999, 5_000, 7_000, 10_000, 11_000))
    store.play(lambda: store.send("BTC/USDT", TicksArrived(trades), LIVE, ENDED))
    run.go()
    assert seen == [(5_000, 2.0), (10_000, 2.0)]


def test_a_trade_older_than_the_last_is_dropped_and_said_once() -> None:
    run, data = one_feed(TicksArrived((trade(9, 1.0), trade(5, 2.0), trade(6, 3.0), trade(9, 4.0))), timeframe=TF.Ticks)
    assert closes(run) == [1.0, 4.0]
    assert data.late_bars == 2
    assert len(run.store_messages) == 1


# ------------------------------------------------------------------ replay


@pytest.mark.parametrize("beside_base", [False, True])
def test_replaydata_works_live(beside_base: bool) -> None:
    store = FakeStore()
    seen: list[tuple[int, float]] = []

    def hook(strategy: Any) -> None:
        data = strategy.datas[-1]
        if len(data):
            seen.append((len(data), data.volume[0]))

    run = Run(store, on_next=hook)
    data = store.getdata()
    if beside_base:
        run.cerebro.adddata(data)
    run.cerebro.replaydata(data, timeframe=TF.Minutes, compression=3)

    def script() -> None:
        for bar in make_bars(6):
            count = len(run.bars)
            store.send("BTC/USDT", closed(bar), LIVE)
            wait_until(lambda count=count: len(run.bars) > count)
        store.send("BTC/USDT", ENDED)

    store.play(script)
    run.go()
    assert seen == [(1, 1.0), (1, 2.0), (1, 3.0), (2, 1.0), (2, 2.0), (2, 3.0)]


def test_a_resampled_view_of_a_replayed_data_gets_every_bar_as_it_came() -> None:
    """Its parent shows growing bars; what they are made of is what the view resamples."""
    store = FakeStore()
    run = Run(store)
    data = store.getdata()
    run.cerebro.replaydata(data, timeframe=TF.Minutes, compression=3)
    run.cerebro.resampledata(data, timeframe=TF.Minutes, compression=2)

    def script() -> None:
        store.send("BTC/USDT", LIVE)
        for bar in make_bars(6):
            store.send("BTC/USDT", closed(bar))
        store.send("BTC/USDT", ENDED)

    store.play(script)
    run.go()
    view = run.result[0].datas[1]
    assert list(view.volume.get(size=len(view))) == [2.0, 2.0, 2.0]
    assert list(view.close.get(size=len(view))) == [101.0, 103.0, 105.0]


# ------------------------------------------------------------------ backfill_from


def test_backfill_from_comes_first_and_the_exchange_goes_on_after_it() -> None:
    bars = make_bars(8)
    stored_class: Any = StockHistory
    stored = stored_class(bars=tuple(bars[:4]), timeframe=TF.Minutes)
    run, _ = one_feed(closed(*bars[2:6]), LIVE, closed(*bars[6:]), backfill_from=stored)
    assert run.stores[0].requests[0].from_ms == bars[4].open_ms
    assert closes(run) == [100.0 + n for n in range(8)]


def test_backfill_from_serves_historical_data_too() -> None:
    bars = make_bars(8)
    store = FakeStore()
    store.past["BTC/USDT"] = bars[3:]
    stored_class: Any = StockHistory
    run = Run(store)
    stored = stored_class(bars=tuple(bars[:4]), timeframe=TF.Minutes)
    run.cerebro.adddata(store.getdata(historical=True, backfill_from=stored))
    assert closes(run.go()) == [100.0 + n for n in range(8)]


# ------------------------------------------------------------------ gaps


def hole(first: int, last: int, cause: HoleCause = HoleCause.EXCHANGE) -> Hole:
    return Hole(START_MS + first * MINUTE_MS, START_MS + last * MINUTE_MS, cause)


def test_a_hole_of_the_exchange_is_reported_and_nothing_is_invented() -> None:
    bars = make_bars(10)
    run, data = one_feed(closed(*bars[:3]), hole(3, 8), closed(*bars[8:]), LIVE)
    assert [bar[0][1] for bar in run.bars] == [START_MS + n * MINUTE_MS for n in (1, 2, 3, 9, 10)]
    (message,) = run.store_messages
    assert "BTC/USDT 1m" in message
    assert "2024-01-01 00:03:00 to 2024-01-01 00:08:00" in message
    assert list(data.holes) == [hole(3, 8)]


def test_a_hole_is_filled_with_flat_bars_that_say_so_when_asked() -> None:
    store = FakeStore()
    seen: list[tuple[float, float, bool]] = []

    def hook(strategy: Any) -> None:
        data = strategy.data
        seen.append((data.close[0], data.volume[0], data.is_filler()))

    run = Run(store, on_next=hook)
    run.cerebro.adddata(store.getdata(gaps="fill"))
    bars = make_bars(6)
    store.play(lambda: store.send("BTC/USDT", closed(*bars[:2]), hole(2, 5), closed(bars[5]), ENDED))
    run.go()
    assert seen == [
        (100.0, 1.0, False),
        (101.0, 1.0, False),
        *[(101.0, 0.0, True)] * 3,
        (105.0, 1.0, False),
    ]
    assert [bar[0][1] for bar in run.bars] == [START_MS + (n + 1) * MINUTE_MS for n in range(6)]


def test_a_hole_ends_the_run_when_it_shall() -> None:
    bars = make_bars(6)
    store = FakeStore()
    run = Run(store)
    run.cerebro.adddata(store.getdata(gaps="raise"))
    store.play(lambda: store.send("BTC/USDT", closed(*bars[:2]), hole(2, 5), closed(bars[5]), ENDED))
    with pytest.raises(MissingBars, match="BTC/USDT 1m: no bars from 2024-01-01 00:02:00"):
        run.go()
    assert closes(run) == [100.0, 101.0]
    assert store.calls == ["start", "stop"]


@pytest.mark.parametrize("cause", [HoleCause.NO_TRADES, HoleCause.DEPTH])
def test_no_trades_and_the_beginning_of_history_are_no_reason_to_end(cause: HoleCause) -> None:
    bars = make_bars(6)
    run, _ = one_feed(closed(bars[0]), hole(1, 2, cause), closed(bars[2]), hole(3, 4, cause), gaps="raise")
    assert closes(run) == [100.0, 102.0]
    assert len(run.store_messages) == (1 if cause is HoleCause.NO_TRADES else 2)


def test_history_that_begins_later_is_not_filled() -> None:
    bars = make_bars(6)
    run, _ = one_feed(hole(0, 3, HoleCause.DEPTH), closed(*bars[3:]), gaps="fill")
    assert closes(run) == [103.0, 104.0, 105.0]


# ------------------------------------------------------------------ what the user is told


def test_the_states_of_a_feed_are_told_in_backtraders_words_and_in_order() -> None:
    bars = make_bars(6)
    run, _ = one_feed(
        CONNECTING,
        closed(*bars[:2]),
        LIVE,
        closed(bars[2]),
        RECONNECTING,
        RECONNECTING,
        closed(bars[3]),
        LIVE,
        closed(bars[4]),
        DEGRADED,
        closed(bars[5]),
        FeedState(ConnectionState.CONNECTING, "asking for bars"),
        LIVE,
    )
    told = [entry[2] if entry[0] == "data" else entry[1][0][2] for entry in run.kinds("data", "next")]
    assert told == [
        *("CONNECTED", "DELAYED", 100.0, 101.0, "LIVE", 102.0, "CONNBROKEN", "DELAYED", 103.0, "LIVE", 104.0),
        *("CONNBROKEN", "DELAYED", 105.0, "LIVE", "DISCONNECTED"),
    ]


def test_a_broken_connection_is_told_while_history_is_held_back() -> None:
    store = FakeStore()
    run = Run(store)
    for symbol in ("BTC/USDT", "ETH/USDT"):
        run.cerebro.adddata(store.getdata(symbol))

    def script() -> None:
        store.send("BTC/USDT", closed(*make_bars(3)), RECONNECTING)
        wait_until(lambda: "CONNBROKEN" in run.statuses())
        assert run.bars == []
        store.send("BTC/USDT", LIVE, ENDED)
        store.send("ETH/USDT", LIVE, ENDED)

    store.play(script)
    run.go()


def test_polled_history_is_complete_with_the_bar_that_has_just_closed() -> None:
    store = FakeStore()
    store.clock.set(START_MS + 5 * MINUTE_MS + 2_000)
    run = Run(store)
    for symbol in ("BTC/USDT", "ETH/USDT"):
        run.cerebro.adddata(store.getdata(symbol))

    def script() -> None:
        for symbol in ("BTC/USDT", "ETH/USDT"):
            store.send(symbol, DEGRADED, closed(*make_bars(5)))
        wait_until(lambda: len(run.bars) == 5, "the histories were let go without LIVE")
        run.cerebro.runstop()

    store.play(script)
    run.go()
    assert [(btc[0], eth[0]) for btc, eth in run.bars] == [(n, n) for n in range(1, 6)]


def test_a_correction_of_a_delivered_bar_is_told() -> None:
    bars = make_bars(2)
    run, _ = one_feed(closed(*bars), Correction(bars[0], bars[1]))
    assert any("corrected" in message for message in run.store_messages)


def test_a_feed_that_fails_before_its_first_bar_ends_the_run_with_its_error() -> None:
    store = FakeStore()
    run = Run(store)
    run.cerebro.adddata(store.getdata())
    run.cerebro.adddata(store.getdata("NO/SUCH"))

    def script() -> None:
        store.send("BTC/USDT", closed(*make_bars(2)), LIVE)
        store.send("NO/SUCH", FeedFailed(Unsupported("fakex has no NO/SUCH")))

    store.play(script)
    with pytest.raises(Unsupported, match="NO/SUCH"):
        run.go()
    assert store.calls == ["start", "stop"]


def test_an_error_of_somebody_else_is_wrapped_and_names_the_feed() -> None:
    store = FakeStore()
    run = Run(store)
    run.cerebro.adddata(store.getdata())
    store.play(lambda: store.send("BTC/USDT", FeedFailed(KeyError("x"))))
    with pytest.raises(BtccxtError, match="BTC/USDT 1m: KeyError"):
        run.go()


def test_a_feed_that_fails_later_says_so_and_the_others_go_on() -> None:
    store = FakeStore()
    run = Run(store)
    for symbol in ("BTC/USDT", "ETH/USDT"):
        run.cerebro.adddata(store.getdata(symbol))
    bars = make_bars(5)

    def script() -> None:
        for symbol in ("BTC/USDT", "ETH/USDT"):
            store.send(symbol, closed(*bars[:2]), LIVE)
        wait_until(lambda: len(run.bars) == 2)
        store.send("ETH/USDT", FeedFailed(ConnectionLost("delisted")))
        wait_until(lambda: "DISCONNECTED" in run.statuses("ETH/USDT"))
        store.send("BTC/USDT", closed(*bars[2:]), ENDED)

    store.play(script)
    run.go()
    assert run.statuses("ETH/USDT")[-2:] == ["NOTSUBSCRIBED", "DISCONNECTED"]
    assert any("ETH/USDT 1m has ended: delisted" in message for message in run.store_messages)
    assert run.bars[-1][0][0] == 5


# ------------------------------------------------------------------ bad input, before anything is sent


def test_a_timeframe_that_is_not_offered_is_refused_at_adddata_and_notified() -> None:
    store = FakeStore()
    run = Run(store)
    told: list[Any] = []
    run.cerebro.adddatacb(lambda data, status, *args, **kwargs: told.append((data._getstatusname(status), *args)))
    with pytest.raises(ConfigError, match=r"fakex has no 7m candles. Nearest: 5m and 15m"):
        run.cerebro.adddata(store.getdata(compression=7))
    assert told[0][0] == "NOTSUPPORTED_TIMEFRAME"
    assert "resampledata" in told[0][1]
    assert store.requests == []


def test_bars_built_from_trades_may_have_any_length() -> None:
    run, _ = one_feed(LIVE, compression=7, bars="trades")
    assert run.stores[0].requests[0].timeframe == "7m"


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"gaps": "fil"}, "gaps='fil'.*did you mean 'fill'"),
        ({"stamp": "closed"}, "stamp='closed'.*did you mean 'close'"),
        ({"bars": "candle"}, "bars='candle'.*did you mean 'candles'"),
        ({"dataname": None}, "dataname=None.*BTC/USDT"),
        ({"timeframe": TF.NoTimeFrame}, "NoTimeFrame"),
        ({"compression": 0}, "compression=0"),
        ({"timeframe": TF.Ticks, "compression": 5}, "compression=5, but trades"),
        ({"tz": "Europe/Belrin"}, "Europe/Berlin"),
        ({"tzinput": "Europe/Berlin"}, "tzinput"),
        ({"fromdate": naive(2024, 2, 1), "todate": naive(2024, 1, 1)}, "does not lie before"),
        ({"fromdate": naive(2024, 2, 1), "todate": naive(2024, 2, 1)}, "does not lie before"),
        ({"timeframe": "1m"}, r"write timeframe=bt\.TimeFrame\.Minutes, compression=1$"),
        ({"timeframe": "4h"}, r"bt\.TimeFrame\.Minutes, compression=240$"),
        ({"timeframe": "minute"}, r"bt\.TimeFrame\.Minutes$"),
        ({"timeframe": "Days"}, r"bt\.TimeFrame\.Days$"),
        ({"timeframe": None}, r"bt\.TimeFrame\.Minutes, compression=5$"),
        ({"timeframe": 99}, "99"),
        ({"timeframe": TF.Minutes, "compression": "5"}, "compression='5': must be a whole number"),
        ({"timeframe": TF.Minutes, "compression": 1.5}, "whole number"),
        ({"fromdate": "2026-01-31"}, r"fromdate=datetime\.datetime\(2026, 1, 31, 0, 0\)"),
        ({"todate": "yesterday"}, "todate='yesterday': give a datetime"),
        ({"backfil": True}, "no argument 'backfil'; did you mean backfill"),
        ({"symbol": "BTC/USDT"}, "no argument 'symbol'; write dataname"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(kwargs: dict[str, Any], words: str) -> None:
    store = FakeStore()
    run = Run(store)
    with pytest.raises(ConfigError, match=words):
        run.cerebro.adddata(store.getdata(**{"dataname": "BTC/USDT", **kwargs}))
        run.go()
    assert store.requests == []


@pytest.mark.parametrize(("historical", "maxcpus", "words"), [(False, 1, "historical=True"), (True, None, "maxcpus=1")])
def test_an_optimisation_that_cannot_work_says_what_would(historical: bool, maxcpus: int | None, words: str) -> None:
    store = FakeStore()
    store.past["BTC/USDT"] = make_bars(3)
    cerebro = bt.Cerebro(stdstats=False, maxcpus=maxcpus)
    cerebro.adddata(store.getdata(historical=historical))
    cerebro.optstrategy(Crossing, log=([], []))
    with pytest.raises(ConfigError, match=words):
        cerebro.run()
    assert store.requests == []


def test_data_without_a_store_says_where_it_comes_from() -> None:
    data_class: Any = CCXTData
    with pytest.raises(ConfigError, match=r"store\.getdata"):
        data_class(dataname="BTC/USDT")
