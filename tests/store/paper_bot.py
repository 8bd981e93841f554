"""A strategy on a paper account, in a process that may be killed: ``python -m tests.store.paper_bot JOURNAL``.

Its exchange is made up here: one spot market whose price walks, told twenty times a second.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import backtrader as bt

from btccxt import CCXTStore
from btccxt.exchange.api import Deliver, ExchangeAPI
from btccxt.model import Bar, Market, MarketType, Side, StreamKey, StreamKind, StreamOpened, Ticker, Trade

SYMBOL = "COIN/USD"
COIN = Market(
    SYMBOL, "COIN", "USD", None, MarketType.SPOT, True, Decimal("0.01"), Decimal("0.001"), taker_rate=Decimal("0.001"),
    maker_rate=Decimal("0.0005"),
)  # fmt: skip
START = {"USD": Decimal(10_000)}


class Walk(ExchangeAPI):
    id = "walk"

    def __init__(self, price: float = 100.0) -> None:
        self.price = price

    def describe(self) -> Mapping[str, Any]:
        return {"quote_currency": "USD", "bars": {"timeframes": ["1s"]}}

    async def load_markets(self) -> Mapping[str, Market]:
        return {SYMBOL: COIN}

    def quote(self) -> Ticker:
        return Ticker(SYMBOL, int(time.time() * 1000), self.price, round(self.price + 0.01, 2), 2.0, 2.0, self.price)

    async def fetch_ticker(self, symbol: str) -> Ticker:
        return self.quote()

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        return []

    async def fetch_trades(self, symbol: str, since_ms: int | None = None, limit: int | None = None) -> list[Trade]:
        return []

    def can_stream(self, key: StreamKey) -> bool:
        return key.kind in (StreamKind.TICKER, StreamKind.TRADES)

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        for key in keys:
            deliver(key, StreamOpened("walk"))
        for number in range(10**9):
            await asyncio.sleep(0.05)
            self.price = round(max(50.0, self.price + random.choice((-0.05, 0.0, 0.05))), 2)
            now_ms, side = int(time.time() * 1000), random.choice(list(Side))
            trade = Trade(f"{now_ms}-{number}", now_ms, self.price, 0.5, side, SYMBOL)
            for key in keys:
                deliver(key, trade if key.kind is StreamKind.TRADES else self.quote())


class Busy(bt.Strategy):
    """Buys, sells, rests and cancels at random."""

    def __init__(self) -> None:
        self.fills = 0

    def notify_order(self, order: Any) -> None:
        if order.status in (order.Partial, order.Completed):
            self.fills += 1
            print(f"fill {self.fills}", flush=True)

    def next(self) -> None:
        waiting = self.broker.get_orders_open()
        if len(waiting) > 4:
            self.cancel(random.choice(waiting))
        price, away = self.data.close[0], random.uniform(0.0, 0.1)
        if random.random() < 0.5:
            self.buy(size=0.1, exectype=bt.Order.Limit, price=round(price - away, 2))
        elif self.position.size > 0.5:
            self.sell(size=0.1, exectype=random.choice((bt.Order.Market, bt.Order.Limit)), price=round(price + away, 2))
        else:
            self.buy(size=0.1)


def store_of(journal: Path, exchange: ExchangeAPI | None = None) -> CCXTStore:
    return CCXTStore(exchange or Walk(), mode="paper", journal=journal, balance=START)


def main(journal: str) -> None:
    store = store_of(Path(journal))
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(store.getdata(dataname=SYMBOL, timeframe=bt.TimeFrame.Ticks))
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(Busy)
    cerebro.run()


if __name__ == "__main__":
    main(sys.argv[1])
