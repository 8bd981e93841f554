"""A CCXTExchange whose requests are answered by a dialect of the embedded exchange in this process: no sockets."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import MarketType
from btccxt.resilience.breaker import BreakerPolicy
from btccxt.resilience.clock import ExchangeClock
from btccxt.resilience.limiter import AsyncLimiter, Limiter, PoolRule
from btccxt.resilience.retry import RetryPolicy
from btccxt.sim.clock import SteppedClock
from btccxt.sim.dialects import dialect_class
from btccxt.sim.dialects.base import DialectError, Reply, Request, SimAccount
from btccxt.sim.markets import default_listings
from btccxt.sim.server import SimExchange
from btccxt.sim.synthetic import SyntheticSource

START_MS = 1_767_614_400_000  # 2026-01-05 12:00 UTC
Spoil = Callable[[Request, Reply], Reply]


class InProcess:
    """``spoil`` makes of each true answer what is told in its place. ``requests``: all that were made, with answers."""

    def __init__(self, sim: SimExchange) -> None:
        self.sim = sim
        self.headers: dict[str, str] = {}
        self.spoil: Spoil | None = None
        self.requests: list[tuple[Request, Reply]] = []

    def answer(self, method: str, url: Any, data: Any, headers: Any) -> Reply:
        body = data if isinstance(data, bytes) else b""
        path, _, query = url.raw_path_qs.partition("?")
        request = Request(method, url.host, path, query, body, _Headers(headers), 0)
        dialect = self.sim.dialect_for(url.host)
        assert dialect is not None, url
        try:
            reply = dialect.handle(request)
        except DialectError as refusal:
            reply = refusal.reply()
        self.requests.append((request, reply))
        return reply if self.spoil is None else self.spoil(request, reply)

    def __getattr__(self, method: str) -> Any:
        """As an aiohttp session: ``session.get(url, ...)``."""
        if method not in ("get", "post", "put", "delete"):
            raise AttributeError(method)
        return lambda url, data=None, headers=None, **_: _Answer(self.answer(method.upper(), url, data, headers))


class _Headers(dict[str, str]):
    def __init__(self, given: Any) -> None:
        super().__init__({name.lower(): str(value) for name, value in (given or {}).items()})

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class _Answer:
    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def __aenter__(self) -> Any:
        text = self._reply.body.decode(errors="replace")

        async def read(**_: Any) -> str:
            return text

        return SimpleNamespace(text=read, headers=dict(self._reply.headers), status=self._reply.status, reason="")

    async def __aexit__(self, *_: object) -> None:
        pass


@asynccontextmanager
async def in_process(
    exchange_id: str, market_type: str = "spot", balances: dict[str, int] | None = None, attempts: int = 1
) -> AsyncIterator[tuple[CCXTExchange, InProcess]]:
    profile = load_profile(exchange_id, MarketType(market_type))
    funds = {"USDT": 1_000_000, "USDC": 1_000_000, "BTC": 5} if balances is None else balances
    account = SimAccount(balances={coin: Decimal(amount) for coin, amount in funds.items()})
    source = SyntheticSource(default_listings(dialect_class(exchange_id).quote), 1, start_ms=START_MS)
    sim = SimExchange(source, (exchange_id,), clock=SteppedClock(START_MS), accounts=[account])
    dialect = sim.dialects[exchange_id]
    network = InProcess(sim)
    minutes = itertools.count(step=60)
    sim.venue.wall_s = lambda: float(next(minutes))  # type: ignore[method-assign] # no limit is ever reached
    no_limit = {name: PoolRule(name, 1e9, 1.0) for name in profile.rate.pools}
    exchange = CCXTExchange(
        profile,
        dict(dialect.client_keys(account)),
        clock=ExchangeClock(sim.clock),
        limiter=AsyncLimiter(Limiter(no_limit.values())),
        retry=RetryPolicy(attempts=attempts, first_delay_s=0.0),
        breaker=BreakerPolicy(failures_to_open=10**9),
    )
    await exchange.open()
    real, exchange._rest.session = exchange._rest.session, network
    try:
        yield exchange, network
    finally:
        exchange._rest.session = real
        await exchange.close()
