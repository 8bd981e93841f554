"""The price that orders waiting on this machine are told: what is later counts, whichever way it came."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from btccxt.errors import BtccxtError
from btccxt.model import StreamKey, StreamKind, Ticker, Trade
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.supervised import TaskPolicy, Tasks
from btccxt.session.prices import PriceWatch
from tests.fakes import SYMBOL, FakeExchange
from tests.session.feed_bench import until

TRADES = StreamKey(StreamKind.TRADES, SYMBOL)


class Answering(FakeExchange):
    """The ticker's answer is on its way until ``arrive``."""

    def __init__(self, last: float) -> None:
        super().__init__()
        self.last = last
        self.arrive = asyncio.Event()

    async def fetch_ticker(self, symbol: str) -> Ticker:
        await self.arrive.wait()
        return Ticker(symbol, 0, None, None, last=self.last)


def watch(exchange: FakeExchange, told: list[Decimal]) -> PriceWatch:
    return PriceWatch(exchange, SYMBOL, lambda _, price: told.append(price), Tasks())


async def test_a_stream_that_came_up_is_preceded_by_what_the_ticker_says() -> None:
    told: list[Decimal] = []
    exchange = Answering(99.0)
    prices = watch(exchange, told)
    prices.on_up(TRADES)
    exchange.arrive.set()
    await asyncio.sleep(0.01)
    prices.on_event(TRADES, Trade("1", 1, 100.0, 1.0))
    assert told == [Decimal("99.0"), Decimal("100.0")]


async def test_a_ticker_that_was_asked_before_a_trade_is_not_told_after_it() -> None:
    told: list[Decimal] = []
    exchange = Answering(99.0)
    prices = watch(exchange, told)
    prices.on_up(TRADES)
    await asyncio.sleep(0.01)
    prices.on_event(TRADES, Trade("1", 1, 100.0, 1.0))
    exchange.arrive.set()
    await asyncio.sleep(0.01)
    assert told == [Decimal("100.0")]


class Failing(FakeExchange):
    """Every second answer cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def fetch_ticker(self, symbol: str) -> Ticker:
        self.asked += 1
        if self.asked % 2:
            raise BtccxtError("binance fetch_ticker: the answer could not be read: KeyError")
        return Ticker(symbol, 0, None, None, last=100.0 + self.asked)


async def test_a_ticker_that_cannot_be_read_does_not_disarm_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btccxt.session.prices._ASK_EVERY_S", 0.001)
    monkeypatch.setattr("btccxt.session.prices._POLICY", TaskPolicy(Backoff(0.0, 0.001, 1.0, 0.001)))
    told: list[Decimal] = []
    exchange = Failing()
    prices = watch(exchange, told)
    prices.on_down(TRADES, "cut")
    await until(lambda: len(told) >= 3)
    prices.stop()
    assert exchange.asked >= 6
