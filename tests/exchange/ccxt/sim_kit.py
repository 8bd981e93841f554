"""A running embedded Binance and a CCXTExchange on it, over real sockets, through unmodified ccxt."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import Profile, load_profile
from btccxt.model import MarketType, StreamKey, StreamKind, StreamOpened
from btccxt.resilience.clock import ExchangeClock
from btccxt.resilience.retry import RetryPolicy
from btccxt.sim.faults import Fault
from btccxt.sim.markets import default_listings
from btccxt.sim.server import SimExchange
from btccxt.sim.synthetic import SyntheticSource
from tests.exchange.ccxt.tiny_binance import until

KEYS = {"apiKey": "sim-key", "secret": "simsecretkey"}
SPOT = load_profile("binance", MarketType.SPOT)
BTC_1M = StreamKey(StreamKind.BARS, "BTC/USDT", "1m")
ETH_1M = StreamKey(StreamKind.BARS, "ETH/USDT", "1m")
ORDERS, FILLS, BALANCE = (StreamKey(kind) for kind in (StreamKind.ORDERS, StreamKind.FILLS, StreamKind.BALANCE))


@asynccontextmanager
async def running_sim(faults: Iterable[Fault] = (), **options: Any) -> AsyncIterator[SimExchange]:
    sim = SimExchange(
        SyntheticSource(default_listings(), 1), ("binance",), balances={"USDT": 100_000}, faults=faults, **options
    )
    await sim.start()
    try:
        yield sim
    finally:
        await sim.stop()


@asynccontextmanager
async def opened(
    sim: SimExchange, config: dict[str, Any] | None = None, profile: Profile = SPOT, **options: Any
) -> AsyncIterator[CCXTExchange]:
    options.setdefault("retry", RetryPolicy(attempts=1))
    exchange = CCXTExchange(
        profile,
        KEYS if config is None else config,
        clock=ExchangeClock(sim.clock),
        connector=sim.connector,
        **options,
    )
    await exchange.open()
    try:
        yield exchange
    finally:
        await exchange.close()


class Watcher:
    """One ``stream`` call and what it delivered."""

    def __init__(self, exchange: CCXTExchange, *keys: StreamKey) -> None:
        self.keys = keys
        self.events: list[tuple[StreamKey, Any]] = []
        self.task = asyncio.create_task(exchange.stream(keys, lambda key, event: self.events.append((key, event))))

    async def open(self) -> Watcher:
        await until(
            lambda: (
                self.task.done()
                or {key for key, event in self.events if isinstance(event, StreamOpened)} == set(self.keys)
            )
        )
        return self

    def of(self, kind: type) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kind)]

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(BaseException):
            await self.task
