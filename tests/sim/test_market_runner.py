"""The running market: candles close once and on time, agree with history, and follow the clock."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from btccxt.matching.engine import Engine, Event, PublicTrade, SimStatus
from btccxt.model import Bar, OrderKind, Side
from btccxt.sim.clock import SimClock, SteppedClock
from btccxt.sim.market import (
    CandleEvent,
    CombinedSource,
    MarketRunner,
    MarketSource,
    ParticipantsSource,
    default_universe,
    linear_market,
    many_symbols,
    spot_market,
)
from tests.sim.exchange_kit import BTC, D, new

MINUTE = 60_000


class Stage:
    """A running market with everything that was heard of it."""

    def __init__(self, source: MarketSource | None = None, **options: Any) -> None:
        self.source = source or default_universe(seed=11)
        self.start = self.source.start_ms
        self.clock = SteppedClock(self.start)
        self.engine = Engine(self.source.symbols.values())
        self.events: list[Event] = []
        self.candles: list[CandleEvent] = []
        self.runner = MarketRunner(self.engine, self.source, self.clock, **options)
        self.engine.listen(self.events.append)
        self.runner.on_candle(self.candles.append)

    def to(self, ms: int) -> None:
        self.runner.step(self.start + ms)

    def closed(self, timeframe: str = "1m", symbol: str = BTC) -> list[CandleEvent]:
        return [c for c in self.candles if c.closed and (c.timeframe, c.symbol) == (timeframe, symbol)]


def test_a_market_has_prices_before_it_moves() -> None:
    stage = Stage()
    for symbol in stage.source.symbols:
        bid, ask = stage.engine.best(symbol)
        assert bid is not None
        assert ask is not None
        assert stage.engine.last(symbol) in (bid, ask)


@pytest.mark.parametrize("step_ms", [250, 7_001, 600_000])
def test_each_candle_closes_once_at_its_close_and_agrees_with_history(step_ms: int) -> None:
    stage = Stage()
    for timeframe in ("1s", "1m", "5m"):
        stage.runner.watch(BTC, timeframe)
    for to_ms in [*range(step_ms, 600_000, step_ms), 600_000]:
        stage.to(to_ms)
    for timeframe, length in (("1s", 1000), ("1m", MINUTE), ("5m", 5 * MINUTE)):
        told = stage.closed(timeframe)
        assert [event.time_ms - event.bar.open_ms for event in told] == [length] * (600_000 // length)
        history = stage.runner.history(BTC, timeframe, stage.start, stage.start + 600_000 - 1, 1 << 40)
        assert [event.bar for event in told] == history


def test_forming_bars_grow_trade_by_trade_into_the_closed_one() -> None:
    stage = Stage(forming_every_ms=0)
    stage.runner.watch(BTC, "1m")
    stage.to(3 * MINUTE)
    trades = [e.trade for e in stage.events if isinstance(e, PublicTrade) and e.symbol == BTC]
    assert [event.closed for event in stage.candles].count(False) == len(trades) == 180
    for before, event in pairwise(stage.candles):
        if event.closed:
            assert (
                event.bar == before.bar
            )  # the last forming state, made of trades, is the closed bar to the last digit
        elif not before.closed:
            assert event.bar.volume > before.bar.volume


def test_watching_in_the_middle_of_a_bar_includes_what_went_before() -> None:
    stage = Stage(forming_every_ms=0)
    stage.to(30_000)
    stage.runner.watch(BTC, "1m")
    stage.to(40_000)
    assert stage.candles[-1].bar == stage.runner.history(BTC, "1m", stage.start, stage.start + 40_000, 1)[0]


def test_forming_updates_are_spaced() -> None:
    stage = Stage(forming_every_ms=5_000)
    stage.runner.watch(BTC, "1m")
    stage.to(MINUTE - 1)
    times = [event.time_ms for event in stage.candles]
    assert 10 <= len(times) <= 12
    assert min(later - earlier for earlier, later in pairwise(times)) >= 5_000


def test_only_watched_candles_are_told_and_watching_twice_is_watching_once() -> None:
    stage = Stage()
    stage.runner.watch(BTC, "1m")
    stage.runner.watch(BTC, "1m")
    stage.to(MINUTE)
    stage.runner.unwatch(BTC, "1m")
    stage.to(2 * MINUTE)
    assert len(stage.closed()) == 1
    stage.runner.watch(BTC, "1m")
    stage.to(3 * MINUTE)
    assert [event.time_ms - stage.start for event in stage.closed()] == [MINUTE, 3 * MINUTE]
    with pytest.raises(KeyError):
        stage.runner.watch("XXX/YYY", "1m")


def test_going_back_in_time_does_nothing() -> None:
    stage = Stage()
    stage.to(MINUTE)
    heard = len(stage.events)
    stage.to(30_000)
    assert (len(stage.events), stage.runner.now_ms) == (heard, stage.start + MINUTE)


def test_what_is_not_played_yet_cannot_be_seen() -> None:
    stage = Stage()
    stage.to(90_000)
    far = stage.start + 10 * MINUTE
    assert [bar.open_ms for bar in stage.runner.history(BTC, "1m", stage.start, far, 99)] == [
        stage.start,
        stage.start + MINUTE,
    ]
    assert stage.runner.last_bars(BTC, "1m", far, 1) == stage.runner.history(BTC, "1m", stage.start + MINUTE, far, 99)
    assert stage.runner.trades(BTC, stage.start, far, 1 << 40)[-1].time_ms <= stage.start + 90_000
    assert stage.runner.last_trades(BTC, 5) == stage.runner.trades(BTC, stage.start, far, 1 << 40)[-5:]


def test_the_public_tape_is_the_sources_own() -> None:
    stage = Stage()
    stage.to(20_000)
    heard = [e.trade for e in stage.events if isinstance(e, PublicTrade) and e.symbol == BTC]
    assert heard == stage.runner.trades(BTC, stage.start + 1, stage.start + 20_000, 1 << 40)


def test_orders_are_filled_by_the_market_but_do_not_move_its_candles() -> None:
    stage = Stage()
    stage.engine.open_account("ann", {"USDT": D(10_000_000)})
    stage.runner.watch(BTC, "1m")
    bid, _ = stage.engine.best(BTC)
    bought = stage.engine.submit("ann", new(Side.BUY, OrderKind.MARKET, 50), stage.start)
    assert bought.filled > 0
    assert bid is not None
    resting = stage.engine.submit("ann", new(Side.BUY, OrderKind.LIMIT, "0.001", price=bid), stage.start)
    stage.to(10 * MINUTE)
    assert stage.engine.order("ann", symbol=BTC, order_id=resting.order_id).status is SimStatus.FILLED
    assert [event.bar for event in stage.closed()] == default_universe(seed=11).history(
        BTC, "1m", stage.start, stage.start + 10 * MINUTE - 1, 99
    )


def test_the_same_orders_are_filled_the_same_in_big_and_small_steps() -> None:
    def fills(step_ms: int) -> list[Any]:
        stage = Stage()
        stage.engine.open_account("ann", {"USDT": D(10_000_000), "BTC": D(100)})
        bid, _ = stage.engine.best(BTC)
        assert bid is not None
        for n in range(1, 20):
            stage.engine.submit("ann", new(Side.BUY, OrderKind.LIMIT, 3, price=bid - 2 * n), stage.start)
            stage.engine.submit("ann", new(Side.SELL, OrderKind.LIMIT, 3, price=bid + 1 + 2 * n), stage.start)
        for to_ms in range(step_ms, 300_001, step_ms):
            stage.to(to_ms)
        return stage.engine.fills("ann")

    assert len(fills(300_000)) > 5
    assert fills(300_000) == fills(100)


# ------------------------------------------------------------------ participants


def participants(**options: bool) -> Stage:
    return Stage(ParticipantsSource([spot_market(BTC)], start_ms=1_700_000_040_000, **options), forming_every_ms=0)


def trade(stage: Stage, at_ms: int, price: int, amount: object = 1) -> None:
    now = stage.start + at_ms
    stage.runner.step(now)
    stage.engine.submit("ann", new(Side.SELL, OrderKind.LIMIT, amount, price=price), now)
    stage.engine.submit("bob", new(Side.BUY, OrderKind.LIMIT, amount, price=price), now)


def test_participants_make_the_candles_themselves() -> None:
    stage = participants()
    for name in ("ann", "bob"):
        stage.engine.open_account(name, {"USDT": D(100_000), "BTC": D(100)})
    stage.runner.watch(BTC, "1m")
    stage.to(30_000)
    assert stage.candles == []
    trade(stage, 61_000, 100)
    trade(stage, 62_000, 105, "0.5")
    trade(stage, 63_000, 95)
    stage.to(4 * MINUTE)
    second = stage.start + MINUTE
    assert [event.bar for event in stage.closed()] == [
        Bar(second, 100.0, 105.0, 95.0, 95.0, 2.5),
        Bar(second + MINUTE, 95.0, 95.0, 95.0, 95.0, 0.0),  # quiet: flat, and closed on time
        Bar(second + 2 * MINUTE, 95.0, 95.0, 95.0, 95.0, 0.0),
    ]
    assert [event.bar for event in stage.closed()] == stage.runner.history(BTC, "1m", 0, second + 3 * MINUTE - 1, 99)
    assert stage.runner.last_bars(BTC, "1m", second + 3 * MINUTE - 1, 2) == [e.bar for e in stage.closed()][-2:]
    assert [t.price for t in stage.runner.last_trades(BTC, 2)] == [105.0, 95.0]
    assert stage.runner.trades(BTC, 0, 1 << 50, 1)[0].price == 100.0
    assert [e.bar.volume for e in stage.candles if not e.closed] == [1.0, 1.5, 2.5]


def test_a_trade_between_accounts_first_closes_the_candles_that_ended_before_it() -> None:
    stage = participants()
    for name in ("ann", "bob"):
        stage.engine.open_account(name, {"USDT": D(100_000), "BTC": D(100)})
    stage.runner.watch(BTC, "1m")
    for at_ms, price in ((1_000, 100), (61_000, 101)):
        for account, side in (("ann", Side.SELL), ("bob", Side.BUY)):
            order = new(side, OrderKind.LIMIT, 1, price=price)
            stage.engine.submit(account, order, stage.start + at_ms)  # nobody steps the market
    assert [(event.closed, event.bar.close, event.bar.volume) for event in stage.candles] == [
        (False, 100.0, 1.0),
        (True, 100.0, 1.0),
        (False, 101.0, 1.0),
    ]
    early = stage.source.history(BTC, "1m", 0, 1 << 50, 99, now_ms=stage.start + 60_999)
    assert [bar.close for bar in early] == [100.0, 100.0]  # what came later is not visible


def test_quiet_intervals_of_participants_may_have_no_bars() -> None:
    stage = participants(flat_bars_when_quiet=False)
    for name in ("ann", "bob"):
        stage.engine.open_account(name, {"USDT": D(100_000), "BTC": D(100)})
    stage.runner.watch(BTC, "1m")
    trade(stage, 1_000, 100)
    trade(stage, 3 * MINUTE, 101)
    stage.to(10 * MINUTE)
    assert [event.time_ms - stage.start for event in stage.closed()] == [MINUTE, 4 * MINUTE]
    assert len(stage.runner.last_bars(BTC, "1m", stage.start + 10 * MINUTE, 5)) == 2


def test_the_steps_of_several_sources_come_in_time_order() -> None:
    source = CombinedSource([many_symbols(1), default_universe()])
    times = [step.time_ms for step in source.advance(source.start_ms + 10_000)]
    assert len(times) == 90
    assert times == sorted(times)


def test_several_sources_make_one_market() -> None:
    quiet = ParticipantsSource([linear_market("BTC/USDT:USDT")], start_ms=1_704_110_400_000)
    stage = Stage(CombinedSource([many_symbols(2), quiet]))
    assert set(stage.source.symbols) == {"C000/USDT", "C001/USDT", "BTC/USDT:USDT"}
    stage.engine.open_account("ann", {"USDT": D(100_000)})
    stage.engine.open_account("bob", {"USDT": D(100_000)})
    for symbol in stage.source.symbols:
        stage.runner.watch(symbol, "1m")
    now = stage.start + 5_000
    stage.runner.step(now)
    for account, side in (("ann", Side.SELL), ("bob", Side.BUY)):
        stage.engine.submit(account, new(side, OrderKind.LIMIT, 1, price=100, symbol="BTC/USDT:USDT"), now)
    stage.to(MINUTE)
    assert [len(stage.closed(symbol=symbol)) for symbol in stage.source.symbols] == [1, 1, 1]
    assert stage.closed(symbol="BTC/USDT:USDT")[0].bar == Bar(stage.start, 100.0, 100.0, 100.0, 100.0, 1.0)
    times = [e.trade.time_ms for e in stage.events if isinstance(e, PublicTrade)]
    assert times == sorted(times)
    with pytest.raises(ValueError, match="two sources have"):
        CombinedSource([many_symbols(2), many_symbols(1)])


# ------------------------------------------------------------------ clocks


async def test_the_market_follows_a_stepped_clock() -> None:
    stage = Stage()
    stage.runner.watch(BTC, "1m")
    task = asyncio.create_task(stage.runner.run())
    try:
        for minutes in (1, 2, 5):
            stage.clock.advance(MINUTE * minutes - (stage.clock.now_ms() - stage.start))
            await _until(lambda: stage.runner.now_ms == stage.clock.now_ms())
        assert [event.time_ms - stage.start for event in stage.closed()] == [MINUTE * n for n in range(1, 6)]
    finally:
        task.cancel()


async def test_the_market_follows_a_fast_clock() -> None:
    source = many_symbols(2)
    clock = SimClock(source.start_ms, speed=600)
    runner = MarketRunner(Engine(source.symbols.values()), source, clock)
    closes: list[int] = []
    runner.on_candle(lambda event: closes.append(event.time_ms) if event.closed else None)
    runner.watch("C000/USDT", "1m")
    task = asyncio.create_task(runner.run())
    try:
        await _until(lambda: len(closes) >= 3)
        assert closes[:3] == [source.start_ms + MINUTE * n for n in (1, 2, 3)]
        assert runner.now_ms <= clock.now_ms()
    finally:
        task.cancel()


async def test_a_recording_that_is_over_ends_the_run() -> None:
    source = default_universe(seed=1)
    source.end_ms = source.start_ms + MINUTE
    clock = SteppedClock(source.start_ms)
    runner = MarketRunner(Engine(source.symbols.values()), source, clock)
    task = asyncio.create_task(runner.run())
    clock.advance(2 * MINUTE)
    await asyncio.wait_for(task, 60)
    assert runner.now_ms == clock.now_ms()


def test_a_clock_runs_at_its_speed_and_converts_durations() -> None:
    clock = SimClock(1_000, speed=60)
    assert clock.wall_s(60_000) == 1.0
    first = clock.now_ms()
    assert 1_000 <= first <= clock.now_ms()
    with pytest.raises(ValueError, match="above zero"):
        SimClock(0, speed=0)


async def test_a_stepped_clock_wakes_exactly_those_whose_time_has_come() -> None:
    clock = SteppedClock(0)
    woken: list[int] = []

    async def sleeper(until_ms: int) -> None:
        await clock.wait_until(until_ms)
        woken.append(until_ms)

    tasks = [asyncio.create_task(sleeper(until_ms)) for until_ms in (10, 20)]
    await asyncio.sleep(0)
    await asyncio.get_running_loop().run_in_executor(None, clock.advance, 10)  # from another thread
    await _until(lambda: woken == [10])
    clock.advance(10)
    await asyncio.gather(*tasks)
    assert woken == [10, 20]
    await clock.wait_until(5)  # long past
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


async def _until(condition: Any) -> None:
    """Poll; the bound only keeps a failing test from hanging."""
    for _ in range(3_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not happen")
