"""Embedded Binance, sockets, unmodified ccxt.pro, supervisor and feed together, through cuts and lost frames."""

from __future__ import annotations

import asyncio

import pytest

from btccxt.model import Bar, StreamKey, StreamKind
from btccxt.resilience.backoff import Backoff
from btccxt.session.bar_feed import BarFeed
from btccxt.session.events import BarsClosed, FeedEvent
from btccxt.session.streams import StreamPolicy, StreamSupervisor
from btccxt.session.trade_feed import TradeFeed
from btccxt.sim.faults import Fault, FaultKind
from btccxt.sim.synthetic import DEFAULT_START_MS
from tests.exchange.ccxt.sim_kit import BTC_1M, opened, running_sim
from tests.exchange.ccxt.tiny_binance import until
from tests.patient_market import HeldClock
from tests.session.feed_bench import Heard, running

MINUTE = 60_000
POLICY = StreamPolicy(backoff=Backoff(first_s=0.01, start_s=0.02, factor=1.2, max_s=0.1), proven_after_s=0.0)
SHAKY = (
    Fault(FaultKind.LOSE_FRAME, stream="btcusdt@kline_1m", times=None, probability=0.2),
    Fault(FaultKind.DUPLICATE, stream="btcusdt@kline_1m", times=None, probability=0.2),
    Fault(FaultKind.MALFORMED, stream="btcusdt@kline_1m", times=None, probability=0.05),
    Fault(FaultKind.ERROR_BEFORE, path="/api/v3/klines", nth=2, times=2, status=503),
)


@pytest.mark.parametrize("bars", ["candles", "trades"])
async def test_through_cuts_and_lost_frames_a_feed_gives_exactly_the_candles_of_the_exchange(bars: str) -> None:
    heard, last_open_ms = Heard(), [DEFAULT_START_MS]

    def hear(event: FeedEvent) -> None:
        heard(event)
        if isinstance(event, BarsClosed):
            last_open_ms.append(event.bars[-1].open_ms)

    def limit_ms() -> float:
        """A machine that is slower than this market would never catch up with it."""
        return max(DEFAULT_START_MS, *last_open_ms) + 5 * MINUTE

    clock = HeldClock(DEFAULT_START_MS, 600, limit_ms)
    async with running_sim(clock=clock, faults=SHAKY) as sim, opened(sim) as exchange:
        start_ms = exchange.clock.now_ms() - 100 * MINUTE
        feed = BarFeed(exchange, exchange.clock, BTC_1M, sink=hear, start_ms=start_ms, page_limit=30, bars=bars)  # type: ignore[arg-type]
        supervisor = StreamSupervisor(exchange, exchange.clock, policy=POLICY)
        async with running(feed):
            supervisor.add(feed.stream_key, feed)
            for count in (105, 115, 125, 135):
                await until(lambda count=count: len(heard.bars) >= count, bound_s=100)
                sim.cut_connections()
            await until(lambda: len(heard.bars) >= 145, bound_s=100)
        await supervisor.stop()
        struck = {applied.fault.kind for applied in sim.faults.log}
        assert FaultKind.ERROR_BEFORE in struck
        assert FaultKind.LOSE_FRAME in struck or bars == "trades"
        sim.faults.clear()
        got = heard.bars
        truth: list[Bar] = []
        while not truth or truth[-1].open_ms < got[-1].open_ms:
            since = truth[-1].open_ms + MINUTE if truth else got[0].open_ms
            page = await exchange.fetch_ohlcv("BTC/USDT", "1m", since_ms=since, limit=500)
            assert page, f"the exchange has nothing from {since} on, the feed ended at {got[-1].open_ms}"
            truth += page
        assert got == truth[: len(got)]
        assert got[0].open_ms - start_ms < MINUTE
        assert heard.holes == []


async def test_through_cuts_a_trade_feed_gives_every_trade_once() -> None:
    async with running_sim(speed=60) as sim, opened(sim) as exchange:
        heard = Heard()
        key = StreamKey(StreamKind.TRADES, "BTC/USDT")
        start_ms = exchange.clock.now_ms() - 30_000
        feed = TradeFeed(exchange, exchange.clock, key, sink=heard, start_ms=start_ms)
        supervisor = StreamSupervisor(exchange, exchange.clock, policy=POLICY)
        async with running(feed):
            supervisor.add(key, feed)
            for _ in range(3):
                count = len(heard.trades)
                await until(lambda count=count: len(heard.trades) >= count + 20, bound_s=100)
                sim.cut_connections()
                await asyncio.sleep(0.05)
            count = len(heard.trades)
            await until(lambda count=count: len(heard.trades) >= count + 20, bound_s=100)
        await supervisor.stop()
        ids = [int(trade.trade_id) for trade in heard.trades]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert heard.holes == []
