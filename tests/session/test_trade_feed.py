"""One trade feed on a fake exchange: each trade once, in order, and a loss is said."""

from __future__ import annotations

import asyncio
from collections import deque
from random import Random

import pytest

from btccxt.errors import AuthenticationFailed, ConfigError, ConnectionLost, Unsupported
from btccxt.model import ConnectionState, StreamKey, StreamKind, Trade
from btccxt.session.events import Hole, HoleCause
from btccxt.session.trade_feed import TradeFeed
from tests.fakes import SYMBOL, FakeClock, FakeExchange
from tests.session.feed_bench import Heard, quiet, running, until

START = 1_699_920_000_000
KEY = StreamKey(StreamKind.TRADES, SYMBOL)
CONNECTING, LIVE, DEGRADED = ConnectionState.CONNECTING, ConnectionState.LIVE, ConnectionState.DEGRADED


class Bench:
    """An exchange with a trade every second since ``START``, some of them two in a millisecond."""

    def __init__(self, seconds: int = 100, **settings: object) -> None:
        self.tape = [
            Trade(str(number), START + number // 2 * 2_000, 100.0 + number % 7, 0.5, None, SYMBOL)
            for number in range(1_000)
        ]
        self.clock = FakeClock(START + seconds * 1_000 + 500)
        self.exchange = FakeExchange(clock=self.clock, trades={SYMBOL: self.tape}, page_cap=20)
        self.heard = Heard()
        options = {"page_limit": 20, "grace_ms": 1_000, **settings}
        self.feed = TradeFeed(self.exchange, self.clock, KEY, sink=self.heard, **options)  # type: ignore[arg-type]

    def known(self) -> list[Trade]:
        return [trade for trade in self.tape if trade.time_ms <= self.clock.ms]

    def stream(self, seconds: int) -> None:
        """Time passes; what is traded arrives."""
        until_ms = self.clock.ms + seconds * 1_000
        for trade in self.tape:
            if self.clock.ms < trade.time_ms <= until_ms:
                self.feed.on_event(KEY, trade)
        self.clock.ms = until_ms

    def miss(self, seconds: int) -> None:
        self.clock.advance(seconds * 1_000)


async def test_past_trades_come_first_then_live_ones_each_once() -> None:
    bench = Bench(start_ms=START)
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        bench.stream(10)
        await until(lambda: bench.heard.states == [CONNECTING, LIVE])
        bench.stream(10)
        assert bench.heard.trades == bench.known()


async def test_without_a_start_the_first_live_trade_is_the_first() -> None:
    bench = Bench()
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await until(lambda: LIVE in bench.heard.states)
        before = len(bench.known())
        bench.stream(10)
        assert bench.heard.trades == bench.known()[before:]
        assert bench.exchange.calls == []


async def test_trades_missed_in_a_cut_come_before_those_that_arrive_after_it() -> None:
    bench = Bench()
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await until(lambda: LIVE in bench.heard.states)
        before = len(bench.known())
        bench.stream(10)
        bench.feed.on_down(KEY, "cut")
        bench.miss(60)
        bench.feed.on_up(KEY)
        bench.stream(5)
        await until(lambda: bench.heard.state is LIVE)
        bench.stream(5)
        assert bench.heard.trades == bench.known()[before:]
    assert bench.heard.holes == []


async def test_a_reconnect_that_nobody_announced_as_a_cut_is_repaired_as_well() -> None:
    bench = Bench(start_ms=START)
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        bench.stream(4)
        await until(lambda: bench.heard.state is LIVE)
        bench.miss(30)
        bench.feed.on_up(KEY)
        bench.stream(4)
        await until(lambda: bench.heard.trades == bench.known())


async def test_rest_that_lags_behind_the_stream_costs_no_trade() -> None:
    bench = Bench(start_ms=START + 90_000)
    bench.exchange.lag_ms = 800
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await quiet()
        assert LIVE not in bench.heard.states
        bench.stream(2)
        await until(lambda: bench.heard.state is LIVE)
        bench.stream(5)
    assert bench.heard.trades == [trade for trade in bench.known() if trade.time_ms >= START + 90_000]


async def test_trades_that_the_exchange_does_not_give_any_more_are_reported_as_lost() -> None:
    bench = Bench(start_ms=START + 90_000)
    bench.exchange.paging = "newest"
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        bench.stream(2)
        await until(lambda: bench.heard.state is LIVE)
        last = bench.heard.trades[-1]
        bench.feed.on_down(KEY, "cut")
        bench.feed.on_up(KEY)
        bench.miss(100)
        await until(lambda: bool(bench.heard.holes))
        await until(lambda: bench.heard.trades[-1] == bench.known()[-1])
    (hole,) = bench.heard.holes
    first_again = bench.heard.trades[bench.heard.trades.index(last) + 1]
    assert hole == Hole(last.time_ms, first_again.time_ms, HoleCause.LOST)


async def test_where_only_the_stream_tells_trades_what_a_cut_cost_is_said_and_the_feed_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()

    async def none_are_listed(*_: object, **__: object) -> list[Trade]:
        raise Unsupported("no list of trades")

    monkeypatch.setattr(bench.exchange, "fetch_trades", none_are_listed)
    async with running(bench.feed):
        await quiet()  # polled before the stream is there
        bench.feed.on_up(KEY)
        await until(lambda: bench.heard.state is LIVE)
        bench.stream(10)
        last = bench.heard.trades[-1]
        bench.feed.on_down(KEY, "cut")
        bench.miss(20)
        up_ms = bench.clock.ms
        bench.feed.on_up(KEY)
        await until(lambda: bench.heard.state is LIVE)
        bench.stream(10)
        assert bench.heard.trades == [
            trade for trade in bench.known() if START + 100_500 < trade.time_ms <= last.time_ms or trade.time_ms > up_ms
        ]
    assert bench.heard.holes[-1] == Hole(last.time_ms, up_ms, HoleCause.LOST)


async def test_where_nothing_tells_trades_that_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(start_ms=START)
    bench.exchange.unstreamable = {KEY}
    bench.exchange.failures = deque([Unsupported("no list of trades")])
    with pytest.raises(Unsupported, match="no list"):
        await bench.feed.run()


async def test_without_a_stream_trades_are_polled() -> None:
    bench = Bench(start_ms=START)
    async with running(bench.feed):
        bench.feed.on_down(KEY, "no trade stream")
        await until(lambda: bench.heard.trades == bench.known())
        for _ in range(3):
            bench.miss(7)
            await until(lambda: bench.heard.trades == bench.known())
        assert bench.heard.state is DEGRADED


async def test_polling_without_a_start_begins_now() -> None:
    bench = Bench()
    before = len(bench.known())
    async with running(bench.feed):
        bench.feed.on_down(KEY, "no trade stream")
        await quiet()
        bench.miss(7)
        await until(lambda: bench.heard.trades == bench.known()[before:] and bool(bench.heard.trades))


async def test_a_restart_continues_after_the_last_trade() -> None:
    bench = Bench()
    last = bench.tape[51]
    bench = Bench(last=last)
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        bench.stream(3)
        await until(lambda: LIVE in bench.heard.states)
        assert bench.heard.trades == bench.known()[52:]
    assert bench.heard.holes == []


async def test_a_read_that_fails_is_repeated_and_costs_no_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btccxt.session.bar_feed._FIRST_RETRY_S", 0.001)
    bench = Bench(start_ms=START)
    bench.exchange.failures = deque([None, ConnectionLost("reset"), None, ConnectionLost("reset")])
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        bench.stream(4)
        await until(lambda: bench.heard.state is LIVE)
        assert bench.heard.trades == bench.known()


async def test_what_repeating_cannot_help_is_raised() -> None:
    bench = Bench(start_ms=START)
    bench.exchange.failures = deque([AuthenticationFailed("wrong key")])
    with pytest.raises(AuthenticationFailed, match="wrong key"):
        await bench.feed.run()


def test_a_key_that_is_not_one_of_trades_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a trades key"):
        TradeFeed(FakeExchange(), FakeClock(), StreamKey(StreamKind.BARS, SYMBOL, "1m"), sink=print)


@pytest.mark.parametrize("seed", range(6))
async def test_through_cuts_lag_and_failures_every_trade_comes_once_in_order(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("btccxt.session.bar_feed._FIRST_RETRY_S", 0.001)
    random = Random(seed)
    bench = Bench(seconds=50, start_ms=START)
    connected = False
    async with running(bench.feed):
        while bench.clock.ms < START + 700_000:
            event = random.random()
            if event < 0.1:
                connected = False
                bench.feed.on_down(KEY, "cut")
            elif event < 0.3:
                connected = True
                bench.feed.on_up(KEY)
            elif event < 0.35:
                bench.exchange.lag_ms = random.choice([0, 300, 900])
            elif event < 0.4:
                bench.exchange.failures.append(ConnectionLost("chaos"))
            (bench.stream if connected else bench.miss)(random.randint(1, 8))
            await asyncio.sleep(random.choice([0, 0.001, 0.003]))
        bench.exchange.failures.clear()
        bench.exchange.lag_ms = 0
        bench.feed.on_up(KEY)
        bench.stream(4)
        await until(lambda: bench.heard.trades == bench.known())
        await until(lambda: bench.heard.state is LIVE)
    assert bench.heard.holes == []


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "polled"])
async def test_it_ends_when_all_trades_until_the_end_are_here(stream: bool) -> None:
    bench = Bench(start_ms=START, end_ms=START + 120_000, poll_ms=10)
    async with running(bench.feed) as task:
        if stream:
            bench.feed.on_up(KEY)
        else:
            bench.feed.on_down(KEY, "no stream")
        await until(lambda: len(bench.heard.trades) >= len(bench.known()) - 1)
        for _ in range(4):
            if stream:
                bench.stream(7)
            else:
                bench.miss(7)
            bench.feed._wake.set()
            await quiet()
        await until(task.done, "the feed ended")
    assert bench.heard.trades == [trade for trade in bench.tape if trade.time_ms <= START + 120_000]


async def test_an_end_that_is_past_ends_with_the_history() -> None:
    bench = Bench(start_ms=START, end_ms=START + 20_000)
    async with running(bench.feed) as task:
        bench.feed.on_up(KEY)
        await until(task.done, "the feed ended")
    assert bench.heard.trades == [trade for trade in bench.tape if trade.time_ms <= START + 20_000]


@pytest.mark.parametrize("missed", [False, True])
async def test_silence_is_looked_into_before_the_stream_is_doubted(missed: bool) -> None:
    doubted: list[str] = []
    bench = Bench(on_deaf=doubted.append)
    async with running(bench.feed):
        assert not bench.feed.look_at_silence(KEY), "not before it is live"
        bench.feed.on_up(KEY)
        await until(lambda: LIVE in bench.heard.states)
        bench.stream(10)
        if not missed:
            bench.tape[:] = [trade for trade in bench.tape if trade.time_ms <= bench.clock.ms]
        bench.miss(300)
        assert bench.feed.look_at_silence(KEY)
        await until(lambda: len(bench.exchange.calls) == 1)
        await quiet()
        assert bool(doubted) == missed
        assert bench.heard.states == [CONNECTING, LIVE]


async def test_silence_that_cannot_be_looked_into_is_doubted() -> None:
    doubted: list[str] = []
    bench = Bench(on_deaf=doubted.append)
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await until(lambda: LIVE in bench.heard.states)
        bench.stream(10)
        bench.exchange.failures.append(ConnectionLost("no answer"))
        assert bench.feed.look_at_silence(KEY)
        await until(lambda: bool(doubted))


async def test_what_was_found_out_about_a_former_connection_is_not_held_against_the_new_one() -> None:
    doubted: list[str] = []
    bench = Bench(on_deaf=doubted.append)
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await until(lambda: LIVE in bench.heard.states)
        bench.stream(10)
        bench.miss(300)
        bench.exchange.delay = lambda: 0.02
        assert bench.feed.look_at_silence(KEY)
        await until(lambda: len(bench.exchange.calls) == 1)
        bench.feed.on_down(KEY, "cut")
        bench.clock.advance(1)
        bench.feed.on_up(KEY)
        await until(lambda: len(bench.exchange.calls) > 1)
        await quiet(60)
    assert not doubted
