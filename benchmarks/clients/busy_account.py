"""A whole store that trades fast in memory: brackets, pairs, trailing stops, edits, refusals, strangers.

Nothing is left out but the network: cerebro, broker, inbox, emulator, tracker, journal and the paper engine are the
real ones. A *round* is 37 orders, all of which have ended when it is over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import backtrader as bt

from btccxt import CCXTStore
from btccxt.errors import Refused
from btccxt.exchange.api import Deliver, ExchangeAPI
from btccxt.matching.records import NewOrder
from btccxt.model import (
    Bar,
    Market,
    MarketType,
    OrderKind,
    OrderRequest,
    OrderUpdate,
    Side,
    StreamKey,
    StreamKind,
    StreamOpened,
    Ticker,
    Trade,
)
from tests.still_market import PacedData

SYMBOL = "COIN/USD"
ORDERS_A_ROUND = 37
_D = Decimal
_MARKET = Market(SYMBOL, "COIN", "USD", None, MarketType.SPOT, True, _D("0.01"), _D("0.001"), min_cost=_D(5))
_REFUSED_AT = 77.77  # the exchange refuses orders at this price
_SETTLE_S = 60.0
_TICK_S = 0.5
_BREATH_S = 0.001


class Prices(ExchangeAPI):
    """Public data of one market, whose price is told. Knows nothing of orders: the store's paper account does."""

    id = "busy"

    def __init__(self) -> None:
        self.price = 100.0
        self._streams: list[tuple[Sequence[StreamKey], Deliver]] = []
        self._trades = 0

    def describe(self) -> Mapping[str, Any]:
        orders = {
            "stop": {"native": {}},
            "trailing_amount": {"emulated": "it does not trail"},
        }
        return {"quote_currency": "USD", "bars": {"timeframes": ["1m"]}, "orders": orders}

    def move(self, price: float) -> None:
        """In the session's loop."""
        self.price = price
        self._trades += 1
        now_ms = int(time.time() * 1000)
        trade = Trade(str(self._trades), now_ms, price, 1_000.0, Side.BUY, SYMBOL)
        for keys, deliver in list(self._streams):
            for key in keys:
                deliver(key, self._ticker() if key.kind is StreamKind.TICKER else trade)

    def _ticker(self) -> Ticker:
        bid, ask = self.price - 0.01, self.price + 0.01
        return Ticker(
            SYMBOL, int(time.time() * 1000), bid=bid, ask=ask, last=self.price, bid_amount=1e6, ask_amount=1e6
        )  # fmt: skip

    async def load_markets(self) -> Mapping[str, Market]:
        return {SYMBOL: _MARKET}

    async def fetch_time(self) -> int:
        return int(time.time() * 1000)

    async def fetch_ticker(self, symbol: str) -> Ticker:
        return self._ticker()

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        return []

    def can_stream(self, key: StreamKey) -> bool:
        return key.kind in (StreamKind.TICKER, StreamKind.TRADES)

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        entry = keys, deliver
        self._streams.append(entry)
        try:
            for key in keys:
                deliver(key, StreamOpened("busy"))
            await asyncio.Event().wait()
        finally:
            self._streams.remove(entry)


@dataclass(frozen=True, slots=True)
class Step:
    """The price goes there, a bar closes, the strategy acts; over when so many orders are left."""

    price: float
    act: Callable[[Trader], None]
    alive: int  # the strategy's
    resting: int  # at the exchange


@dataclass
class Busy:
    """The play: ``rounds`` of them; ``each_round`` is called after each, in the strategy's thread, all at rest."""

    store: CCXTStore
    prices: Prices
    rounds: int
    each_round: Callable[[Busy], None]
    done: int = 0
    """Rounds that are over."""
    trader: Trader | None = None
    _steps: Iterator[Step] = field(default_factory=lambda: iter(()))
    _now: Step | None = None
    _acted: bool = True
    _since_s: float = 0.0
    _ticked_s: float = 0.0

    @property
    def orders(self) -> int:
        """How many have ended."""
        return self.done * ORDERS_A_ROUND

    def next_price(self) -> float | None:
        if not self._is_over():
            return None
        step = next(self._steps, None)
        if step is None:
            if self._now is not None:
                self.done += 1
                self.each_round(self)
            if self.done >= self.rounds:
                raise StopIteration
            self._steps = iter(_ROUND)
            step = next(self._steps)
        self._now, self._acted, self._since_s, self._ticked_s = step, False, time.monotonic(), 0.0
        self.in_session(lambda: self.prices.move(step.price))
        return step.price

    def act(self) -> None:
        if not self._acted and self._now is not None:
            self._acted = True
            self._now.act(self.trader)

    def _is_over(self) -> bool:
        step = self._now
        if step is None:
            return True
        if not self._acted or self.trader is None:
            return False
        waited_s = time.monotonic() - self._since_s
        if waited_s > self._ticked_s + _TICK_S:  # a market goes on trading: a stream may have been opened only now
            self._ticked_s = waited_s
            self.in_session(lambda: self.prices.move(step.price))
        if waited_s > _SETTLE_S:
            left = [f"{each.ordtypename()} {each.getordername()}" for each in self.trader.alive().values()]
            raise AssertionError(f"{step}: {self.resting()} rest, {len(left)}: {left}")
        return len(self.trader.alive()) == step.alive and self.in_session(self.resting) == step.resting

    def resting(self) -> int:
        return len(self.store._open_session.exchange.engine.orders("paper", SYMBOL, open_only=True))

    def in_session(self, work: Callable[[], Any]) -> Any:
        async def do() -> Any:
            return work()

        return self.store._ask(do())


class Trader(bt.Strategy):
    params = (("play", None),)

    def __init__(self) -> None:
        self.play: Busy = self.p.play
        self.play.trader = self
        self.mine: dict[int, Any] = {}
        self.ended: dict[str, int] = {}
        self.edited: Any = None
        self.never: list[Any] = []

    def start(self) -> None:
        exchange = self.play.store._open_session.exchange
        create = exchange.create_order

        async def refusing(request: OrderRequest) -> OrderUpdate:
            if request.price == _D(str(_REFUSED_AT)):
                raise Refused("not at this price")
            return await create(request)

        exchange.create_order = refusing

    def alive(self) -> dict[int, Any]:
        return self.mine

    def took(self, *orders: Any) -> None:
        self.mine.update((order.ref, order) for order in orders if order.alive())

    def notify_order(self, order: Any) -> None:
        if not order.alive():
            name = order.getstatusname()
            self.ended[name] = self.ended.get(name, 0) + 1
            self.mine.pop(order.ref, None)

    def notify_store(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self.heard = msg

    def next(self) -> None:
        self.play.act()


def _enter(trader: Trader) -> None:
    size = 0.1
    for stop, target, count in ((98.0, 110.0, 2), (90.0, 105.0, 4)):
        for _ in range(count):
            trader.took(*trader.buy_bracket(size=size, price=101.0, stopprice=stop, limitprice=target))
    for _ in range(2):
        trader.took(*trader.buy_bracket(size=size, exectype=bt.Order.Market, stopprice=90.0, limitprice=105.0))
    trader.never = []
    for _ in range(2):
        bracket = trader.buy_bracket(size=size, price=80.0, stopprice=70.0, limitprice=110.0)
        trader.never.append(bracket[0])
        trader.took(*bracket)
    first = trader.sell(size=size, exectype=bt.Order.Limit, price=105.0)
    trader.took(first, trader.sell(size=size, exectype=bt.Order.Stop, price=90.0, oco=first))
    trader.took(trader.sell(size=size, exectype=bt.Order.StopTrail, trailamount=2.0))
    trader.edited = trader.buy(size=size, exectype=bt.Order.Limit, price=80.0)
    trader.took(trader.edited)
    trader.took(trader.buy(size=size, exectype=bt.Order.Limit, price=_REFUSED_AT))
    trader.took(trader.sell(size=size))


def _change(trader: Trader) -> None:
    for order in trader.never:
        trader.cancel(order)
    trader.edited = trader.broker.edit(trader.edited, price=81.0)
    trader.took(trader.edited)


def _leave(trader: Trader) -> None:
    trader.cancel(trader.edited)


def _stranger(trader: Trader) -> None:
    """Somebody trades on the same account by hand."""
    play = trader.play
    engine, now_ms = play.store._open_session.exchange.engine, int(time.time() * 1000)

    def trade() -> None:
        for _ in range(5):
            order = NewOrder(SYMBOL, Side.BUY, OrderKind.LIMIT, _D("0.1"), _D(80))
            made = engine.submit("paper", order, now_ms)
            engine.cancel("paper", symbol=SYMBOL, order_id=made.order_id, now_ms=now_ms)

    play.in_session(trade)


_ROUND = (
    Step(100.0, _enter, 26, 13),  # one stands behind the trailing stop
    Step(97.5, _change, 15, 8),
    Step(105.5, _leave, 0, 0),
    Step(100.0, _stranger, 0, 0),
)


def trade(
    rounds: int, each_round: Callable[[Busy], None], journal: str | Path, *, kept: int | None = None
) -> dict[str, int]:
    """Returns how many orders ended how. ``kept``: ended orders that the tracker keeps (None: as usual)."""
    prices = Prices()
    probe = CCXTStore(prices, mode="paper", currency="USD")
    quick = replace(
        probe._policy, market_entry_wait_s=0.02, resize_wait_s=0.02, cancel_push_wait_s=0.02, held_news_s=0.5,
        **({} if kept is None else {"final_orders_kept": kept, "cancel_total_s": 0.5, "in_flight_check_s": 0.1}),
    )  # fmt: skip
    store = CCXTStore(
        prices, mode="paper", currency="USD", balance={"USD": 10_000_000, "COIN": 1_000_000}, journal=journal,
        tracker=quick,
    )  # fmt: skip
    cerebro = bt.Cerebro(stdstats=False)
    play = Busy(store, prices, rounds, each_round)
    minutes = {"timeframe": bt.TimeFrame.Minutes}
    cerebro.adddata(PacedData(dataname=SYMBOL, next_price=play.next_price, breath_s=_BREATH_S, **minutes))
    cerebro.setbroker(store.getbroker(warmup="send"))
    cerebro.addstrategy(Trader, play=play)
    (trader,) = cerebro.run()
    return trader.ended
