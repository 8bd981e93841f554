"""A strategy that does what a scenario says, and a data whose bars come when the last step has come to rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from btccxt.bt.compat import bt
from btccxt.model import ConnectionState, MarketType, OrderKind
from btccxt.orders.emulator import OrderEmulator
from btccxt.orders.lifecycle import LifecycleState
from btccxt.store.store import CCXTStore
from tests.chaos.referee import patience_s
from tests.chaos.scenario import Action, Scenario
from tests.chaos.told import as_told
from tests.chaos.venue import ChaosVenue
from tests.chaos.wires import PRICE_STEP
from tests.still_market import PacedData

SETTLE_S = 25.0  # within this every order must be in a known state
_MINUTE_MS = 60_000
_BREATH_S = 0.004
_CALM = 3  # looks in a row
_ON_THE_WAY = {LifecycleState.INTENT, LifecycleState.SENT, LifecycleState.UNKNOWN}


Known = Mapping[str, tuple[str, bool]]  # client order id: filled, ended


class Unsettled(AssertionError):
    """Something was in no known state for too long."""


def on_the_way(store: CCXTStore) -> list[str]:
    """Orders that are in no resting state: sent and not answered, being cancelled, waiting for their fills."""
    return [
        f"{order.client_order_id} {order.state.value} {'cancel asked' if order.cancel_requested else ''}"
        for order in store._tracker.open_orders()
        if order.state in _ON_THE_WAY
        or (order.state is LifecycleState.JOURNALED and not order.pending_release)
        or order.cancel_requested
        or order.awaits_fills
    ] + [f"a task: {task.get_name()}" for task in store._tracker.tasks.all() if task.get_name() == "edit"]


_heard: WeakKeyDictionary[OrderEmulator, Decimal] = (
    WeakKeyDictionary()
)  # the latest price that waiting triggers were told
_on_price = OrderEmulator.on_price


def _overheard(desk: OrderEmulator, symbol: str, price: Decimal) -> None:
    _on_price(desk, symbol, price)
    _heard[desk] = price


OrderEmulator.on_price = _overheard  # type: ignore[method-assign]


class Rest:
    """Whether all has come to rest, so that what comes next does not depend on who was quicker."""

    def __init__(self, store: CCXTStore) -> None:
        self._store = store
        self._calm = 0

    def busy(self, known: Known, price: Decimal | None) -> list[str]:
        """``known``: what the exchange has, order by order; ``price``: its last. Both must have arrived here."""
        busy = on_the_way(self._store) + self._deaf(price) + self._behind(known)
        self._calm = 0 if busy else self._calm + 1
        return busy if busy or self._calm >= _CALM else ["it has come to rest only now"]

    def again(self) -> None:
        self._calm = 0

    def _deaf(self, price: Decimal | None) -> list[str]:
        runtime = self._store._open_session

        async def down() -> list[str]:
            health = runtime.streams().snapshot()
            return [f"stream {each.key}" for each in health if each.state is not ConnectionState.LIVE]

        deaf: list[str] = self._store._ask(down())
        heard = _heard.get(runtime.emulator)
        if runtime.emulator._watching and price is not None and heard != price:
            deaf.append(f"a trigger waits and was told {heard}, the price is {price}")
        return deaf

    def _behind(self, known: Known) -> list[str]:
        behind = []
        orders = self._store._tracker._register.orders
        for name, (filled, ended) in known.items():
            order = orders.get(name)
            if order is not None and (order.filled < Decimal(filled) or (ended and not order.is_final)):
                behind.append(f"{name} is {order.state.value} with {order.filled}, the exchange has {filled} {ended}")
        broker = self._store.getbroker()
        alive = {order.info.get("client_order_id") for order in broker.get_orders_open()}
        alive.discard(None)  # it waits for its funds, and has not left
        unended = {name for name, order in as_told(self._store, orders).items() if not order.is_final}
        if alive != unended or broker.arrivals:
            behind.append(f"the strategy has {sorted(map(str, alive ^ unended))} otherwise than the tracker")
        return behind


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
        self._rest = Rest(store)
        self._since = self._moved = time.monotonic()
        self._phase = "acting"
        self._faults: list[int] = []

    def next_price(self) -> Decimal | None:
        if not self._settled():
            return None
        if self._phase == "acting" and self.step >= 0:
            self._phase = "moved"
            self._moved = time.monotonic()
            self._finish_step()
            return None
        if self.step >= 0 and not self.until(self.step):
            if time.monotonic() - self._moved > patience_s(SETTLE_S):
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
        self.venue.note(f"step {self.step}: {', '.join(action.kind for action in step.actions)}")
        self.venue.begin_faults(step.faults)
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
            self.venue.note("all streams are cut")
            self.venue.call(lambda exchange: exchange.cut_connections())
        self.venue.end_standing_faults()

    def _settled(self) -> bool:
        steps = self.scenario.steps
        if self.acted and 0 <= self.step < len(steps) - 1 and steps[self.step].rush:
            self._since = time.monotonic()
            self._rest.again()
            return True
        if self.acted:
            busy = self._rest.busy(self.venue.known(), self.venue.last())
        else:
            busy = ["the strategy has not acted yet"]
        if busy:
            if time.monotonic() - self._since > patience_s(SETTLE_S):
                raise Unsettled(f"step {self.step}: after {SETTLE_S:g} s still {busy}")
            return False
        self._rest.again()
        self._since = time.monotonic()
        return True


class ChaosStrategy(bt.Strategy):
    """Writes down every order it makes and everything it is told."""

    params = (("conductor", None),)

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.news: list[Any] = []
        self.said: list[Any] = []
        self.edits: dict[str, Decimal] = {}  # the whole amount that an order and the one it follows shall have

    def notify_order(self, order: Any) -> None:
        self.news.append(order)

    def notify_store(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self.said.append(msg)

    def next(self) -> None:
        conductor = self.p.conductor
        alive = self.broker.get_orders_open()
        for action in conductor.scenario.steps[conductor.step].actions:
            self._do(action, conductor.price, alive)
        conductor.acted = True

    def _do(self, action: Action, price: Decimal, alive: list[Any]) -> None:
        if action.kind == "cancel":
            if alive:  # one of an earlier bar: whether one of this bar was sent already would be a race
                self.cancel(alive[action.pick % len(alive)])
            return
        if action.kind == "edit":
            self._edit(action, price, alive)
            return
        doers: dict[str, Callable[[Action, Decimal], Any]] = {
            "market": self._place_market, "limit": self._place_limit, "stop": self._place_stop,
            "trailing": self._place_trailing, "bracket": self._place_bracket, "pair": self._place_pair,
        }  # fmt: skip
        made = doers[action.kind](action, price)
        self.made += [order for order in (made if isinstance(made, list | tuple) else [made]) if order is not None]

    def _edit(self, action: Action, price: Decimal, alive: list[Any]) -> None:
        """Price and amount of a limit order; some of it may be filled, and it may have been changed a moment ago."""
        tracker = self.p.conductor.store._tracker
        live = [(order, tracker.order(order.info["client_order_id"])) for order in alive]
        editable = [order for order, known in live if known and known.request.kind is OrderKind.LIMIT]
        if not editable:
            return
        order = editable[action.pick % len(editable)]
        away = -action.distance_pct if order.isbuy() else action.distance_pct
        size = Decimal(str(self._size(action))) + abs(Decimal(str(order.executed.size)))
        changed = self.broker.edit(order, size=float(size), price=_at(price, away))
        if changed is not order:
            self.made.append(changed)
            self.edits[changed.info["client_order_id"]] = size

    def _side(self, action: Action, *, sells: bool = False) -> Callable[..., Any]:
        """With the size, and where there are two positions the one that ``pick`` chooses: it may open or close."""
        make = self.buy if action.is_buy and not sells else self.sell
        return partial(make, size=self._size(action), **self._of("short" if action.pick % 2 else "long"))

    def _size(self, action: Action) -> float:
        return float(action.size * self.p.conductor.scenario.wire.unit // 1 if self._is_inverse else action.size)

    @property
    def _is_inverse(self) -> bool:
        return self.p.conductor.scenario.wire.market_type is MarketType.INVERSE

    def _of(self, position_side: str) -> dict[str, str]:
        return {"position_side": position_side} if self.p.conductor.scenario.wire.hedge else {}

    def _place_market(self, action: Action, price: Decimal) -> Any:
        return self._side(action)()

    def _place_limit(self, action: Action, price: Decimal) -> Any:
        away = -action.distance_pct if action.is_buy else action.distance_pct
        return self._side(action)(exectype=bt.Order.Limit, price=_at(price, away))

    def _place_stop(self, action: Action, price: Decimal) -> Any:
        away = abs(action.distance_pct) + Decimal("0.1")
        return self._side(action)(exectype=bt.Order.Stop, price=_at(price, away if action.is_buy else -away))

    def _place_trailing(self, action: Action, price: Decimal) -> Any:
        share = float(abs(action.distance_pct) + Decimal("0.1")) / 100
        return self._side(action, sells=True)(exectype=bt.Order.StopTrail, trailpercent=share)

    def _place_bracket(self, action: Action, price: Decimal) -> Any:
        """Long, or on contracts short; the entry rests or is at market; the stop may be a stop-limit."""
        contract = self.p.conductor.scenario.wire.is_contract
        up, make = (1, self.buy_bracket) if action.is_buy or not contract else (-1, self.sell_bracket)
        entry = {"price": _at(price, -action.distance_pct * up)}
        if action.pick % 4 == 3:
            entry = {"exectype": bt.Order.Market}
        stop_pct = (Decimal("-1.2") - abs(action.distance_pct)) * up
        terms: dict[str, Any] = {}
        if action.pick % 3 == 2:
            limit = _at(price, stop_pct - Decimal("0.5") * up)
            terms = {"stopexec": bt.Order.StopLimit, "stopargs": {"plimit": limit}}
        return make(
            size=self._size(action), limitprice=_at(price, Decimal("0.8") * up), stopprice=_at(price, stop_pct),
            **entry, **terms, **self._of("long" if up > 0 else "short"),
        )  # fmt: skip

    def _place_pair(self, action: Action, price: Decimal) -> Any:
        """Take profit or stop, whichever comes first; either may be given first, or there are two targets."""
        stop = {"exectype": bt.Order.Stop, "price": _at(price, Decimal("-0.6"))}
        limit = {"exectype": bt.Order.Limit, "price": _at(price, Decimal("0.6"))}
        far = {"exectype": bt.Order.Limit, "price": _at(price, Decimal("0.9"))}
        legs = [stop, limit, far][: 3 if action.pick % 5 == 4 else 2]
        made = []
        for leg in reversed(legs) if action.pick % 2 else legs:
            made.append(self._side(action, sells=True)(**leg, **({"oco": made[0]} if made else {})))
            if not made[0].alive():
                break
        return made


def _at(price: Decimal, away_pct: Decimal) -> float:
    return float((price * (1 + away_pct / 100)).quantize(PRICE_STEP))


def data_of(conductor: Conductor) -> PacedData:
    return PacedData(
        dataname=conductor.scenario.wire.symbol, next_price=conductor.next_price, timeframe=bt.TimeFrame.Minutes
    )
