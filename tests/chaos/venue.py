"""The exchange of the chaos tests: one whose prices move only when a scenario says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from btccxt.model import Market, Side
from btccxt.sim.background import BackgroundExchange
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.markets import spot_market
from btccxt.sim.records import Event, OrderChanged
from btccxt.sim.server import SimExchange
from btccxt.sim.source import Level, MarketStep, Print

D = Decimal
BTC = "BTC/USDT"
BNB = "BNB/USDT"
START_MS = 1_767_614_400_000  # 2026-01-05 12:00 UTC
FUNDS = {"USDT": D(50_000), "BTC": D(1), "BNB": D(10)}
_LEVELS = 6
_LEVEL_AMOUNT = D("0.05")
_LEVEL_STEP = D("0.0002")


class QuietSource:
    """A market that stands still."""

    flat_bars_when_quiet = True
    end_ms = None
    start_ms = START_MS

    def __init__(self, prices: Mapping[str, Decimal]) -> None:
        self._prices = prices
        self.symbols: Mapping[str, Market] = {symbol: spot_market(symbol) for symbol in prices}

    def history(self, *_: Any, **__: Any) -> list[Any]:
        return []

    last_bars = trades = last_trades = history

    def seek(self, time_ms: int) -> Iterator[MarketStep]:
        for symbol, price in self._prices.items():
            bids, asks = depth(price)
            yield MarketStep(symbol, time_ms, (Print("0", price, D(1), None),), bids, asks)

    def advance(self, to_ms: int) -> Iterator[MarketStep]:
        return iter(())

    def made_by_accounts(self, symbol: str) -> bool:
        return False

    def on_event(self, event: Event) -> None:
        pass


def depth(price: Decimal) -> tuple[list[Level], list[Level]]:
    """A few thin levels on both sides: larger orders fill in parts, at several prices."""
    steps = [price * _LEVEL_STEP * (n + 1) for n in range(_LEVELS)]
    bids = [((price - step).quantize(D("0.01")), _LEVEL_AMOUNT) for step in steps]
    asks = [((price + step).quantize(D("0.01")), _LEVEL_AMOUNT) for step in steps]
    return bids, asks


class ChaosVenue(BackgroundExchange):
    """One account, one market, in a thread of its own."""

    def __init__(self, seed: int, price: Decimal, fee_currency: str | None) -> None:
        account = SimAccount(balances=FUNDS, fee_currency=fee_currency)
        super().__init__(
            lambda: SimExchange(
                QuietSource({BTC: price, BNB: D(600)}), start_ms=START_MS, seed=seed, accounts=[account]
            )
        )
        self._waiting: tuple[str, Decimal] | None = None

    def move(self, price: Decimal) -> None:
        """Now; resting orders and triggers that it reaches are executed before this returns."""
        self.call(lambda exchange: move(exchange, price))

    def move_when(self, when: str, price: Decimal) -> None:
        """At the very next order that is accepted, or cancel that arrives."""
        self._waiting = (when, price)

    def moved(self) -> bool:
        return self._waiting is None

    def move_anyway(self) -> None:
        """What it waited for did not happen."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.move(waiting[1])

    def watch(self) -> None:
        """After ``start``."""

        def accepted(exchange: SimExchange, event: Event) -> None:
            if isinstance(event, OrderChanged) and event.reason == "new":
                self._strike(exchange, "accepted", later=True)

        def seen(exchange: SimExchange, request: Any) -> None:
            if request.method == "DELETE":
                self._strike(exchange, "cancelling", later=False)

        def attach(exchange: SimExchange) -> None:
            exchange.engine.listen(lambda event: accepted(exchange, event))
            exchange.on_request(lambda request: seen(exchange, request))

        self.call(attach)

    def _strike(self, exchange: SimExchange, what: str, later: bool) -> None:
        if self._waiting is None or self._waiting[0] != what:
            return
        price, self._waiting = self._waiting[1], None
        if later:  # the engine is in the middle of accepting it
            assert self._loop is not None
            self._loop.call_soon(move, exchange, price)
        else:
            move(exchange, price)


def move(exchange: SimExchange, price: Decimal) -> None:
    now_ms = int(exchange.clock.now_ms())
    bids, asks = depth(price)
    exchange.engine.set_depth(BTC, bids, asks, now_ms)
    exchange.engine.print_trade(BTC, price, D("0.001"), Side.BUY, now_ms)
