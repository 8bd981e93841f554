"""Bybit's accounts behind its endpoints: orders, their exits and fees, post-only refusals, leverage."""

from __future__ import annotations

from abc import abstractmethod
from decimal import Decimal
from typing import Any

from btccxt.matching.records import TRIGGER_KINDS, EngineReject, NewOrder, RejectCode, SimOrder, SimStatus
from btccxt.model import ZERO, Market
from btccxt.sim.dialects.attached_exits import AttachedExits
from btccxt.sim.dialects.base import Dialect, Venue
from btccxt.sim.dialects.bybit import order_format as order_fmt
from btccxt.sim.dialects.bybit.call import Call
from btccxt.sim.dialects.bybit.errors import refused
from btccxt.sim.dialects.bybit.position_exits import OrderExits, PositionExits

_REFUSED_IDS = 10**15  # ids of orders that the engine never had


class BybitCore(Dialect):
    """State of the accounts, and what endpoints and streams ask for."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        # Spot and linear share ids: BTCUSDT is both.
        self.by_category: dict[tuple[str, str], Market] = {
            (self.category_of(symbol), own_id): venue.engine.markets[symbol] for symbol, own_id in self.ids.items()
        }
        self.exits = AttachedExits(venue.engine)
        self.position_exits = PositionExits(venue.engine)
        self._fees: dict[str, dict[str, Decimal]] = {}  # order id -> coin -> what its fills have cost
        self._refused: dict[str, list[SimOrder]] = {}  # post-only orders that would have taken, by account

    @abstractmethod
    def tell_order(self, order: SimOrder, status: str | None = None) -> None:
        """The order has changed: to its account's streams. ``status``: where the order's own does not say it."""

    def category_of(self, symbol: str) -> str:
        return self.venue.engine.markets[symbol].type.value

    def listed(self, category: str) -> list[tuple[str, Market]]:
        return [(own_id, market) for (found, own_id), market in self.by_category.items() if found == category]

    def market_of(self, call: Call) -> tuple[str, str, Market]:
        """(category, own id, market) of the mandatory parameters."""
        category, own_id = call.required("category"), call.required("symbol")
        market = self.by_category.get((category, own_id))
        if market is None:
            raise refused(EngineReject(RejectCode.UNKNOWN_SYMBOL, ""), category)
        return category, own_id, self.venue.engine.markets[market.symbol]

    def submit(
        self,
        owner: str,
        order: NewOrder,
        now_ms: int,
        attached: OrderExits,
    ) -> SimOrder:
        """Raises DialectError. A post-only order that would take is accepted, and cancelled at once."""
        category = self.category_of(order.symbol)
        known = (found.client_order_id for found in self.orders(owner, order.symbol))
        try:
            if order.client_order_id is not None and order.client_order_id in known:
                raise EngineReject(RejectCode.DUPLICATE_CLIENT_ID, "")
            placed = self.venue.engine.submit(owner, order, now_ms)
        except EngineReject as reject:
            if reject.code is not RejectCode.WOULD_TAKE:
                raise refused(reject, category) from None
            return self._refuse_to_take(owner, order, now_ms)
        if attached.whole_position:
            self.position_exits.attach(placed, attached.exits.triggers, now_ms)
        else:
            self.exits.attach(placed, attached.exits, self._base_fee(placed), now_ms)
        return placed

    def _refuse_to_take(self, owner: str, order: NewOrder, now_ms: int) -> SimOrder:
        refused_before = self._refused.setdefault(owner, [])
        order_id = str(_REFUSED_IDS + len(refused_before))
        link = order.client_order_id or f"sim-{order_id}"
        ended = SimOrder(order_id, owner, link, order, SimStatus.CANCELED, ZERO, ZERO, now_ms, now_ms)
        refused_before.append(ended)
        self.tell_order(ended)
        return ended

    def orders(self, owner: str, symbol: str | None = None, *, open_only: bool = False) -> list[SimOrder]:
        """Whatever this account may ask after, oldest first."""
        found = self.venue.engine.orders(owner, symbol, open_only)
        if open_only:
            return found
        return found + [order for order in self._refused.get(owner, ()) if symbol in (None, order.symbol)]

    def filter_of(self, order: SimOrder) -> str:
        """In which of Bybit's books an order is: once triggered, it is a plain one."""
        if order.request.kind not in TRIGGER_KINDS or order.triggered:
            return "Order"
        is_exit = order.request.label in ("tpslOrder", "BidirectionalTpslOrder")
        return "tpslOrder" if is_exit else "StopOrder"

    def order_row(self, order: SimOrder, status: str | None = None) -> dict[str, Any]:
        category = self.category_of(order.symbol)
        attached = self.exits.of(order.order_id)
        exits = self.position_exits.of(order.order_id)
        if attached is not None:
            exits = attached.triggers
        return order_fmt.order(
            self.ids[order.symbol],
            order,
            self.venue.engine.markets[order.symbol],
            fees=self._fees.get(order.order_id, {}),
            exits=exits,
            tpsl_mode="" if exits == (None, None) or category == "spot" else "Full" if attached is None else "Partial",
            status=status,
            would_take=int(order.order_id) >= _REFUSED_IDS,
        )

    def _base_fee(self, order: SimOrder) -> Decimal:
        market = self.venue.engine.markets[order.symbol]
        return ZERO if market.is_contract else self._fees.get(order.order_id, {}).get(market.base, ZERO)
