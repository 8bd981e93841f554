"""An exchange of your own that takes orders: no ccxt, no network, ends by itself after a few seconds.

    python custom_exchange_orders.py          or with 'paper', which takes only its prices

``custom_exchange.py`` is the short one, with data only. ``CoinFlip`` is a whole venue: one market whose price walks at
random, orders filled at once at that price. What you implement of ``ExchangeAPI`` for a real one is the same; the
store, the order journal, the streams' supervision, the broker and the strategy do not know the difference.
"""

import asyncio
import random
import sys
import time
from decimal import Decimal

import backtrader as bt

from btccxt import CCXTStore, ExchangeAPI
from btccxt.errors import OrderNotFound, Refused
from btccxt.model import (
    Balance,
    Balances,
    Bar,
    BarUpdate,
    Fee,
    Fill,
    Market,
    MarketType,
    OrderKind,
    OrderStatus,
    OrderUpdate,
    Origin,
    StreamKind,
    StreamOpened,
    Ticker,
    Trade,
)

COIN = Market(
    "COIN/USD", base="COIN", quote="USD", settle=None, type=MarketType.SPOT, active=True,
    price_step=Decimal("0.01"), amount_step=Decimal("0.001"), min_cost=Decimal(1), taker_rate=Decimal("0.001"),
)  # fmt: skip
SECOND_MS = 1_000


class CoinFlip(ExchangeAPI):
    id = "coinflip"

    def __init__(self, usd=1_000, seed=3):
        self._coins = {"USD": Decimal(usd), "COIN": Decimal(0)}
        self._walk, self._random = [100.0], random.Random(seed)
        self._start_ms = self._now_ms() // SECOND_MS * SECOND_MS - 300 * SECOND_MS  # five minutes of history
        self._orders, self._fills, self._listeners = {}, [], []

    def describe(self):  # what exchanges.yaml would say of it; everything else is the conservative default
        return {
            "quote_currency": "USD",
            "bars": {"timeframes": ["1s"]},
            "orders": {"limit": {"refused": "orders are filled at once or not at all"}},
        }

    # ---------------------------------------------------------- the market

    def _now_ms(self):
        return time.time_ns() // 1_000_000

    def _price(self, second):
        while len(self._walk) <= second:
            self._walk.append(round(self._walk[-1] * (1 + self._random.gauss(0, 0.002)), 2))
        return self._walk[second]

    def _bar(self, second):
        first, last = self._price(second), self._price(second + 1)
        open_ms = self._start_ms + second * SECOND_MS
        return Bar(open_ms, first, max(first, last), min(first, last), last, 10.0)

    def _second(self, time_ms=None):
        return max(0, ((time_ms or self._now_ms()) - self._start_ms) // SECOND_MS)

    # ---------------------------------------------------------- public reads

    async def load_markets(self):
        return {COIN.symbol: COIN}

    async def fetch_time(self):
        return self._now_ms()

    async def fetch_ticker(self, symbol):
        price = self._price(self._second())
        return Ticker(symbol, self._now_ms(), bid=price, ask=price, last=price)

    async def fetch_ohlcv(self, symbol, timeframe, since_ms=None, limit=None):
        now, limit = self._second(), limit or 100
        first = max(0, now - limit) if since_ms is None else self._second(since_ms + SECOND_MS - 1)
        return [self._bar(second) for second in range(first, min(now, first + limit))]  # closed bars only

    async def fetch_trades(self, symbol, since_ms=None, limit=None):
        bars = await self.fetch_ohlcv(symbol, "1s", since_ms, limit)
        return [Trade(str(bar.open_ms), bar.open_ms, bar.open, 1.0, symbol=symbol) for bar in bars]

    # ---------------------------------------------------------- the account

    async def fetch_balance(self):
        return Balances(self._now_ms(), {c: Balance(c, free=n, used=Decimal(0)) for c, n in self._coins.items()})

    async def fetch_order(self, reference):
        for order in self._orders.values():
            if reference.client_order_id == order.client_order_id or reference.order_id == order.order_id:
                return order
        raise OrderNotFound(f"coinflip knows no order {reference.client_order_id or reference.order_id}")

    async def fetch_open_orders(self, symbol=None):
        return []

    async def fetch_closed_orders(self, symbol=None, since_ms=None, limit=None):
        return list(self._orders.values())

    async def fetch_my_trades(self, symbol=None, since_ms=None, limit=None):
        return [fill for fill in self._fills if fill.time_ms >= (since_ms or 0)][:limit]

    async def create_order(self, request):
        if request.kind is not OrderKind.MARKET:
            raise Refused("coinflip knows market orders only")
        price = Decimal(str(self._price(self._second())))
        cost, fee = request.amount * price, request.amount * price * COIN.taker_rate
        after = {
            "USD": self._coins["USD"] - request.side.sign * cost - fee,
            "COIN": self._coins["COIN"] + request.side.sign * request.amount,
        }
        if min(after.values()) < 0:
            raise Refused("coinflip: the account has not enough of it")
        self._coins = after
        number = str(len(self._orders) + 1)
        fill = Fill(
            trade_id=number, symbol=request.symbol, side=request.side, price=price, amount=request.amount,
            time_ms=self._now_ms(), order_id=number, client_order_id=request.client_order_id, fee=Fee("USD", fee),
        )  # fmt: skip
        order = OrderUpdate(
            symbol=request.symbol, status=OrderStatus.FILLED, origin=Origin.CREATE, order_id=number,
            client_order_id=request.client_order_id, side=request.side, kind=request.kind, amount=request.amount,
            filled=request.amount, average=price, time_ms=fill.time_ms, fills=(fill,),
        )  # fmt: skip
        self._orders[number] = order
        self._fills.append(fill)
        self._tell(StreamKind.FILLS, fill)
        self._tell(StreamKind.BALANCE, await self.fetch_balance())
        return order

    async def cancel_order(self, reference):
        raise OrderNotFound("coinflip: no order rests here")

    # ---------------------------------------------------------- streams

    def can_stream(self, key):
        return key.kind in (StreamKind.BARS, StreamKind.FILLS, StreamKind.BALANCE)

    async def stream(self, keys, deliver):
        self._listeners.append((keys, deliver))
        try:
            for key in keys:
                deliver(key, StreamOpened("coinflip"))
            done = self._second()
            while True:  # a real exchange would end here with ConnectionLost; the caller then opens the stream again
                await asyncio.sleep(0.05)
                while done < self._second():
                    for key in keys:
                        if key.kind is StreamKind.BARS:
                            deliver(key, BarUpdate(key.symbol, key.timeframe, self._bar(done), closed=True))
                    done += 1
        finally:
            self._listeners.remove((keys, deliver))

    def _tell(self, kind, news):
        for keys, deliver in self._listeners:
            for key in keys:
                if key.kind is kind:
                    deliver(key, news)


class BuyAndSell(bt.Strategy):
    """Buys at the second live bar, sells at the fourth, leaves when flat again."""

    def __init__(self):
        self.live_bars = 0

    def notify_order(self, order):
        if order.status in (order.Completed, order.Rejected, order.Margin):
            done = order.executed
            print(f"{order.getstatusname()}: {order.ordtypename()} {abs(done.size):g} COIN at {done.price:.2f}")

    def notify_trade(self, trade):
        if trade.isclosed:
            print(f"result after fees: {trade.pnlcomm:+.2f} USD")
            self.env.runstop()

    def next(self):
        if self.data._laststatus != self.data.LIVE:
            return
        self.live_bars += 1
        print(f"{self.data.datetime.time(0)}  close {self.data.close[0]:.2f}  cash {self.broker.getcash():.2f}")
        if self.live_bars == 2:
            self.buy(size=2)
        elif self.live_bars == 4:
            self.close()
        elif self.live_bars == 10:  # something was refused
            self.env.runstop()


def main(mode="live"):
    store = CCXTStore(CoinFlip(), mode=mode, journal=":memory:")  # a real one keeps its journal on disk
    print(store.supports("market"), store.supports("stop"), sep="\n")
    cerebro = bt.Cerebro()
    cerebro.adddata(store.getdata(dataname="COIN/USD", timeframe=bt.TimeFrame.Seconds))
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(BuyAndSell)
    cerebro.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
