"""The one wait: whatever rings ends it, nothing at hand is ever waited on, nothing spins."""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
import weakref
from collections import deque
from typing import Any

import pytest

from btccxt.bt import cerebro as hub_module
from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.model import Bar, ConnectionState
from btccxt.session.events import FeedState
from btccxt.session.inbox import EventInbox
from tests.bt.harness import (
    ENDED,
    LIVE,
    MINUTE_MS,
    START_MS,
    FakeBroker,
    FakeStore,
    Run,
    Seen,
    closed,
    make_bars,
    wait_until,
)
from tests.bt.stock import stock_feed


class Box:
    def __init__(self) -> None:
        self.arrivals: deque[Any] = deque()


# ------------------------------------------------------------------ the inbox alone


def test_every_event_reaches_its_target_in_the_order_in_which_it_was_put() -> None:
    inbox, boxes = EventInbox(), [Box() for _ in range(3)]

    def produce(box: Box) -> None:
        for number in range(2_000):
            inbox.put(box, number)

    threads = [threading.Thread(target=produce, args=(box,)) for box in boxes]
    for thread in threads:
        thread.start()
    wait_until(lambda: inbox.deliver(0.01) is False and not any(thread.is_alive() for thread in threads))
    inbox.deliver()
    assert all(list(box.arrivals) == list(range(2_000)) for box in boxes)


def test_writers_that_never_pause_cannot_keep_the_reader() -> None:
    inbox = EventInbox()

    class Endless:
        """Rings again whenever it gets something."""

        count = 0

        @property
        def arrivals(self) -> Any:
            self.count += 1
            inbox.put(self, None)
            return deque()

    target = Endless()
    inbox.put(target, None)
    assert inbox.deliver() is True
    assert target.count == 1


def test_a_wake_rings_without_an_event() -> None:
    inbox = EventInbox()
    threading.Timer(0.01, inbox.wake).start()
    assert inbox.deliver(60.0) is True
    assert inbox.deliver() is False


# ------------------------------------------------------------------ in a running cerebro


@pytest.fixture
def endless_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends only when somebody rings; a lost ring would hang the test."""
    monkeypatch.setattr(hub_module, "_LONGEST_WAIT_S", 3600.0)


def patient(store: FakeStore, symbol: str = "BTC/USDT", **kwargs: Any) -> Any:
    return store.getdata(symbol, qcheck=3600.0, **kwargs)


class WatchedInbox(EventInbox):
    """Notes how the cerebro_loop asks, and whether anything was at hand that it should have worked on instead."""

    def __init__(self, cerebro: Any) -> None:
        super().__init__()
        self.cerebro = weakref.ref(cerebro)
        self.patience_s: list[float] = []
        self.neglected: list[str] = []

    def deliver(self, patience_s: float = 0.0) -> bool:
        self.patience_s.append(patience_s)
        if patience_s > 0:
            self.neglected += [
                f"{data._name or 'clone'} {len(data)}"
                for data in self.cerebro().datas
                if getattr(data, "arrivals", None)
                or data._rewound
                or data._barstack
                or data._barstash
                or data._rewound
                or len(data) < data.buflen()
            ]
        return super().deliver(patience_s)


def watch(run: Run) -> WatchedInbox:
    cerebro_loop = CerebroLoop.of(run.cerebro)
    cerebro_loop.inbox = WatchedInbox(run.cerebro)
    return cerebro_loop.inbox


@pytest.mark.parametrize("exactbars", [0, 1])
@pytest.mark.parametrize("resample", [None, "alone", "beside", "replay"])
def test_nobody_waits_while_a_bar_is_at_hand(resample: str | None, exactbars: int) -> None:
    chance = random.Random(f"{resample}{exactbars}")
    store = FakeStore()
    run = Run(store)
    run.cerebro.setbroker(FakeBroker())  # beside a stock broker no loop after a bar ever waits
    symbols = ["A/USDT", "B/USDT", "C/USDT"]
    for symbol in symbols:
        data = store.getdata(symbol)
        if resample != "alone":
            run.cerebro.adddata(data)
        if resample == "replay":
            run.cerebro.replaydata(data, timeframe=bt.TimeFrame.Minutes, compression=3)
        elif resample:
            run.cerebro.resampledata(data, timeframe=bt.TimeFrame.Minutes, compression=3)
    inbox = watch(run)

    def script() -> None:
        todo = {symbol: make_bars(40) for symbol in symbols}
        while any(todo.values()):
            symbol = chance.choice([symbol for symbol, bars in todo.items() if bars])
            some = chance.randint(1, 4)
            store.send(symbol, closed(*todo[symbol][:some]))
            todo[symbol] = todo[symbol][some:]
            if chance.random() < 0.3:
                store.send(symbol, LIVE)
            if chance.random() < 0.3:
                threading.Event().wait(0.002)  # let the loop run dry
        for symbol in symbols:
            store.send(symbol, ENDED)

    store.play(script)
    run.go(exactbars=exactbars)
    assert inbox.neglected == []
    assert any(patience_s > 0 for patience_s in inbox.patience_s)


def test_an_idle_loop_waits_every_time_and_does_not_spin() -> None:
    store = FakeStore()
    run = Run(store)
    run.cerebro.adddata(store.getdata(qcheck=0.001))
    run.cerebro.adddata(store.getdata("ETH/USDT", qcheck=0.001))
    inbox = watch(run)

    def script() -> None:
        for symbol in ("BTC/USDT", "ETH/USDT"):
            store.send(symbol, closed(*make_bars(2)), LIVE)
        wait_until(lambda: len(run.bars) == 2)
        idle_from = len(inbox.patience_s) + 2  # the loop of the last bar, and the one that finds nothing
        wait_until(lambda: len(inbox.patience_s) > idle_from + 20)
        assert all(patience_s > 0 for patience_s in inbox.patience_s[idle_from:])
        store.send("BTC/USDT", ENDED)
        store.send("ETH/USDT", ENDED)

    store.play(script)
    run.go()


@pytest.mark.usefixtures("endless_patience")
def test_a_bar_of_any_feed_of_any_store_ends_the_wait() -> None:
    stores = [FakeStore(), FakeStore()]
    run = Run(*stores)
    for number, store in enumerate(stores):
        for letter in "AB":
            run.cerebro.adddata(patient(store, f"{letter}{number}/USDT", backfill_start=False))
    bars = make_bars(5)

    def script() -> None:
        for round_number, bar in enumerate(bars):
            for number, store in enumerate(stores):
                for letter in "AB":
                    symbol, told, seen = f"{letter}{number}/USDT", len(run.kinds("data")), len(run.bars)
                    store.send(symbol, FeedState(ConnectionState.RECONNECTING, f"round {round_number}"))
                    wait_until(lambda told=told: len(run.kinds("data")) > told, "news without a bar")
                    store.send(symbol, closed(bar))
                    wait_until(lambda seen=seen: len(run.bars) > seen, f"bar {round_number}")
        run.cerebro.runstop()

    stores[0].play(script)
    run.go()
    assert [bar[0] for bar in run.bars[-1]] == [5, 5, 5, 5]


@pytest.mark.usefixtures("endless_patience")
def test_runstop_from_another_thread_ends_the_run_at_once() -> None:
    store = FakeStore()
    run = Run(store)
    run.cerebro.adddata(patient(store))

    def script() -> None:
        store.send("BTC/USDT", closed(*make_bars(2)), LIVE)
        wait_until(lambda: len(run.bars) == 2)
        run.cerebro.runstop()

    store.play(script)
    run.go()
    assert run.kinds("stop") == [("stop",)]


@pytest.mark.usefixtures("endless_patience")
def test_the_run_ends_without_a_last_wait_when_all_feeds_have_ended() -> None:
    store = FakeStore()
    run = Run(store)
    run.cerebro.adddata(patient(store))
    run.cerebro.adddata(patient(store, "ETH/USDT"))

    def script() -> None:
        store.send("BTC/USDT", closed(*make_bars(2)), LIVE, ENDED)
        store.send("ETH/USDT", closed(*make_bars(3)), LIVE, ENDED)

    store.play(script)
    run.go()
    assert [bar[0] for bar in run.bars[-1]] == [2, 3]


@pytest.mark.usefixtures("endless_patience")
@pytest.mark.skipif(os.name != "posix", reason="a wait is interruptible by a signal on POSIX only")
def test_ctrl_c_ends_the_wait_and_stops_everything() -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    store = FakeStore()
    run = Run(store)
    run.cerebro.adddata(patient(store))

    def script() -> None:
        store.send("BTC/USDT", closed(*make_bars(2)), LIVE)
        wait_until(lambda: "LIVE" in run.statuses())
        os.kill(os.getpid(), signal.SIGINT)

    store.play(script)
    try:
        run.go()
    finally:
        signal.signal(signal.SIGINT, former)
    assert store.calls == ["start", "stop"]
    assert run.kinds("stop") == [("stop",)]


def test_other_peoples_historical_feeds_are_not_slowed_down() -> None:
    store = FakeStore()
    run = Run(store)
    run.cerebro.adddata(store.getdata())
    run.cerebro.adddata(stock_feed(make_bars(50), live=False))
    inbox = watch(run)
    waits_before_last: list[float] = []

    def hook(strategy: Any) -> None:
        if len(strategy.datas[1]) == 50 and not waits_before_last:
            waits_before_last.extend(inbox.patience_s)
            store.feeds["BTC/USDT"].send(ENDED)

    run.cerebro.strats[-1][0][2]["on_next"] = hook
    run.go()
    assert waits_before_last
    assert all(patience_s == 0 for patience_s in waits_before_last)


# ------------------------------------------------------------------ notify_order


class Buyer(bt.Strategy):
    params = (("log", None),)

    def next(self) -> None:
        if not self.position and len(self) == 1:
            self.buy(size=1)

    def notify_order(self, order: Any) -> None:
        self.p.log.append((order.getstatusname(), len(self)))


@pytest.mark.usefixtures("endless_patience")
def test_an_order_is_notified_without_waiting_for_the_next_bar() -> None:
    store = FakeStore()
    run = Run(store, strategy=Buyer)
    broker = FakeBroker()
    run.cerebro.setbroker(broker)
    run.cerebro.adddata(patient(store))

    def script() -> None:
        store.send("BTC/USDT", closed(*make_bars(1)), LIVE)
        wait_until(lambda: broker.order is not None)
        CerebroLoop.of(run.cerebro).inbox.put(broker, "filled")
        wait_until(lambda: ("Completed", 1) in run.log, "notify_order, with no further bar")
        store.send("BTC/USDT", ENDED)

    store.play(script)
    run.go()
    assert run.log == [("Completed", 1)]


@pytest.mark.usefixtures("endless_patience")
def test_an_order_is_notified_before_any_data_is_asked_for_a_bar() -> None:
    """With two hundred feeds that would be most of a millisecond."""

    class Noting(Buyer):
        def notify_order(self, order: Any) -> None:
            self.p.log.append(order.getstatusname())

    store = FakeStore()
    run = Run(store, strategy=Noting)
    broker = FakeBroker()
    run.cerebro.setbroker(broker)
    data = patient(store)
    run.cerebro.adddata(data)
    ask = data.next

    def asked(*args: Any, **kwargs: Any) -> Any:
        run.log.append("asked")
        return ask(*args, **kwargs)

    data.next = asked

    def script() -> None:
        store.send("BTC/USDT", closed(*make_bars(1)), LIVE)
        wait_until(lambda: broker.order is not None and data._laststatus == data.LIVE)
        run.log.clear()
        CerebroLoop.of(run.cerebro).inbox.put(broker, "filled")
        wait_until(lambda: "Completed" in run.log, "notify_order")
        store.send("BTC/USDT", ENDED)

    store.play(script)
    run.go()
    assert "asked" not in run.log[: run.log.index("Completed")]


@pytest.mark.usefixtures("endless_patience")
@pytest.mark.parametrize("what", ["order", "message"])
def test_what_next_leaves_for_the_next_loop_is_not_waited_on(what: str) -> None:
    class Talker(Buyer):
        def next(self) -> None:
            if what == "order":
                self.broker.notifs.append(bt.BuyOrder(owner=self, data=self.data, size=1, simulated=True))
            else:
                self.data.source.put_notification("said in next()")

        def notify_store(self, message: str, *args: Any, **kwargs: Any) -> None:
            self.p.log.append((message, len(self)))

    store = FakeStore()
    run = Run(store, strategy=Talker)
    run.cerebro.setbroker(FakeBroker())
    data = patient(store, backfill_start=False)
    run.cerebro.adddata(data)

    def script() -> None:
        store.send("BTC/USDT", LIVE)
        wait_until(lambda: data._laststatus == data.LIVE)
        store.send("BTC/USDT", closed(*make_bars(1)))  # alone, so that it leaves nothing behind
        wait_until(lambda: run.log, f"the {what}, with no further bar")
        store.send("BTC/USDT", ENDED)

    store.play(script)
    run.go()
    assert run.log == [("Created" if what == "order" else "said in next()", 1)]


@pytest.mark.usefixtures("endless_patience")
def test_a_bar_that_was_put_back_is_not_waited_on() -> None:
    first, second, third = make_bars(3)

    class Sender(Seen):
        def next(self) -> None:
            super().next()
            if len(self) == 1:  # from this thread, so that the next loop finds both
                store.send("A/USDT", closed(third))
                store.send("B/USDT", closed(second))

    store = FakeStore()
    run = Run(store, strategy=Sender)
    run.cerebro.setbroker(FakeBroker())
    for symbol in ("A/USDT", "B/USDT"):
        run.cerebro.adddata(patient(store, symbol, backfill_start=False))

    def script() -> None:
        for symbol in ("A/USDT", "B/USDT"):
            store.send(symbol, LIVE, closed(first))
        wait_until(lambda: [bar[0] for bar in run.bars[-1]] == [2, 2] if run.bars else False, "the later bar")
        run.cerebro.runstop()

    store.play(script)
    run.go()


def test_a_bar_that_leaves_nothing_behind_costs_one_loop() -> None:
    store = FakeStore()
    run = Run(store)
    run.cerebro.setbroker(FakeBroker())
    run.cerebro.adddata(store.getdata(backfill_start=False))
    inbox = watch(run)

    def script() -> None:
        store.send("BTC/USDT", LIVE)
        wait_until(lambda: run.statuses()[-1:] == ["LIVE"])
        for number, bar in enumerate(make_bars(5)):
            loops = len(inbox.patience_s)
            store.send("BTC/USDT", closed(bar))
            wait_until(lambda number=number: len(run.bars) > number)
            wait_until(lambda loops=loops: len(inbox.patience_s) > loops)
            assert inbox.patience_s[loops] > 0  # waits again at once
        store.send("BTC/USDT", ENDED)

    store.play(script)
    run.go()


def test_a_pure_backtest_keeps_its_own_notification_rhythm() -> None:
    store = FakeStore()
    run = Run(store)
    store.past["BTC/USDT"] = make_bars(3)
    run.cerebro.adddata(store.getdata(historical=True))
    run.go()
    assert run.cerebro.p.quicknotify is False


# ------------------------------------------------------------------ the cerebro_loop itself


def test_a_hub_does_not_keep_its_cerebro_alive() -> None:
    def go() -> weakref.ref[Any]:  # backtrader leaves the locals of its callers' frames behind
        store = FakeStore()
        run = Run(store)
        run.cerebro.adddata(store.getdata())
        store.play(lambda: store.send("BTC/USDT", closed(*make_bars(2)), LIVE))
        feed, inbox = run.cerebro.datas[0], CerebroLoop.of(run.cerebro).inbox

        def end_with_unread_events(strategy: Any) -> None:
            inbox.put(feed, LIVE)
            run.cerebro.runstop()

        run.cerebro.strats[-1][0][2]["on_next"] = end_with_unread_events
        return weakref.ref(run.go().cerebro)

    gone = go()
    gc.collect()
    assert gone() is None


def test_all_stores_of_a_cerebro_share_one_hub_and_other_cerebros_have_their_own() -> None:
    first, second = bt.Cerebro(), bt.Cerebro()
    assert CerebroLoop.of(first) is CerebroLoop.of(first)
    assert CerebroLoop.of(first) is not CerebroLoop.of(second)
    assert "runstrategies" not in vars(bt.Cerebro())


# ------------------------------------------------------------------ histories meet in time


def test_histories_that_arrive_one_after_another_are_merged_by_time() -> None:
    store = FakeStore()
    run = Run(store)
    for symbol in ("BTC/USDT", "ETH/USDT"):
        run.cerebro.adddata(store.getdata(symbol))
    bars = make_bars(20)

    def script() -> None:
        store.send("BTC/USDT", closed(*bars), LIVE)
        threading.Event().wait(0.05)  # ETH's history takes its time
        store.send("ETH/USDT", closed(*bars[:10]))
        store.send("ETH/USDT", closed(*bars[10:]), LIVE)
        store.send("BTC/USDT", ENDED)
        store.send("ETH/USDT", ENDED)

    store.play(script)
    run.go()
    assert [(btc[0], eth[0]) for btc, eth in run.bars] == [(n, n) for n in range(1, 21)]


def test_a_feed_without_history_does_not_keep_the_others_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "_HISTORY_PATIENCE_S", 0.05)
    store = FakeStore()
    run = Run(store)
    for symbol in ("BTC/USDT", "ETH/USDT"):
        run.cerebro.adddata(store.getdata(symbol, qcheck=0.01))

    def script() -> None:
        store.send("BTC/USDT", closed(*make_bars(3)), LIVE)
        wait_until(lambda: len(run.bars) == 3)
        run.cerebro.runstop()

    store.play(script)
    run.go()
    assert any("no history of ETH/USDT 1m" in text for text in run.store_messages)


def test_who_keeps_everybody_in_prenext_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "_FIRST_BAR_LOOK_S", 0.0)
    store = FakeStore()
    run = Run(store)
    for symbol in ("BTC/USDT", "ETH/USDT", "XRP/USDT"):
        run.cerebro.adddata(store.getdata(symbol, backfill_start=False, qcheck=0.01))

    def script() -> None:
        for symbol in ("BTC/USDT", "ETH/USDT"):
            store.send(symbol, closed(*make_bars(2)), LIVE)
        store.send("XRP/USDT", LIVE)
        wait_until(lambda: run.store_messages, "the message")
        store.send("XRP/USDT", closed(*make_bars(1)))
        wait_until(lambda: run.kinds("next"))
        run.cerebro.runstop()

    store.play(script)
    run.go()
    (message,) = run.store_messages
    assert "prenext" in message
    assert "XRP/USDT 1m has no bar yet" in message


def test_warming_up_together_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "_FIRST_BAR_LOOK_S", 0.0)
    monkeypatch.setattr(hub_module, "_FIRST_BAR_PATIENCE_S", 0.0)

    class Averaging(Run.strategy_class):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            self.average = bt.ind.SMA(self.data, period=5)

    store = FakeStore()
    run = Run(store, strategy=Averaging)
    run.cerebro.adddata(store.getdata(qcheck=0.01))
    inbox = watch(run)

    def script() -> None:
        store.send("BTC/USDT", closed(*make_bars(2)), LIVE)
        wait_until(lambda: len(run.bars) == 2)
        looks = len(inbox.patience_s)
        wait_until(lambda: len(inbox.patience_s) > looks + 5)
        store.send("BTC/USDT", ENDED)

    store.play(script)
    run.go()
    assert run.store_messages == []


def test_the_clock_of_a_resampled_bar_limits_the_wait() -> None:
    store = FakeStore()
    run = Run(store)
    data = store.getdata(lateness_s=0.0)
    run.cerebro.resampledata(data, timeframe=bt.TimeFrame.Minutes, compression=5)
    inbox = watch(run)
    flat = [Bar(START_MS + n * MINUTE_MS, 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(3)]
    store.clock.run(START_MS + 5 * MINUTE_MS - 200)

    def script() -> None:
        store.send("BTC/USDT", closed(*flat), LIVE)
        wait_until(lambda: len(run.bars) == 1, "the clock closed the bar")
        store.send("BTC/USDT", ENDED)

    store.play(script)
    run.go()
    assert any(0 < patience_s < 0.25 for patience_s in inbox.patience_s)
    assert inbox.neglected == []


def test_a_fast_clock_makes_no_bar_late_that_the_wire_brings_in_time() -> None:
    """Networks and parsers do not get quicker with an embedded exchange's clock: lateness is this machine's time."""
    store = FakeStore()
    store.wall_s = lambda exchange_ms: exchange_ms / 600_000
    data = store.getdata(lateness_s=2.0)
    assert store.now_ms() - data.exchange_ms() == pytest.approx(1_200_000, abs=1000)


def test_what_is_there_when_a_live_run_begins_is_no_work_for_the_garbage_collector() -> None:
    assert gc.get_freeze_count() == 0
    for live in (False, True):
        store, counts = FakeStore(), []
        run = Run(store, on_next=lambda _, counts=counts: counts.append(gc.get_freeze_count()))
        store.past["BTC/USDT"] = make_bars(2)
        run.cerebro.adddata(store.getdata(historical=not live))
        store.play(lambda store=store: store.send("BTC/USDT", closed(*make_bars(2)), LIVE, ENDED) if live else None)  # noqa: B023
        run.go()
        assert [count > 0 for count in counts] == [live, live]
        assert gc.get_freeze_count() == 0


def test_a_program_that_sets_objects_aside_itself_is_left_alone() -> None:
    store, counts = FakeStore(), []
    run = Run(store, on_next=lambda _: counts.append(gc.get_freeze_count()))
    run.cerebro.adddata(store.getdata())
    store.play(lambda: store.send("BTC/USDT", closed(*make_bars(2)), LIVE, ENDED))
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        run.go()
        assert before > 0
        assert gc.get_freeze_count() == pytest.approx(before, abs=before // 2)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
