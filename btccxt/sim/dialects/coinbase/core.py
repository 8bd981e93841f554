"""Coinbase's accounts behind its endpoints: products by id, orders with their fees, the first order of a client id."""

from __future__ import annotations

from abc import abstractmethod
from decimal import Decimal
from typing import Any

from btccxt.matching.records import NewOrder, SimFill, SimOrder
from btccxt.model import ZERO, Market
from btccxt.sim.dialects.base import Dialect, SimAccount, Venue
from btccxt.sim.dialects.coinbase import format as fmt
from btccxt.sim.dialects.coinbase.errors import argument_error


class CoinbaseCore(Dialect):
    """State of the accounts, and what endpoints and streams ask for."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self._fees: dict[str, tuple[Decimal, int]] = {}  # order id -> what its fills have cost, and how many there are

    @abstractmethod
    def account_of_token(self, token: str, uri: str) -> SimAccount | None:
        """Whose token it is; None for one that is not good for this request."""

    def product_of(self, own_id: str) -> tuple[str, Market]:
        market = self.markets.get(own_id)
        if market is None:
            raise argument_error(f"valid product_id is required, not {own_id}")
        return own_id, self.venue.engine.markets[market.symbol]

    def submit(self, owner: str, order: NewOrder, now_ms: int) -> SimOrder:
        """The same client id gives the first order again, and makes no second one. Raises EngineReject."""
        for known in self.venue.engine.orders(owner):
            if known.client_order_id == order.client_order_id and known.symbol in self.ids:
                return known
        return self.venue.engine.submit(owner, order, now_ms)

    def orders(self, owner: str, *, open_only: bool = False) -> list[SimOrder]:
        """Oldest first."""
        found = self.venue.engine.orders(owner, None, open_only)
        return [order for order in found if order.symbol in self.ids]

    def find(self, owner: str, own_order_id: str) -> SimOrder | None:
        return next((order for order in self.orders(owner) if fmt.own_order_id(order.order_id) == own_order_id), None)

    def fills(self, owner: str) -> list[SimFill]:
        """Newest first."""
        return [fill for fill in reversed(self.venue.engine.fills(owner)) if fill.symbol in self.ids]

    def order_row(self, order: SimOrder) -> dict[str, Any]:
        return fmt.order(self.ids[order.symbol], order, *self._fees.get(order.order_id, (ZERO, 0)))

    def user_row(self, order: SimOrder) -> dict[str, Any]:
        return fmt.user_order(self.ids[order.symbol], order, *self._fees.get(order.order_id, (ZERO, 0)))

    def _count_fee(self, fill: SimFill) -> None:
        fee, count = self._fees.get(fill.order_id, (ZERO, 0))
        self._fees[fill.order_id] = fee + fill.fee.cost, count + 1
