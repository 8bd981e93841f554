"""A market that moves only when told, and bars that come when all that moved has been booked: exact books to compare.

The exchange is the embedded one behind real sockets; the store, its broker and cerebro are the real ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

from btccxt import CCXTStore
from btccxt.bt.compat import bt
from btccxt.model import Market, Side
from btccxt.orders.lifecycle import LifecycleState
from btccxt.orders.policy import TrackerPolicy
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.faults import FaultPlan
from btccxt.sim.markets import inverse_market, linear_market, spot_market
from btccxt.sim.server import SimExchange
from tests.still_market import START_MS, PacedData, QuietSource, depth

D = Decimal
START_PRICE = D(60_000)
BTC, BNB, PERP, INVERSE = "BTC/USDT", "BNB/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"
BNB_PRICE = D(600)
SETTLE_S = 60.0


# What is asked for many times a second here would starve behind real limits of a few calls a minute.
_MANY_CALLS = {
    "kraken": {"rate": {"pools": {name: {"capacity": 1e6, "window_ms": 1_000} for name in ("public", "private")}}}
}


async def _pass() -> None:
    pass


def on_the_way(store: CCXTStore) -> list[str]:
    """Orders that are in no resting state: sent and not answered, being cancelled, waiting for their fills."""
    return [
        f"{order.client_order_id} {order.state.value}"
        for order in store._tracker.open_orders()
        if order.state.is_in_flight
        or order.state is LifecycleState.INTENT
        or (order.state is LifecycleState.JOURNALED and not order.pending_release)
        or order.cancel_requested
        or order.awaits_fills
    ]


class Venue(BackgroundExchange):
    """One account on one exchange, in a thread of its own."""

    inverse = hedge = False
    coin = "USDT"

    def __init__(
        self,
        exchange: str = "binance",
        price: Decimal = START_PRICE,
        *,
        balances: Mapping[str, Decimal] | None = None,
        fee_currency: str | None = None,
        faults: FaultPlan | None = None,
        inverse: bool = False,
        hedge: bool = False,
    ) -> None:
        self.exchange_id = exchange
        self.inverse = inverse
        self.hedge = hedge
        self.coin = "BTC" if inverse else "USDT"
        self.symbol = INVERSE if inverse else PERP if exchange == "binanceusdm" or hedge else BTC
        markets: list[Market] = [linear_market(PERP)] if self.symbol == PERP else [spot_market(BTC), spot_market(BNB)]
        usual = {"USDT": D(50_000)} if self.symbol == PERP else {"USDT": D(50_000), "BNB": D(10)}
        if inverse:
            markets = [inverse_market(INVERSE, contract_size="10" if exchange == "okx" else "1")]
            usual = {"BTC": D(1)}
        funds = dict(balances or usual)
        account = SimAccount(balances=funds, fee_currency=fee_currency)
        prices = {market.symbol: BNB_PRICE if market.symbol == BNB else price for market in markets}
        source = QuietSource(markets, prices)
        limits = {"kraken": {"PRIVATE_CALLS": 100_000}} if exchange == "kraken" else None
        super().__init__(
            lambda: SimExchange(
                source, (exchange,), start_ms=START_MS, accounts=[account], faults=faults, limits=limits
            )
        )

    def move(self, price: Decimal) -> None:
        """Now; orders that it reaches are executed before this returns."""

        def go(exchange: SimExchange) -> None:
            now_ms = int(exchange.clock.now_ms())
            levels = depth(price, D("0.1"), D(3_000)) if self.inverse else depth(price, D("0.01"))
            exchange.engine.set_depth(self.symbol, *levels, now_ms)
            exchange.engine.print_trade(self.symbol, price, D(1) if self.inverse else D("0.001"), Side.BUY, now_ms)

        self.call(go)

    def fills(self) -> list[Any]:
        return self.call(lambda exchange: list(exchange.engine.fills("main")))

    def slip(self, coin: str, amount: str) -> None:
        """Money comes (or goes), and none of the exchange's lists tells of it."""

        def go(exchange: SimExchange) -> None:
            exchange.deposit("main", coin, D(amount))
            exchange.engine._deposits.clear()

        self.call(go)

    def balances(self) -> dict[str, Decimal]:
        found = self.call(lambda exchange: dict(exchange.engine.balances("main")))
        return {coin: balance.total for coin, balance in found.items()}

    def position(self) -> Decimal:
        positions = self.call(lambda exchange: list(exchange.engine.positions("main")))
        return sum((each.amount for each in positions if each.symbol == self.symbol), D(0))

    def equity(self, price: Decimal) -> Decimal:
        """What the account is worth in USDT by the exchange's own ledger, at this price."""
        worth = self.balances()
        if self.inverse:
            held = self.call(lambda exchange: list(exchange.engine.positions("main")))
            size = self.call(lambda exchange: exchange.engine.markets[self.symbol].contract_size)
            return worth["BTC"] + sum((each.amount * size * (1 / each.entry_price - 1 / price) for each in held), D(0))
        total = worth.get("USDT", D(0)) + worth.get("BTC", D(0)) * price + worth.get("BNB", D(0)) * BNB_PRICE
        for position in self.call(lambda exchange: list(exchange.engine.positions("main"))):
            total += position.amount * (price - position.entry_price)
        return total

    def store(self, journal: Any = ":memory:", *, on_stop: str = "leave", **policy: Any) -> CCXTStore:
        """``policy``: changes to the quick one."""
        return CCXTStore(
            self.exchange_id,
            mode="sim",
            market_type="inverse" if self.inverse else "linear" if self.hedge else None,
            position_mode="hedge" if self.hedge else None,
            sim_address=str(self.address),
            journal=journal,
            on_stop=on_stop,
            tracker=quick_policy(self.exchange_id, **policy),
            overrides=_MANY_CALLS.get(self.exchange_id),
            currency=None if self.inverse else "USDT",
        )


def quick_policy(exchange: str, **changes: Any) -> TrackerPolicy:
    """The exchange's own policy with the waits of a network that answers in a millisecond."""
    probe = CCXTStore(exchange, mode="sim")
    quick = {
        "visibility_delay_s": 0.6, "resolve_first_s": 0.03, "in_flight_check_s": 0.3, "open_orders_fast_s": 0.5,
        "open_orders_slow_s": 1.5, "private_stream_silent_s": 2.0, "fills_wait_s": 3.0, "fills_first_wait_s": 0.03,
        "send_backoff_s": 0.03, "cancel_push_wait_s": 0.05, "max_backoff_s": 0.5, "stop_wait_s": 1.0,
    }  # fmt: skip
    return replace(probe._policy, **{**quick, **changes})


Act = Callable[["Player"], None]


@dataclass
class Step:
    """The market goes to ``price``, everything comes to rest, then a bar closes there and the strategy acts."""

    price: Decimal
    act: Act | None = None
    until: Callable[[Player], bool] | None = None
    """What must have come about after the act, before the next step."""


@dataclass
class Play:
    """The steps, and what was seen at each bar."""

    venue: Venue
    store: CCXTStore
    steps: Sequence[Step]
    at: int = -1
    acted: bool = True
    player: Player | None = None
    equity: list[Decimal] = field(default_factory=list)  # the exchange's, before the act
    values: list[float] = field(default_factory=list)  # the broker's
    cash: list[float] = field(default_factory=list)
    wallet: list[Decimal] = field(default_factory=list)  # the exchange's USDT
    fills_before: int = 0
    _calm: int = 0
    _others: dict[str, int] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)
    _moved: bool = False

    def next_price(self) -> Decimal | None:
        if not self._at_rest():
            return None
        if self.at + 1 >= len(self.steps):
            raise StopIteration
        if not self._moved:
            self.venue.move(self.steps[self.at + 1].price)
            self._moved = True
            return None
        self._moved = False
        self.at += 1
        self.acted = False
        self._since = time.monotonic()
        return self.steps[self.at].price

    def other_price(self) -> Decimal | None:
        """BNB stands still; one bar of it goes with each bar of the first data."""
        given = self._others.setdefault("BNB", 0)
        if given <= self.at:
            self._others["BNB"] += 1
            return BNB_PRICE
        if self.at + 1 >= len(self.steps) and self.acted and self._at_rest():
            raise StopIteration
        return None

    def same_price(self, name: str) -> Decimal | None:
        """Of a data that follows the first one."""
        given = self._others.setdefault(name, 0)
        if given <= self.at:
            self._others[name] += 1
            return self.steps[given].price
        if self.at + 1 >= len(self.steps) and self.acted and self._at_rest():
            raise StopIteration
        return None

    def _at_rest(self) -> bool:
        waiting = self._waiting_for()
        if waiting:
            self._calm = 0
            assert time.monotonic() - self._since < SETTLE_S, f"step {self.at}: still {waiting}"
            return False
        self._calm += 1
        return self._calm >= 3

    def _waiting_for(self) -> list[str]:
        if not self.acted:
            return ["the strategy has not acted yet"]
        self.store._ask(_pass())  # what was handed to the session thread so far has been taken there
        busy = on_the_way(self.store)
        given = [order.info.get("client_order_id") for order in self.store.getbroker().orders]
        busy += [f"{name} handed over" for name in given if name and self.store._tracker.order(name) is None]
        if self.player is not None:
            booked = self.store.getbroker().books.fills_booked
            orders = self.store._tracker._register.orders.values()
            given += [o.client_order_id for o in list(orders) if o.context.get("primary") in given]  # carry them on
            made = sum(fill.client_order_id in given for fill in self.venue.fills()[self.fills_before :])
            busy += [] if booked >= made else [f"{booked} of {made} fills booked"]
            until = self.steps[self.at].until
            busy += [] if until is None or until(self.player) else ["what should follow from the step"]
        return busy


class Player(bt.Strategy):
    """Does what the steps say; writes down what it is told."""

    params = (("play", None),)

    def __init__(self) -> None:
        self.p.play.player = self
        self.made: dict[str, Any] = {}
        self.order_news: list[Any] = []
        self.trade_news: list[Any] = []
        self.store_news: list[Any] = []

    def notify_order(self, order: Any) -> None:
        self.order_news.append(order)

    def notify_trade(self, trade: Any) -> None:
        self.trade_news.append(trade)

    def notify_store(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self.store_news.append(msg)

    def next(self) -> None:
        play = self.p.play
        if play.acted:
            return
        step = play.steps[play.at]
        play.equity.append(play.venue.equity(step.price))
        play.wallet.append(play.venue.balances()[play.venue.coin])
        play.values.append(self.broker.getvalue())
        play.cash.append(self.broker.getcash())
        if step.act is not None:
            step.act(self)
        play.acted = True


def play(
    venue: Venue,
    store: CCXTStore,
    steps: Sequence[Step],
    *,
    with_bnb: bool = False,
    names: Sequence[str] = (),
    fit: Callable[[bt.Cerebro], None] | None = None,
) -> tuple[Player, Play]:
    """One run of cerebro on the steps. ``names``: of its datas, where they are not the venue's symbol. ``fit`` adds
    analyzers and observers."""
    game = Play(venue, store, steps, fills_before=len(venue.fills()))
    cerebro = bt.Cerebro(stdstats=False)
    minutes = {"timeframe": bt.TimeFrame.Minutes, "compression": 1}
    first, *others = names or (venue.symbol,)
    cerebro.adddata(PacedData(dataname=first, next_price=game.next_price, **minutes))
    for name in others:
        cerebro.adddata(PacedData(dataname=name, next_price=partial(game.same_price, name), **minutes))
    if with_bnb:
        cerebro.adddata(PacedData(dataname=BNB, next_price=game.other_price, **minutes))
    cerebro.setbroker(store.getbroker())
    if fit is not None:
        fit(cerebro)
    cerebro.addstrategy(Player, play=game)
    return cerebro.run()[0], game
