"""An exchange of your own: what gives candles can be traded on paper. No ccxt, no network, ends by itself.

    python custom_exchange.py

Only what a data source must have is here. With balances and orders as well (``custom_exchange_orders.py``) it is
traded in mode 'live'; until then that mode refuses a broker and names what is missing.
"""

import asyncio
import math
import sys
import time
from decimal import Decimal

import backtrader as bt

import btccxt
from btccxt.model import Bar, BarUpdate, Market, MarketType, StreamKind, StreamOpened, Ticker

COIN = Market("COIN/USD", "COIN", "USD", None, MarketType.SPOT, True, Decimal("0.01"), Decimal("0.001"))


class Waves(btccxt.ExchangeAPI):
    id = "waves"

    def describe(self):  # the words of exchanges.yaml; what is left out is the careful default
        return {"quote_currency": "USD", "bars": {"timeframes": ["1s"]}}

    def _bar(self, second):
        first, last = (round(100 + 5 * math.sin(at / 3), 2) for at in (second, second + 1))
        return Bar(second * 1_000, first, max(first, last), min(first, last), last, 10.0)

    async def load_markets(self):
        return {COIN.symbol: COIN}

    async def fetch_ticker(self, symbol):
        price = self._bar(int(time.time())).open
        return Ticker(symbol, int(time.time() * 1_000), bid=price, ask=price, last=price)

    async def fetch_ohlcv(self, symbol, timeframe, since_ms=None, limit=None):
        now, limit = int(time.time()), limit or 100
        first = now - limit if since_ms is None else math.ceil(since_ms / 1_000)
        return [self._bar(second) for second in range(first, min(now, first + limit))]  # closed ones

    def can_stream(self, key):  # what is not streamed is asked for
        return key.kind is StreamKind.BARS

    async def stream(self, keys, deliver):  # a broken connection ends this with btccxt.ConnectionLost
        for key in keys:
            deliver(key, StreamOpened("waves"))
        second = int(time.time())
        while True:
            await asyncio.sleep(max(0.0, second + 1 - time.time()))
            for key in keys:
                deliver(key, BarUpdate(key.symbol, key.timeframe, self._bar(second), closed=True))
            second += 1


class InAndOut(bt.Strategy):
    order = None

    def notify_order(self, order):
        if order.status == order.Completed:
            print(f"{order.ordtypename()} {abs(order.executed.size):g} COIN at {order.executed.price:.2f}")

    def next(self):
        if self.data._laststatus == self.data.LIVE and not (self.order and self.order.alive()):
            self.order = self.close() if self.position else self.buy(size=2)


def main(mode="paper", bars=6):
    return btccxt.run(InAndOut, Waves(), mode=mode, symbol="COIN/USD", timeframe="1s", bars=bars)


if __name__ == "__main__":
    main(*sys.argv[1:])
