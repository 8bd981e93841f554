"""The exchange of the chaos tests: its prices move, and requests go on, only as a scenario says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from btccxt.exchange.position_side import named
from btccxt.matching.records import Event, OrderChanged, SimFill, SimOrder
from btccxt.model import Side
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.dialects.base import SeenRequest, SimAccount
from btccxt.sim.faults import Fault
from btccxt.sim.server import SimExchange
from tests.chaos.wires import PRICE_STEP, HttpSession
from tests.still_market import LEVEL_AMOUNT, START_MS, QuietSource, depth

D = Decimal
ACCOUNT = "main"


class ChaosVenue(BackgroundExchange):
    """One account, one market, in a thread of its own. ``log``: what happened, in the order in which it did."""

    def __init__(self, wire: HttpSession, seed: int, price: Decimal, fee_currency: str | None) -> None:
        account = SimAccount(balances=wire.funds, fee_currency=fee_currency)
        prices = {wire.symbol: price, "BNB/USDT": D(600)}
        markets = wire.markets()
        super().__init__(
            lambda: SimExchange(
                QuietSource(markets.values(), {symbol: prices[symbol] for symbol in markets}),
                [wire.exchange],
                start_ms=START_MS,
                seed=seed,
                accounts=[account],
            )
        )
        self.wire = wire
        self.log: list[tuple[int, str]] = []  # (time_ns, what)
        self.on_moment: Callable[[str], None] = lambda what: None
        """Called in the exchange's thread; the moments are those of ``killed.Kill``."""
        self._waiting: tuple[str, Decimal] | None = None
        self._standing: list[int] = []

    def start(self) -> Any:
        address = super().start()
        self.call(self._watch)
        return address

    # -------------------------------------------------------------- the market

    def move(self, price: Decimal) -> None:
        """Now; resting orders and triggers that it reaches are executed before this returns."""
        self.call(lambda exchange: self._move(exchange, price))

    def move_when(self, when: str, price: Decimal) -> None:
        """At the very next order that is accepted, or cancel that arrives."""
        self._waiting = (when, price)

    def move_anyway(self) -> None:
        """What it waited for did not happen."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.move(waiting[1])

    def _move(self, exchange: SimExchange, price: Decimal) -> None:
        self.note(f"the price moves to {price}")
        now_ms = int(exchange.clock.now_ms())
        bids, asks = depth(price, PRICE_STEP, LEVEL_AMOUNT * self.wire.unit)
        exchange.engine.set_depth(self.wire.symbol, bids, asks, now_ms)
        exchange.engine.print_trade(self.wire.symbol, price, self.wire.amount_step, Side.BUY, now_ms)

    # -------------------------------------------------------------- faults

    def begin_faults(self, faults: Iterable[Fault]) -> None:
        """They take the place of those of the step before."""
        self.faults.clear()
        self._standing = [number for fault in faults if (number := self.faults.add(fault)) and fault.is_standing]

    def end_standing_faults(self) -> None:
        """Silence and a wrong clock are over."""
        for number in self._standing:
            self.faults.remove(number)

    # -------------------------------------------------------------- what the exchange itself knows

    def orders(self) -> list[SimOrder]:
        return self.call(lambda exchange: exchange.engine.orders(ACCOUNT))

    def fills(self) -> list[SimFill]:
        return self.call(lambda exchange: exchange.engine.fills(ACCOUNT))

    def totals(self) -> dict[str, Decimal]:
        balances = self.call(lambda exchange: dict(exchange.engine.balances(ACCOUNT)))
        return {coin: balance.total for coin, balance in balances.items()}

    def positions(self) -> dict[str, Decimal]:
        """Of a contract: what is held by the name that the account knows it by."""
        positions = self.call(lambda exchange: exchange.engine.positions(ACCOUNT))
        return {
            each.symbol if each.hedge_side is None else named(each.symbol, each.hedge_side): each.amount
            for each in positions
            if each.amount
        }

    def known(self) -> dict[str, tuple[str, bool]]:
        """Of every order: how much of it is filled, and whether it has ended."""
        return {order.client_order_id: (str(order.filled), order.status.is_final) for order in self.orders()}

    def story(self) -> tuple[str, ...]:
        """``log`` and the strikes of faults in one order, with seconds since the start."""
        struck = [(each.time_ns, f"FAULT {each.fault.kind.value} {each.target}") for each in self.faults.log]
        lines = sorted([*self.log, *struck], key=lambda line: line[0])
        return tuple(f"{(at - lines[0][0]) / 1e9:8.3f} {what}" for at, what in lines)

    def last(self) -> Decimal | None:
        return self.call(lambda exchange: exchange.engine.last(self.wire.symbol))

    # -------------------------------------------------------------- inside, in the exchange's thread

    def note(self, what: str) -> None:
        self.log.append((time.time_ns(), what))

    def _watch(self, exchange: SimExchange) -> None:
        def heard(event: Event) -> None:
            if isinstance(event, OrderChanged):
                order, fill = event.order, event.fill
                traded = f" {fill.amount} at {fill.price}, fee {fill.fee.cost} {fill.fee.currency}" if fill else ""
                self.note(f"exchange: {event.reason} {order.client_order_id} {order.status.name}{traded}")
                if event.reason == "new":
                    self._strike(exchange, "accepted", later=True)
                    self.on_moment("accepted")
                elif event.reason == "amended":
                    self.on_moment("edited")
                elif event.fill is not None:
                    self.on_moment("fill")

        def seen(request: SeenRequest) -> None:
            self.note(f"request {request.method} {request.path} {self.wire.order_named(request.params)}")
            if request.method == "GET":
                self.on_moment("read")

        async def arrived(request: SeenRequest) -> None:
            cancels = self.wire.is_cancelling(request.method, request.path)
            if cancels or self.wire.is_placing(request.method, request.path):
                self.on_moment("cancel" if cancels else "request")
            if self.wire.is_editing(request.method, request.path):
                self.on_moment("edit")
            if cancels:
                self._strike(exchange, "cancelling", later=False)

        exchange.engine.listen(heard)
        exchange.on_request(seen)
        exchange.hold_requests(arrived)

    def _strike(self, exchange: SimExchange, what: str, later: bool) -> None:
        if self._waiting is None or self._waiting[0] != what:
            return
        price, self._waiting = self._waiting[1], None
        if later:  # the engine is in the middle of accepting it
            asyncio.get_running_loop().call_soon(self._move, exchange, price)
        else:
            self._move(exchange, price)
