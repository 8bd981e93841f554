"""OKX's accounts behind its endpoints: plain and algo orders, their exits and fees, post-only refusals, leverage."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from btccxt.matching.records import (
    TRAILING_KINDS,
    TRIGGER_KINDS,
    EngineReject,
    NewOrder,
    RejectCode,
    SimOrder,
    SimStatus,
)
from btccxt.model import ZERO, Market, Side
from btccxt.sim.dialects.attached_exits import AttachedExits, Exits
from btccxt.sim.dialects.base import Dialect, Venue
from btccxt.sim.dialects.dead_man import DeadMansSwitches
from btccxt.sim.dialects.okx import format as fmt
from btccxt.sim.dialects.okx import order_format as order_fmt
from btccxt.sim.dialects.okx.call import Call
from btccxt.sim.dialects.okx.errors import OrderRefused, error, refused

_REFUSED_IDS = 10**15  # ids of orders that the engine never had


class OkxCore(Dialect):
    """State of the accounts, and what endpoints and streams ask for."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.exits = AttachedExits(venue.engine)
        self.switches = DeadMansSwitches()
        self._fees: dict[str, dict[str, Decimal]] = {}  # order id -> coin -> what its fills have cost
        self._refused: dict[str, list[SimOrder]] = {}  # post-only orders that would have taken, by account

    @abstractmethod
    def tell_order(self, order: SimOrder, more: Mapping[str, Any]) -> None:
        """The order has changed: to its account's streams, with ``more`` fields."""

    def market_of(self, call: Call) -> tuple[str, Market]:
        own_id = call.required("instId")
        market = self.markets.get(own_id)
        if market is None:
            raise error(51001, "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        return own_id, self.venue.engine.markets[market.symbol]

    def leverage_of(self, owner: str, symbol: str) -> Decimal | None:
        """None on spot."""
        engine = self.venue.engine
        return engine.leverage(owner, symbol) if engine.markets[symbol].is_contract else None

    def use_margin_mode(self, owner: str, market: Market, isolated: bool) -> None:
        """Orders say how their position keeps its margin; here all of one symbol do so alike. Raises OrderRefused."""
        if market.is_contract:
            try:
                self.venue.engine.set_isolated(owner, market.symbol, isolated)
            except EngineReject:
                raise OrderRefused(51000, "Parameter tdMode error: the position has the other margin mode") from None

    def submit(self, owner: str, order: NewOrder, now_ms: int, exits: Exits) -> SimOrder:
        """Raises OrderRefused. A post-only order that would take is accepted, and cancelled at once."""
        market = self.venue.engine.markets[order.symbol]
        try:
            if order.client_order_id is not None and self.knows(owner, order.symbol, order.client_order_id):
                raise EngineReject(RejectCode.DUPLICATE_CLIENT_ID, "")
            placed = self.venue.engine.submit(owner, order, now_ms)
        except EngineReject as reject:
            if reject.code is not RejectCode.WOULD_TAKE:
                raise refused(reject, coin_spent(market, order.side)) from None
            return self._refuse_to_take(owner, order, now_ms)
        self.exits.attach(placed, exits, self._base_fee(placed), now_ms)
        return placed

    def _refuse_to_take(self, owner: str, order: NewOrder, now_ms: int) -> SimOrder:
        refused_before = self._refused.setdefault(owner, [])
        order_id = str(_REFUSED_IDS + len(refused_before))
        link = order.client_order_id or f"sim-{order_id}"
        ended = SimOrder(order_id, owner, link, order, SimStatus.CANCELED, ZERO, ZERO, now_ms, now_ms)
        refused_before.append(ended)
        self.tell_order(ended, {})
        return ended

    def knows(self, owner: str, symbol: str, client_id: str) -> bool:
        known = [*self.venue.engine.orders(owner, symbol), *self._refused.get(owner, ())]
        return any(order.client_order_id == client_id for order in known)

    def plain_orders(self, owner: str, symbol: str | None = None) -> list[SimOrder]:
        """Plain ones and those that fired algo orders have made, oldest first."""
        found = [order for order in self.venue.engine.orders(owner, symbol) if not is_algo(order) or order.triggered]
        mine = [order for order in self._refused.get(owner, ()) if symbol in (None, order.symbol)]
        return [order for order in found + mine if order.symbol in self.ids]

    def algo_orders(self, owner: str, symbol: str | None = None) -> list[SimOrder]:
        """Of an OCO pair the first leg stands for both."""
        found = [order for order in self.venue.engine.orders(owner, symbol) if is_algo(order)]
        return [order for order in found if self.legs_of(order)[0].order_id == order.order_id]

    def legs_of(self, order: SimOrder) -> list[SimOrder]:
        """The orders of the engine that make up an algo order, as they are now."""
        if order.list_id is None:
            return [order]
        found = self.venue.engine.orders(order.account, order.symbol)
        return [each for each in found if each.list_id == order.list_id and is_algo(each)]

    def algo_id_of(self, order: SimOrder) -> str:
        return fmt.own_algo_id(self.legs_of(order)[0].order_id)

    def order_row(self, order: SimOrder) -> dict[str, Any]:
        market = self.venue.engine.markets[order.symbol]
        leverage = fmt.text(self.leverage_of(order.account, order.symbol))
        would_take = int(order.order_id) >= _REFUSED_IDS
        fees = self._fees.get(order.order_id, {})
        row = order_fmt.order(
            self.ids[order.symbol], order, market, fees=fees, leverage=leverage, would_take=would_take
        )
        row["tdMode"] = self._mode_of(order)
        exits = self.exits.of(order.order_id)
        if exits is not None:
            row["attachAlgoOrds"] = [order_fmt.attached(order.order_id, exits)]
        if is_algo(order):  # made by an algo order
            first = self.legs_of(order)[0]
            row.update(algoId=fmt.own_algo_id(first.order_id), algoClOrdId=fmt.client_id(first))
        elif order.list_id is not None:  # a limit order that shares its amount with a stop-loss
            row["linkedAlgoOrd"] = {"algoId": self.algo_id_of(order)}
        return row

    def algo_row(self, order: SimOrder) -> dict[str, Any]:
        market = self.venue.engine.markets[order.symbol]
        leverage = fmt.text(self.leverage_of(order.account, order.symbol))
        legs = self.legs_of(order)
        row = order_fmt.algo_order(self.ids[order.symbol], legs, market, _algo_type(legs), leverage)
        return {**row, "tdMode": self._mode_of(order)}

    def _mode_of(self, order: SimOrder) -> str:
        engine = self.venue.engine
        if not engine.markets[order.symbol].is_contract:
            return "cash"
        return "isolated" if engine.is_isolated(order.account, order.symbol) else "cross"

    def _base_fee(self, order: SimOrder) -> Decimal:
        market = self.venue.engine.markets[order.symbol]
        return ZERO if market.is_contract else self._fees.get(order.order_id, {}).get(market.base, ZERO)


def is_algo(order: SimOrder) -> bool:
    return order.request.kind in TRIGGER_KINDS


def _algo_type(legs: list[SimOrder]) -> str:
    request = legs[0].request
    if request.kind in TRAILING_KINDS:
        return "move_order_stop"
    if len(legs) > 1:
        return "oco"
    # A plain trigger says where the price comes from; a stop-loss or take-profit implies it.
    return "trigger" if request.trigger_above is not None else "conditional"


def coin_spent(market: Market, side: Side) -> str:
    return (market.settle or market.quote) if market.is_contract or side is Side.BUY else market.base
