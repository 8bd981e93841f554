"""A strategy that does what a scenario says, and a data whose bars come when the last step has come to rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from btccxt._bt import bt
from btccxt.model import ConnectionState, StreamKind
from btccxt.orders.lifecycle import LifecycleState
from btccxt.store import CCXTStore
from tests.chaos.scenario import Action, Scenario
from tests.chaos.venue import BTC, START_MS, ChaosVenue

SETTLE_S = 25.0  # within this every order must be in a known state
_MINUTE_MS = 60_000
_BREATH_S = 0.004
_ON_THE_WAY = {LifecycleState.INTENT, LifecycleState.SENT, LifecycleState.UNKNOWN}


class Unsettled(AssertionError):
    """Something was in no known state for too long."""


class PacedData(bt.feed.DataBase):
    """``next_price()`` gives the next bar's price, None for 'not yet', or raises StopIteration."""

    params = (("next_price", None),)

    def start(self) -> None:
        super().start()
        self._count = 0

    def islive(self) -> bool:
        return True

    def haslivedata(self) -> bool:
        return True

    def _load(self) -> bool | None:
        try:
            price = self.p.next_price()
        except StopIteration:
            return False
        if price is None:
            time.sleep(_BREATH_S)
            return None
        self._count += 1
        moment = (START_MS + self._count * _MINUTE_MS) / 86_400_000 + 719_163
        self.lines.datetime[0] = moment
        for line in (self.lines.open, self.lines.high, self.lines.low, self.lines.close):
            line[0] = float(price)
        self.lines.volume[0] = self.lines.openinterest[0] = 0.0
        return True


def on_the_way(store: CCXTStore) -> list[str]:
    """Orders that are in no resting state: sent and not answered, being cancelled, waiting for their fills."""
    return [
        f"{order.client_order_id} {order.state.value} {'cancel asked' if order.cancel_requested else ''}"
        for order in store._tracker.open_orders()
        if order.state in _ON_THE_WAY
        or (order.state is LifecycleState.JOURNALED and not order.held)
        or order.cancel_requested
        or order.awaits_fills
    ]


def unwatched(store: CCXTStore) -> list[str]:
    """Triggers wait here, but no price would reach them: whether one fires must not depend on a race."""
    runtime = store._open_runtime
    if not runtime.desk._triggers:
        return []

    async def heard() -> bool:
        streams = runtime.streams().snapshot()
        return any(each.key.kind is StreamKind.TRADES and each.state is ConnectionState.LIVE for each in streams)

    return [] if store._ask(heard()) else ["the price stream of a trigger"]


class Conductor:
    """Turns a scenario's steps into bars and moves; lives in the strategy's thread."""

    def __init__(
        self,
        scenario: Scenario,
        venue: ChaosVenue,
        store: CCXTStore,
        until: Callable[[int], bool] | None = None,
    ) -> None:
        """``until(step)``: what must have come about before the step after it begins."""
        self.scenario = scenario
        self.venue = venue
        self.store = store
        self.until = until or (lambda step: True)
        self.step = -1
        self.acted = True
        self._calm = 0
        self._since = self._moved = time.monotonic()
        self._phase = "acting"

    def next_price(self) -> Decimal | None:
        if not self._settled():
            return None
        if self._phase == "acting" and self.step >= 0:
            self._phase = "moved"
            self._moved = time.monotonic()
            self._finish_step()
            return None
        if self.step >= 0 and not self.until(self.step):
            if time.monotonic() - self._moved > SETTLE_S:
                raise Unsettled(f"step {self.step}: what should follow from it did not")
            return None
        if self.step + 1 >= len(self.scenario.steps):
            raise StopIteration
        return self._begin_step()

    def _begin_step(self) -> Decimal:
        self.step += 1
        self.acted = False
        self._phase = "acting"
        step = self.scenario.steps[self.step]
        for fault in step.faults:
            self.venue.faults.add(fault)
        if step.when != "settled":
            self.venue.move_when(step.when, step.price)
        return self.price

    @property
    def price(self) -> Decimal:
        """Before this step's move."""
        return self.scenario.steps[self.step - 1].price if self.step else self.scenario.start_price

    def _finish_step(self) -> None:
        step = self.scenario.steps[self.step]
        if step.when == "settled":
            self.venue.move(step.price)
        else:
            self.venue.move_anyway()
        if step.cut:
            self.venue.call(lambda exchange: exchange.cut_connections())

    def _settled(self) -> bool:
        busy = on_the_way(self.store) + unwatched(self.store) if self.acted else ["the strategy has not acted yet"]
        if busy:
            self._calm = 0
            if time.monotonic() - self._since > SETTLE_S:
                raise Unsettled(f"step {self.step}: after {SETTLE_S:g} s still {busy}")
            return False
        self._calm += 1
        if self._calm < 6:
            return False
        self._calm = 0
        self._since = time.monotonic()
        return True


class ChaosStrategy(bt.Strategy):
    """Writes down every order it makes and everything it is told."""

    params = (("conductor", None),)

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.news: list[Any] = []
        self.said: list[Any] = []

    def notify_order(self, order: Any) -> None:
        self.news.append(order)

    def notify_store(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self.said.append(msg)

    def next(self) -> None:
        conductor = self.p.conductor
        for action in conductor.scenario.steps[conductor.step].actions:
            self._do(action, conductor.price)
        conductor.acted = True

    def _do(self, action: Action, price: Decimal) -> None:
        doers: dict[str, Callable[[Action, Decimal], Any]] = {
            "market": self._place_market, "limit": self._place_limit, "stop": self._place_stop,
            "trailing": self._place_trailing, "bracket": self._place_bracket, "pair": self._place_pair,
            "cancel": self._cancel_one,
        }  # fmt: skip
        made = doers[action.kind](action, price)
        self.made += [order for order in (made if isinstance(made, list | tuple) else [made]) if order is not None]

    def _side(self, action: Action) -> Callable[..., Any]:
        return self.buy if action.is_buy else self.sell

    def _place_market(self, action: Action, price: Decimal) -> Any:
        return self._side(action)(size=float(action.size))

    def _place_limit(self, action: Action, price: Decimal) -> Any:
        away = -action.distance_pct if action.is_buy else action.distance_pct
        return self._side(action)(size=float(action.size), exectype=bt.Order.Limit, price=_at(price, away))

    def _place_stop(self, action: Action, price: Decimal) -> Any:
        away = abs(action.distance_pct) + Decimal("0.1")
        return self._side(action)(
            size=float(action.size), exectype=bt.Order.Stop, price=_at(price, away if action.is_buy else -away)
        )

    def _place_trailing(self, action: Action, price: Decimal) -> Any:
        share = float(abs(action.distance_pct) + Decimal("0.1")) / 100
        return self.sell(size=float(action.size), exectype=bt.Order.StopTrail, trailpercent=share)

    def _place_bracket(self, action: Action, price: Decimal) -> Any:
        entry = _at(price, -action.distance_pct)
        return self.buy_bracket(
            size=float(action.size), price=entry, limitprice=_at(price, Decimal("0.8")),
            stopprice=_at(price, Decimal("-1.2") - abs(action.distance_pct)),
        )  # fmt: skip

    def _place_pair(self, action: Action, price: Decimal) -> Any:
        """Take profit or stop, whichever comes first."""
        size = float(action.size)
        stop = self.sell(size=size, exectype=bt.Order.Stop, price=_at(price, Decimal("-0.6")))
        if not stop.alive():
            return stop
        return [stop, self.sell(size=size, exectype=bt.Order.Limit, price=_at(price, Decimal("0.6")), oco=stop)]

    def _cancel_one(self, action: Action, price: Decimal) -> Any:
        alive = self.broker.get_orders_open()
        if alive:
            self.cancel(alive[action.pick % len(alive)])


def _at(price: Decimal, away_pct: Decimal) -> float:
    return float((price * (1 + away_pct / 100)).quantize(Decimal("0.01")))


def data_of(conductor: Conductor) -> PacedData:
    return PacedData(dataname=BTC, next_price=conductor.next_price, timeframe=bt.TimeFrame.Minutes)
