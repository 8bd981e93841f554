"""Bybit's take-profit, stop-loss and trailing stop of a whole contract position (``tpslMode`` Full).

They stand from the first fill of the order they were attached to, or from ``position/trading-stop``; they have no
amount of their own, fire as market orders for the whole position and end with it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from btccxt.matching.records import EngineReject, NewOrder, SimOrder
from btccxt.model import OrderKind, Position, Side
from btccxt.sim.dialects.attached_exits import Exits, exit_kind

if TYPE_CHECKING:
    from btccxt.matching.engine import Engine

TAKE_PROFIT, STOP_LOSS, TRAILING = "TakeProfit", "StopLoss", "TrailingStop"
Prices = tuple[Decimal | None, Decimal | None]  # take-profit, stop-loss
AllPrices = tuple[Decimal | None, Decimal | None, Decimal | None]  # and the distance of the trailing stop


@dataclass(frozen=True, slots=True)
class OrderExits:
    """What comes with an order. ``whole_position``: its prices become the position's (contracts, mode Full)."""

    exits: Exits
    whole_position: bool


class PositionExits:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: dict[str, Prices] = {}  # by the id of the order that they are attached to
        self._due: list[tuple[SimOrder, Prices]] = []
        self._orders: dict[tuple[str, str, str | None, str], str] = {}  # account, symbol, side, label -> order id
        engine.after_each_call(self._place_due)

    def attach(self, order: SimOrder, prices: Prices, now_ms: int) -> None:
        if prices == (None, None):
            return
        self._waiting[order.order_id] = prices
        self.on_order(order)
        self._place_due(now_ms)

    def of(self, order_id: str) -> Prices:
        return self._waiting.get(order_id, (None, None))

    def on_order(self, order: SimOrder) -> None:
        prices = self._waiting.get(order.order_id)
        if prices is not None and order.filled:
            self._due.append((order, prices))
        if not order.is_open:
            self._waiting.pop(order.order_id, None)

    def _place_due(self, now_ms: int) -> None:
        due, self._due = self._due, []
        for order, (take_profit, stop_loss) in due:
            position = self.position(order.account, order.symbol, order.request.position_side)
            if position is None or position.amount * order.side.sign < 0:
                continue  # closed already, or the order has reduced it
            for label, trigger in ((TAKE_PROFIT, take_profit), (STOP_LOSS, stop_loss)):
                standing = self.standing(order.account, order.symbol, order.request.position_side, label)
                if trigger is not None and (standing is None or standing.request.trigger_price != trigger):
                    with suppress(EngineReject):  # the price breaks a rule of the market
                        self.set(order.account, position, label, trigger, now_ms)

    def position(self, account: str, symbol: str, side: str | None) -> Position | None:
        held = (p for p in self._engine.positions(account) if p.symbol == symbol and p.hedge_side == side)
        return next(held, None)

    def standing(self, account: str, symbol: str, side: str | None, label: str) -> SimOrder | None:
        order_id = self._orders.get((account, symbol, side, label))
        if order_id is None:
            return None
        order = self._engine.order(account, symbol=symbol, order_id=order_id)
        return order if order.is_open else None

    def prices(self, account: str, symbol: str, side: str | None) -> AllPrices:
        """Take-profit, stop-loss and trailing distance that a position has."""
        take_profit, stop_loss, trailing = (
            self.standing(account, symbol, side, label) for label in (TAKE_PROFIT, STOP_LOSS, TRAILING)
        )
        return (
            None if take_profit is None else take_profit.request.trigger_price,
            None if stop_loss is None else stop_loss.request.trigger_price,
            None if trailing is None else trailing.request.trailing_amount,
        )

    def set(
        self, account: str, position: Position, label: str, price: Decimal, now_ms: int, active: Decimal | None = None
    ) -> None:
        """Put an exit in the place of the one that stands. ``price`` is the distance of a trailing stop, which begins
        to trail at ``active``. Raises EngineReject.
        """
        self.remove(account, position, label, now_ms)
        is_trailing = label == TRAILING
        before = self.standing(account, position.symbol, position.hedge_side, label)
        order = NewOrder(
            position.symbol,
            Side.SELL if position.amount > 0 else Side.BUY,
            OrderKind.TRAILING_AMOUNT if is_trailing else exit_kind(label == STOP_LOSS, None),
            trigger_price=active if is_trailing else price,
            trailing_amount=price if is_trailing else None,
            position_side=position.hedge_side,
            closes_position=True,
            reduce_only=True,
            fires_at_once=True,
            label=label,
        )
        placed = self._engine.submit(account, order, now_ms)
        self._orders[account, position.symbol, position.hedge_side, label] = placed.order_id
        if before is not None:
            self._cancel(before, now_ms)

    def remove(self, account: str, position: Position, label: str, now_ms: int) -> None:
        standing = self.standing(account, position.symbol, position.hedge_side, label)
        if standing is not None:
            self._cancel(standing, now_ms)

    def _cancel(self, order: SimOrder, now_ms: int) -> None:
        with suppress(EngineReject):  # it has fired meanwhile
            self._engine.cancel(order.account, symbol=order.symbol, order_id=order.order_id, now_ms=now_ms)
