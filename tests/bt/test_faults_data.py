"""Faults of backtrader itself on the data side: each is shown on the stock class, then shown to be gone.

Scenarios are the same for both; "stock" runs deliver the same bars through a feed written as backtrader documents it.
"""

from __future__ import annotations

import random
import zoneinfo
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from btccxt.bt.compat import bt
from btccxt.bt.time import ms_of_num
from btccxt.model import Bar
from tests.bt.harness import (
    DAY_MS,
    ENDED,
    HOUR_MS,
    LIVE,
    MINUTE_MS,
    START_MS,
    FakeStore,
    Run,
    Seen,
    closed,
    make_bars,
    naive,
    stamp_ms,
    wait_until,
)
from tests.bt.stock import PAUSE, stock_feed

Minutes, Days, Weeks = bt.TimeFrame.Minutes, bt.TimeFrame.Days, bt.TimeFrame.Weeks


def add_resampled(cerebro: Any, data: Any, **kwargs: Any) -> Any:
    kwargs.setdefault("timeframe", Minutes)
    kwargs.setdefault("compression", 5)
    return cerebro.resampledata(data, **kwargs)


def volumes_of(index: int) -> tuple[list[tuple[int, float]], Any]:
    """A list that gets (stamp, volume) of every new bar of data ``index``, and the hook that fills it."""
    seen: list[tuple[int, float]] = []

    def hook(strategy: Any) -> None:
        data = strategy.datas[index]
        if len(data) > len(seen):
            seen.append((stamp_ms(data), data.volume[0]))

    return seen, hook


# ------------------------------------------------------------------ resampledata beside adddata


def test_stock_cerebro_crashes_when_only_a_resampled_data_delivers() -> None:
    run = Run()
    data = stock_feed([*make_bars(3), PAUSE, PAUSE, PAUSE])
    run.cerebro.adddata(data)
    add_resampled(run.cerebro, data)
    with pytest.raises(ValueError, match="min"):
        run.go()


def test_a_resampled_data_may_deliver_alone_beside_its_base() -> None:
    store = FakeStore()
    run = Run(store)
    data = store.getdata()
    run.cerebro.adddata(data)
    add_resampled(run.cerebro, data)
    bars = make_bars(3)

    def script() -> None:
        store.send("BTC/USDT", closed(*bars), LIVE)
        wait_until(lambda: len(run.bars) == 3)
        store.clock.set(START_MS + 5 * MINUTE_MS + 60_000)  # nothing was traded: the clock closes the five minutes
        wait_until(lambda: len(run.bars) == 4, "the resampled bar came")
        store.send("BTC/USDT", ENDED)

    store.play(script)
    run.go()
    base, resampled = run.bars[-1]
    assert base == (3, START_MS + 3 * MINUTE_MS, 102.0)
    assert resampled == (1, START_MS + 5 * MINUTE_MS, 102.0)


# ------------------------------------------------------------------ exactbars=1 with several feeds


def uneven_feeds(seed: int) -> list[list[Bar]]:
    """Three markets; each lacks some minutes that the others have."""
    chance = random.Random(seed)
    return [
        [bar for bar in make_bars(30, price=1000.0 * (n + 1)) if chance.random() < 0.6] or make_bars(1)
        for n in range(3)
    ]


def stock_log(feeds: list[list[Bar]], exactbars: int) -> Any:
    run = Run()
    for bars in feeds:
        run.cerebro.adddata(stock_feed(bars))
    try:
        return run.go(exactbars=exactbars).log
    except (IndexError, ValueError) as error:
        return repr(error)


class Averaging(Seen):
    """An indicator makes backtrader keep more bars than one."""

    def __init__(self) -> None:
        self.averages = [bt.ind.SMA(data, period=3) for data in self.datas]

    def _bars(self, kind: str) -> None:
        super()._bars(kind)
        self.write("sma", tuple(average[0] if len(average) else None for average in self.averages))


def our_log(feeds: list[list[Bar]], exactbars: int, more: str = "plain") -> list[Any]:
    store = FakeStore()
    run = Run(store, strategy=Averaging)
    for index, _ in enumerate(feeds):
        data = store.getdata(f"COIN{index}/USDT")
        run.cerebro.adddata(data)
        if more == "resampled":
            add_resampled(run.cerebro, data, compression=3)
        elif more == "replayed":
            run.cerebro.replaydata(data, timeframe=Minutes, compression=3)

    def script() -> None:
        for index, bars in enumerate(feeds):
            store.send(f"COIN{index}/USDT", closed(*bars), ENDED)

    store.play(script)
    return run.go(exactbars=exactbars).log


def test_stock_exactbars_loses_bars_of_several_feeds() -> None:
    assert any(stock_log(uneven_feeds(seed), 1) != stock_log(uneven_feeds(seed), 0) for seed in range(5))


@pytest.mark.parametrize("more", ["plain", "resampled", "replayed"])
def test_exactbars_gives_the_same_bars_as_keeping_everything(more: str) -> None:
    for seed in range(10):
        feeds = uneven_feeds(seed)
        assert repr(our_log(feeds, 1, more)) == repr(our_log(feeds, 0, more)), f"seed {seed}"  # repr: nan is not nan


# ------------------------------------------------------------------ late klines in resampled bars


def test_stock_clock_closes_a_resampled_bar_before_its_last_kline() -> None:
    bars = make_bars(10)
    seen, hook = volumes_of(0)
    run = Run(on_next=hook)
    at_the_edge = START_MS + 5 * MINUTE_MS + 1_000
    add_resampled(run.cerebro, stock_feed([*bars[:4], PAUSE, PAUSE, *bars[4:]], clock_ms=at_the_edge))
    run.go()
    assert seen[0] == (START_MS + 5 * MINUTE_MS, 4.0)  # the fifth minute is missing ...
    assert seen[1][1] == 6.0  # ... and is in the next bar


def test_a_kline_may_arrive_after_the_edge_without_spoiling_its_resampled_bar() -> None:
    store = FakeStore()
    seen, hook = volumes_of(0)
    run = Run(store, on_next=hook)
    data = store.getdata()
    add_resampled(run.cerebro, data)
    bars = make_bars(10)

    def script() -> None:
        store.send("BTC/USDT", closed(*bars[:4]), LIVE)
        wait_until(lambda: data._laststatus == data.LIVE)
        store.clock.set(START_MS + 5 * MINUTE_MS + 1_000)  # one second late; five are allowed
        polls = loops_of(run)
        wait_until(lambda: loops_of(run) > polls + 2, "cerebro looked at the clock")
        assert seen == []
        store.send("BTC/USDT", closed(*bars[4:]))
        wait_until(lambda: len(seen) == 2)
        store.send("BTC/USDT", ENDED)

    count_loops(run)
    store.play(script)
    run.go()
    assert seen == [(START_MS + 5 * MINUTE_MS, 5.0), (START_MS + 10 * MINUTE_MS, 5.0)]


def test_stock_bar_of_another_feed_closes_a_resampled_bar_too_early() -> None:
    bars, others = make_bars(10), make_bars(10)
    seen, hook = volumes_of(1)
    run = Run(on_next=hook)
    run.cerebro.adddata(stock_feed(others))
    # The other feed's bar of the fifth minute comes one poll before this feed's (cerebro polls twice per loop).
    add_resampled(run.cerebro, stock_feed([*bars[:4], *[PAUSE] * 9, *bars[4:]], clock_ms=START_MS))
    run.go()
    assert seen[0] == (START_MS + 5 * MINUTE_MS, 4.0)


def test_only_its_own_bars_and_the_clock_close_a_resampled_bar() -> None:
    store = FakeStore()
    seen, hook = volumes_of(1)
    run = Run(store, on_next=hook)
    run.cerebro.adddata(store.getdata("ETH/USDT"))
    add_resampled(run.cerebro, store.getdata("BTC/USDT"))
    bars = make_bars(10)

    def script() -> None:
        store.clock.set(START_MS + 5 * MINUTE_MS)
        store.send("BTC/USDT", closed(*bars[:4]), LIVE)
        store.send("ETH/USDT", closed(*bars[:4]), LIVE)
        wait_until(lambda: len(run.bars) == 4)
        store.send("ETH/USDT", closed(bars[4]))
        wait_until(lambda: len(run.bars) == 5)
        store.send("BTC/USDT", closed(*bars[4:]))
        wait_until(lambda: len(seen) == 2)
        store.send("ETH/USDT", ENDED)
        store.send("BTC/USDT", ENDED)

    store.play(script)
    run.go()
    assert seen == [(START_MS + 5 * MINUTE_MS, 5.0), (START_MS + 10 * MINUTE_MS, 5.0)]


@pytest.mark.parametrize("beside_base", [False, True])
def test_the_clock_closes_no_resampled_bar_while_history_is_still_coming(beside_base: bool) -> None:
    store = FakeStore()
    seen, hook = volumes_of(1 if beside_base else 0)
    run = Run(store, on_next=hook)
    data = store.getdata()
    if beside_base:
        run.cerebro.adddata(data)
    add_resampled(run.cerebro, data)
    bars = make_bars(10)
    store.clock.set(START_MS + 30 * DAY_MS)

    def script() -> None:
        store.send("BTC/USDT", closed(*bars[:4]))  # first page
        polls = loops_of(run)
        wait_until(lambda: loops_of(run) > polls + 2, "cerebro looked at the clock")
        store.send("BTC/USDT", closed(*bars[4:]), LIVE, ENDED)  # second page

    count_loops(run)
    store.play(script)
    run.go()
    assert seen == [(START_MS + 5 * MINUTE_MS, 5.0), (START_MS + 10 * MINUTE_MS, 5.0)]


@pytest.mark.parametrize("latethrough", [False, True])
def test_a_kline_later_than_allowed_is_dropped_and_said_or_let_through(latethrough: bool) -> None:
    store = FakeStore()
    seen, hook = volumes_of(0)
    run = Run(store, on_next=hook)
    data = store.getdata(latethrough=latethrough)
    add_resampled(run.cerebro, data)
    bars = make_bars(15)

    def script() -> None:
        store.send("BTC/USDT", closed(*bars[:9]), LIVE)
        wait_until(lambda: len(seen) == 1)
        store.clock.set(START_MS + 11 * MINUTE_MS)
        wait_until(lambda: len(seen) == 2, "the clock closed the second bar")
        store.send("BTC/USDT", closed(*bars[9:]))
        wait_until(lambda: len(seen) == 3)
        store.send("BTC/USDT", ENDED)

    store.play(script)
    run.go()
    assert seen[1] == (START_MS + 10 * MINUTE_MS, 4.0)
    assert seen[2] == (START_MS + 15 * MINUTE_MS, 6.0 if latethrough else 5.0)
    assert data.late_bars == (0 if latethrough else 1)
    assert any("too late" in text for text in run.store_messages) == (not latethrough)


def count_loops(run: Run) -> None:
    run.cerebro._loops = 0
    notify = run.cerebro._storenotify

    def counting() -> None:
        run.cerebro._loops += 1
        notify()

    run.cerebro._storenotify = counting


def loops_of(run: Run) -> int:
    return run.cerebro._loops


# ------------------------------------------------------------------ daily bars of close-stamped minutes


def day_of_bars(hours: int) -> list[Bar]:
    return make_bars(hours, length_ms=HOUR_MS)


def test_stock_resampling_counts_the_last_hour_to_the_next_day() -> None:
    seen, hook = volumes_of(0)
    run = Run(on_next=hook)
    add_resampled(run.cerebro, stock_feed(day_of_bars(72), frame="1h", compression=60), timeframe=Days, compression=1)
    run.go()
    assert [volume for _, volume in seen[:2]] == [23.0, 24.0]


@pytest.mark.parametrize("historical", [False, True])
@pytest.mark.parametrize("beside_base", [False, True])
def test_a_day_has_its_24_hours_and_comes_with_the_last_of_them(historical: bool, beside_base: bool) -> None:
    store = FakeStore()
    seen, hook = volumes_of(1 if beside_base else 0)
    run = Run(store, on_next=hook)
    bars = day_of_bars(72 + 5)
    store.past["BTC/USDT"] = bars
    data = store.getdata(compression=60, historical=historical)
    if beside_base:
        run.cerebro.adddata(data)
    add_resampled(run.cerebro, data, timeframe=Days, compression=1)

    def script() -> None:
        store.send("BTC/USDT", closed(*bars[:24]), LIVE)
        wait_until(lambda: len(seen) == 1, "the first day came before the second began")
        store.send("BTC/USDT", closed(*bars[24:]), ENDED)

    if not historical:
        store.play(script)
    run.go()
    assert seen == [(START_MS + day * DAY_MS, 24.0) for day in (1, 2, 3)]


def test_a_day_of_another_zone_ends_at_its_own_midnight() -> None:
    store = FakeStore()
    seen, hook = volumes_of(0)
    run = Run(store, on_next=hook)
    store.past["BTC/USDT"] = day_of_bars(72)
    data = store.getdata(compression=60, historical=True, tz="Asia/Tokyo")
    add_resampled(run.cerebro, data, timeframe=Days, compression=1)
    run.go()
    assert seen == [(START_MS + 15 * HOUR_MS, 15.0), (START_MS + 39 * HOUR_MS, 24.0), (START_MS + 63 * HOUR_MS, 24.0)]


def test_stock_week_waits_for_the_next_weeks_first_bar() -> None:
    seen, hook = volumes_of(0)
    run = Run(on_next=hook)
    bars = make_bars(8, length_ms=DAY_MS)
    feed = stock_feed([*bars[:7], PAUSE, PAUSE, "look", bars[7]], frame="1d", timeframe=Days)
    looked: list[int] = []
    load = feed._load

    def looking() -> Any:
        if feed._script and feed._script[0] == "look":
            feed._script.popleft()
            looked.append(len(seen))
        return load()

    feed._load = looking
    add_resampled(run.cerebro, feed, timeframe=Weeks, compression=1)
    run.go()
    assert looked == [0]


def test_a_week_comes_with_its_sunday() -> None:
    store = FakeStore()
    seen, hook = volumes_of(0)
    run = Run(store, on_next=hook)
    add_resampled(run.cerebro, store.getdata(timeframe=Days), timeframe=Weeks, compression=1)
    bars = make_bars(8, length_ms=DAY_MS)

    def script() -> None:
        store.send("BTC/USDT", closed(*bars[:7]), LIVE)
        wait_until(lambda: len(seen) == 1, "the week came before the next one began")
        store.send("BTC/USDT", closed(bars[7]), ENDED)

    store.play(script)
    run.go()
    assert seen == [(START_MS + 7 * DAY_MS, 7.0)]


# ------------------------------------------------------------------ half a resampled bar at the end


def test_stock_shutdown_delivers_half_a_bar_stamped_in_the_future() -> None:
    seen, hook = volumes_of(0)
    run = Run(on_next=hook)
    add_resampled(run.cerebro, stock_feed(make_bars(7)))
    run.go()
    assert seen[-1] == (START_MS + 10 * MINUTE_MS, 2.0)


@pytest.mark.parametrize("historical", [False, True])
@pytest.mark.parametrize("beside_base", [False, True])
def test_half_a_resampled_bar_is_not_delivered_at_the_end(historical: bool, beside_base: bool) -> None:
    store = FakeStore()
    seen, hook = volumes_of(1 if beside_base else 0)
    run = Run(store, on_next=hook)
    store.past["BTC/USDT"] = make_bars(7)
    data = store.getdata(historical=historical)
    if beside_base:
        run.cerebro.adddata(data)
    add_resampled(run.cerebro, data)
    if not historical:
        store.play(lambda: store.send("BTC/USDT", closed(*make_bars(7)), LIVE, ENDED))
    run.go()
    assert seen == [(START_MS + 5 * MINUTE_MS, 5.0)]


# ------------------------------------------------------------------ clones that miss bars


def test_stock_clone_misses_bars_after_one_of_its_own_was_put_back() -> None:
    bars = make_bars(9)
    seen, hook = volumes_of(2)
    run = Run(on_next=hook)
    btc = stock_feed(bars[2:])  # its first three-minute bar is at hand while the other feed is two minutes behind
    run.cerebro.adddata(btc)
    run.cerebro.adddata(stock_feed(bars))
    add_resampled(run.cerebro, btc, compression=3)
    run.go()
    assert [volume for _, volume in seen] != [1.0, 3.0, 3.0]


def test_a_clone_gets_every_bar_of_its_parent() -> None:
    store = FakeStore()
    seen, hook = volumes_of(2)
    run = Run(store, on_next=hook)
    bars = make_bars(9)
    btc = store.getdata()
    run.cerebro.adddata(btc)
    run.cerebro.adddata(store.getdata("ETH/USDT"))
    add_resampled(run.cerebro, btc, compression=3)

    def script() -> None:
        store.send("BTC/USDT", closed(*bars[2:]), LIVE, ENDED)
        store.send("ETH/USDT", closed(*bars), LIVE, ENDED)

    store.play(script)
    run.go()
    assert [volume for _, volume in seen] == [1.0, 3.0, 3.0]


# ------------------------------------------------------------------ time zones


def test_stock_data_cannot_use_the_standard_librarys_time_zones() -> None:
    run = Run()
    run.cerebro.adddata(stock_feed(make_bars(1), tz=zoneinfo.ZoneInfo("Europe/Berlin")))
    with pytest.raises(AttributeError, match="localize"):
        run.go()


@pytest.mark.parametrize(
    "tz",
    [
        zoneinfo.ZoneInfo("Asia/Kolkata"),
        timezone(timedelta(hours=5, minutes=30)),
        "Asia/Kolkata",
    ],
    ids=["zoneinfo", "datetime.timezone", "name"],
)
def test_any_standard_time_zone_serves(tz: Any) -> None:
    times: list[tuple[datetime, datetime]] = []
    store = FakeStore()
    run = Run(
        store, on_next=lambda strategy: times.append((strategy.data.datetime.datetime(), strategy.datetime.datetime()))
    )
    store.past["BTC/USDT"] = make_bars(3)
    run.cerebro.adddata(store.getdata(historical=True, tz=tz, fromdate=naive(2024, 1, 1, 5, 31)))
    run.go(tz=tz)
    first = naive(2024, 1, 1, 5, 32)
    assert times[0] == (first, first)
    assert run.bars[0][0][1] == START_MS + 2 * MINUTE_MS  # the line itself stays UTC


# ------------------------------------------------------------------ == on datas


def test_stock_equality_of_two_datas_compares_their_prices() -> None:
    answers: list[bool] = []
    run = Run(on_next=lambda strategy: answers.append(bool(strategy.datas[0] == strategy.datas[1])))
    run.cerebro.adddata(stock_feed(make_bars(1)))
    run.cerebro.adddata(stock_feed(make_bars(1)))
    run.go()
    assert answers == [True]  # two different markets


def test_two_markets_at_the_same_price_are_never_taken_for_each_other() -> None:
    store = FakeStore()
    run = Run(store)
    for symbol in ("BTC/USDT", "ETH/USDT"):
        data = store.getdata(symbol)
        run.cerebro.adddata(data)
        add_resampled(run.cerebro, data)
    flat = [Bar(START_MS + n * MINUTE_MS, 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(10)]

    def script() -> None:
        store.send("BTC/USDT", closed(*flat), LIVE, ENDED)
        store.send("ETH/USDT", closed(*flat[:5]), LIVE, ENDED)

    store.play(script)
    run.go()
    assert [bar[0] for bar in run.bars[-1]] == [10, 2, 5, 1]
    assert run.statuses("BTC/USDT") == run.statuses("ETH/USDT")


# ------------------------------------------------------------------ notifications


def test_stock_data_cannot_notify_before_it_is_started() -> None:
    with pytest.raises(AttributeError, match="_laststatus"):
        stock_feed([]).put_notification(bt.feed.DataBase.DELAYED)


def test_a_notification_before_the_start_is_delivered() -> None:
    store = FakeStore()
    run = Run(store)
    data = store.getdata()
    run.cerebro.adddata(data)
    data.put_notification(data.DELAYED, "not started yet")
    store.play(lambda: store.send("BTC/USDT", ENDED))
    run.go()
    assert ("data", "BTC/USDT", "DELAYED", "not started yet") in run.log


def test_stock_data_never_announces_its_first_connection_nor_a_second_reason() -> None:
    feed = stock_feed([])
    feed.start()
    feed.put_notification(feed.CONNECTED)
    feed.put_notification(feed.CONNBROKEN, "socket closed")
    feed.put_notification(feed.CONNBROKEN, "maintenance")
    assert [(status, args) for status, args, _ in feed.get_notifications()] == [(feed.CONNBROKEN, ("socket closed",))]


def test_the_first_connection_and_every_new_reason_are_announced_once() -> None:
    store = FakeStore()
    run = Run(store)
    data = store.getdata()
    run.cerebro.adddata(data)

    def hook(strategy: Any) -> None:
        for reason in ("socket closed", "socket closed", "maintenance"):
            data.put_notification(data.CONNBROKEN, reason)

    run.cerebro.strats[-1][0][2]["on_next"] = hook
    store.play(lambda: store.send("BTC/USDT", closed(*make_bars(1)), LIVE, LIVE, ENDED))
    run.go()
    assert run.kinds("data") == [
        ("data", "BTC/USDT", "CONNECTED"),
        ("data", "BTC/USDT", "DELAYED"),
        ("data", "BTC/USDT", "CONNBROKEN", "socket closed"),
        ("data", "BTC/USDT", "CONNBROKEN", "maintenance"),
        ("data", "BTC/USDT", "LIVE"),
        ("data", "BTC/USDT", "DISCONNECTED", "end of script"),
    ]


# ------------------------------------------------------------------ a second run


def test_stock_second_run_keeps_the_first_runs_fromdate() -> None:
    run = Run()
    feed = stock_feed(make_bars(4))
    run.cerebro.adddata(feed)
    run.go()
    run.log.clear()
    feed.p.fromdate = naive(2024, 1, 1, 0, 3)
    run.go()
    assert len(run.bars) == 4


def test_a_second_run_starts_afresh() -> None:
    store = FakeStore()
    run = Run(store)
    data = store.getdata()
    add_resampled(run.cerebro, data, compression=2)
    bars = make_bars(8)
    store.play(lambda: store.send("BTC/USDT", closed(*bars[:3]), LIVE, ENDED))
    run.go()
    first = run.store_feeds = store.feeds.pop("BTC/USDT")
    run.log.clear()
    data.p.fromdate = naive(2024, 1, 1, 0, 4)
    run.go()
    assert first.is_closed
    assert store.requests[1].from_ms == START_MS + 4 * MINUTE_MS
    assert run.bars == []  # the three bars lie before fromdate, and no half bar of the first run is left

    run.log.clear()
    store.feeds.clear()
    store.play(lambda: store.send("BTC/USDT", closed(*bars[4:]), LIVE, ENDED))
    run.go()
    assert [bar[0][2] for bar in run.bars] == [105.0, 107.0]


# ------------------------------------------------------------------ an exception skips every stop()


class Stoppable:
    """Counts what is stopped, in order."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    def watch(self, thing: Any, name: str) -> Any:
        original = thing.stop

        def stop() -> None:
            self.stopped.append(name)
            original()

        thing.stop = stop
        return thing


def failing(strategy: Any) -> None:
    raise ZeroDivisionError("in next()")


def test_stock_run_stops_nothing_after_an_exception_in_next() -> None:
    watch = Stoppable()
    run = Run(on_next=failing)
    run.cerebro.adddata(watch.watch(stock_feed(make_bars(3)), "data"))
    watch.watch(run.cerebro.broker, "broker")
    with pytest.raises(ZeroDivisionError):
        run.go()
    assert watch.stopped == []
    assert run.kinds("stop") == []


def test_an_exception_in_next_still_stops_strategy_broker_data_and_store() -> None:
    watch = Stoppable()
    store = FakeStore()
    run = Run(store, on_next=failing)
    data = store.getdata()
    run.cerebro.adddata(data)
    for thing, name in ((data, "data"), (run.cerebro.broker, "broker"), (store, "store")):
        watch.watch(thing, name)
    store.play(lambda: store.send("BTC/USDT", closed(*make_bars(3))))
    with pytest.raises(ZeroDivisionError):
        run.go()
    assert run.kinds("stop") == [("stop",)]
    assert watch.stopped == ["broker", "data", "store"]
    assert store.feeds["BTC/USDT"].is_closed


def test_an_exception_in_a_strategys_constructor_stops_what_was_started() -> None:
    class Broken(Seen):
        def __init__(self) -> None:
            raise ZeroDivisionError("in __init__()")

    store = FakeStore()
    run = Run(store)
    run.cerebro.addstrategy(Broken, log=run.log)
    run.cerebro.adddata(store.getdata())
    with pytest.raises(ZeroDivisionError):
        run.go()
    assert store.calls == ["start", "stop"]
    assert store.feeds["BTC/USDT"].is_closed
    assert run.kinds("stop") == []  # neither it nor the other one had begun


def test_one_that_cannot_stop_does_not_keep_the_others_running() -> None:
    class Stubborn(Seen):
        def stop(self) -> None:
            raise ValueError("will not stop")

    store = FakeStore()
    run = Run(store, strategy=Stubborn, on_next=failing)
    run.cerebro.adddata(store.getdata())
    store.play(lambda: store.send("BTC/USDT", closed(*make_bars(3))))
    with pytest.raises(ZeroDivisionError):
        run.go()
    assert store.calls == ["start", "stop"]


# ------------------------------------------------------------------ look-ahead of open stamps


def hours_known_too_early(stamp: str) -> float:
    """Largest time, in minutes, that an hour bar was seen before it was over."""
    store = FakeStore()
    early: list[float] = []

    def hook(strategy: Any) -> None:
        minute, hour = strategy.datas
        if len(hour) and len(minute):
            hour_close_ms = START_MS + len(hour) * HOUR_MS
            minute_close_ms = START_MS + len(minute) * MINUTE_MS
            early.append((hour_close_ms - minute_close_ms) / MINUTE_MS)

    run = Run(store, on_next=hook)
    store.past["BTC/USDT"] = make_bars(180)
    store.past["ETH/USDT"] = make_bars(3, length_ms=HOUR_MS)
    run.cerebro.adddata(store.getdata(historical=True, stamp=stamp))
    run.cerebro.adddata(store.getdata("ETH/USDT", compression=60, historical=True, stamp=stamp))
    run.go()
    return max(early)


def test_open_stamps_show_an_hour_before_it_is_over_and_close_stamps_do_not() -> None:
    assert hours_known_too_early("open") == 59.0
    assert hours_known_too_early("close") <= 0.0


def test_close_stamps_are_exact_to_the_millisecond_and_equal_backtraders_own() -> None:
    store = FakeStore()
    nums: list[float] = []
    run = Run(store, on_next=lambda strategy: nums.append(strategy.data.datetime[0]))
    bars = make_bars(500, length_ms=1_000)
    store.past["BTC/USDT"] = bars
    run.cerebro.adddata(store.getdata(timeframe=bt.TimeFrame.Seconds, historical=True))
    run.go()
    expected = [naive(2024, 1, 1) + timedelta(seconds=n + 1) for n in range(500)]
    assert nums == [bt.date2num(moment) for moment in expected]
    assert [ms_of_num(num) for num in nums] == [bar.open_ms + 1_000 for bar in bars]
