"""Stop-losses and take-profits that were attached to an order: they come to life when the order has ended."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from btccxt.matching.filters import floor_to_step
from btccxt.matching.records import EngineReject, NewOrder, SimOrder
from btccxt.model import ZERO, Market, OrderKind

if TYPE_CHECKING:
    from btccxt.matching.engine import Engine


@dataclass(frozen=True, slots=True)
class Exits:
    take_profit: Decimal | None
    stop_loss: Decimal | None


class AttachedExits:
    """``place_due`` is called between the engine's calls, as a listener must not place orders itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: dict[str, Exits] = {}  # by the id of the order that they are attached to
        self._due: list[tuple[SimOrder, Exits, Decimal]] = []
        self.stop_types: dict[str, str] = {}  # order id of an exit -> 'TakeProfit' or 'StopLoss'

    def attach(self, order: SimOrder, exits: Exits, base_fee: Decimal) -> None:
        if exits.take_profit is None and exits.stop_loss is None:
            return
        self._waiting[order.order_id] = exits
        self.on_order(order, base_fee)

    def on_order(self, order: SimOrder, base_fee: Decimal) -> None:
        """``base_fee``: what fees took from the coin that was bought."""
        if not order.is_open and (exits := self._waiting.pop(order.order_id, None)) is not None and order.filled:
            self._due.append((order, exits, base_fee))

    def place_due(self, now_ms: int) -> None:
        due, self._due = self._due, []
        for order, exits, base_fee in due:
            with suppress(EngineReject):  # the price has run past the trigger, or the position is gone
                self._place(order, exits, base_fee, now_ms)

    def _place(self, order: SimOrder, exits: Exits, base_fee: Decimal, now_ms: int) -> None:
        market = self._engine.markets[order.symbol]
        amount = floor_to_step(order.filled - base_fee, market.amount_step)
        legs = [
            (_exit(order, market, kind, trigger, amount), name)
            for kind, trigger, name in (
                (OrderKind.TAKE_PROFIT, exits.take_profit, "TakeProfit"),
                (OrderKind.STOP, exits.stop_loss, "StopLoss"),
            )
            if trigger is not None and amount > ZERO
        ]
        placed: tuple[SimOrder, ...] = ()
        if len(legs) == 1:
            placed = (self._engine.submit(order.account, legs[0][0], now_ms),)
        elif legs:
            placed = self._engine.submit_list(order.account, [leg for leg, _ in legs], now_ms)
        for exit_order, (_, name) in zip(placed, legs, strict=True):
            self.stop_types[exit_order.order_id] = name


def _exit(order: SimOrder, market: Market, kind: OrderKind, trigger: Decimal, amount: Decimal) -> NewOrder:
    return NewOrder(
        order.symbol,
        order.side.opposite,
        kind,
        amount=amount,
        trigger_price=trigger,
        reduce_only=market.is_contract,
        position_side=order.request.position_side,
    )
