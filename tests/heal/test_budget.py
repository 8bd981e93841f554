"""Orders do not wait behind reads: shown on the limiter's own queues, not by a watch."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from btccxt.model import OrderKind, OrderRequest, Side
from btccxt.resilience.limiter import AsyncLimiter, Limiter, PoolRule, Priority
from tests.exchange.ccxt.sim_kit import opened, running_sim
from tests.exchange.ccxt.tiny_binance import until


async def test_an_order_issued_while_twenty_history_pages_are_queued_leaves_before_them():
    pools = [PoolRule("weight", 10, 60_000), PoolRule("orders", 100, 10_000)]  # most pages wait until after the test
    limiter = AsyncLimiter(Limiter(pools))
    async with running_sim() as sim, opened(sim) as free:
        await free.load_markets()
        sent: list[str] = []
        sim.on_request(lambda seen: sent.append(f"{seen.method} {seen.path.rsplit('/', 1)[-1]}"))
        async with opened(sim, markets_from=free, limiter=limiter) as busy:
            await busy.load_markets()
            pages = [asyncio.create_task(busy.fetch_ohlcv("BTC/USDT", "1m", limit=10)) for _ in range(20)]
            await until(lambda: limiter.queued().get(Priority.HISTORY, 0) >= 10)
            waiting = limiter.queued()[Priority.HISTORY]
            await busy.create_order(OrderRequest("x1", "BTC/USDT", Side.BUY, OrderKind.MARKET, Decimal("0.01")))
            assert limiter.queued()[Priority.HISTORY] == waiting
            assert sent.count("POST order") == 1
            assert sent.count("GET klines") <= 10
            for page in pages:
                page.cancel()
            await asyncio.gather(*pages, return_exceptions=True)
