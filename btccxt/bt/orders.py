"""The orders of one run: backtrader's objects, the intents behind them, how long they hold, and the money they bind.

Lives in the strategy's thread; sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from btccxt.model import ZERO, Market, OrderRequest, Side, decimal_of


class OwnOrders:
    """Backtrader orders by client order id, and their intents by ``order.ref``."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        """By client order id, ended ones too: late fills count."""
        self._open: dict[str, Any] = {}  # those of them that may still fill
        self._requests: dict[int, OrderRequest] = {}  # of every order that is not final
        self._expiries_ms: dict[int, int] = {}  # of orders whose validity is kept here
        self._waiting: set[int] = set()  # they wait on this machine and bind no money

    def add(self, order: Any, request: OrderRequest, *, waits: bool = False, expires_ms: int | None = None) -> None:
        """An order that may fill from now on."""
        self.known[request.client_order_id] = self._open[request.client_order_id] = order
        self._requests[order.ref] = request
        if waits:
            self._waiting.add(order.ref)
        if expires_ms is not None:
            self._expiries_ms[order.ref] = expires_ms

    def end(self, order: Any, client_order_id: str) -> None:
        self._open.pop(client_order_id, None)
        self._requests.pop(order.ref, None)
        self._expiries_ms.pop(order.ref, None)

    def is_open(self, client_order_id: str | None) -> bool:
        return client_order_id in self._open

    def open_refs(self) -> dict[str, int]:
        """Client order id -> ref."""
        return {name: order.ref for name, order in self._open.items()}

    # -------------------------------------------------------------- intents

    def request(self, order: Any) -> OrderRequest | None:
        """What was asked for; None if the order has ended, or was never sent."""
        return self._requests.get(order.ref)

    def take_request(self, order: Any, request: OrderRequest) -> None:
        """It is asked for something else now."""
        self._requests[order.ref] = request

    def waits(self, order: Any) -> bool:
        return order.ref in self._waiting

    def left(self, order: Any) -> None:
        """It is on its way to the exchange: from now on it binds money."""
        self._waiting.discard(order.ref)

    def is_tied(self, order: Any) -> bool:
        """Whether it is part of a bracket or a pair."""
        tied = order.parent is not None or order.oco is not None
        return tied or any(other.parent is order or other.oco is order for other in self._open.values())

    # -------------------------------------------------------------- validity kept here

    def expires_ms(self, order: Any) -> int | None:
        return self._expiries_ms.get(order.ref)

    @property
    def some_expire(self) -> bool:
        return bool(self._expiries_ms)

    def take_expired(self, now_ms: int) -> Iterator[tuple[str, Any]]:
        """Client order ids and orders whose time has come, each once."""
        for ref, expires_ms in list(self._expiries_ms.items()):
            if now_ms >= expires_ms:
                del self._expiries_ms[ref]
                if (request := self._requests.get(ref)) is not None:
                    yield request.client_order_id, self._open[request.client_order_id]

    # -------------------------------------------------------------- money

    def missing_funds(
        self, order: Any, request: OrderRequest, totals: Mapping[str, Decimal], markets: Mapping[str, Market]
    ) -> str | None:
        """The shortfall that the exchange would refuse, or None. Contracts follow the exchange's own margin rules."""
        market = markets[request.symbol]
        if market.is_contract:
            return None
        currency, needed = _binds(order, request, market, request.amount)
        total = totals.get(currency, ZERO)
        free = self.free(currency, total, markets)
        if needed <= free:
            return None
        bound = total - free
        tail = f"; {bound.normalize():f} bound by open orders" if bound else ""
        return f"needs {needed.normalize():f} {currency}, {max(free, ZERO).normalize():f} free{tail}"

    def free(self, currency: str, total: Decimal, markets: Mapping[str, Market]) -> Decimal:
        """What is left of ``total`` beyond the orders at the exchange."""
        for order in self._open.values():
            request = self._requests.get(order.ref)
            if request is None or order.ref in self._waiting or markets[request.symbol].is_contract:
                continue
            coin, bound = _binds(order, request, markets[request.symbol], decimal_of(abs(order.executed.remsize)))
            if coin == currency:
                total -= bound
        return total


def _binds(order: Any, request: OrderRequest, market: Market, amount: Decimal) -> tuple[str, Decimal]:
    """Which coin, and how much of it, an order for ``amount`` takes on spot."""
    if request.side is Side.SELL:
        return market.base, amount
    price = request.price or request.trigger_price or decimal_of(order.created.price)
    return market.quote, amount * price
