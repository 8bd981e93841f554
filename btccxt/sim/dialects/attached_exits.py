"""Stop-losses and take-profits that were attached to an order: they come to life when it has ended with fills."""

from __future__ import annotations

from collections.abc import Sequence
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
class Exit:
    """Where one side of the exit goes off. ``price``: of the limit order it makes then; None: a market order.

    ``at_limit``: no trigger, a limit order at ``price`` that rests from the start.
    """

    trigger: Decimal
    price: Decimal | None = None
    at_limit: bool = False


@dataclass(frozen=True, slots=True)
class Exits:
    """``client_order_id`` goes to the first order that is made of them; ``labels`` name take-profit and stop-loss."""

    take_profit: Exit | None = None
    stop_loss: Exit | None = None
    client_order_id: str | None = None
    labels: tuple[str, str] = ("TakeProfit", "StopLoss")

    def __bool__(self) -> bool:
        return self.take_profit is not None or self.stop_loss is not None

    @property
    def triggers(self) -> tuple[Decimal | None, Decimal | None]:
        """Of take-profit and stop-loss."""
        take_profit, stop_loss = self.take_profit, self.stop_loss
        return take_profit.trigger if take_profit else None, stop_loss.trigger if stop_loss else None


class AttachedExits:
    """Places exits between the engine's calls, as a listener must not place orders itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._attached: dict[str, Exits] = {}  # by the id of the order that they are attached to
        self._due: list[tuple[SimOrder, Exits, Decimal]] = []
        engine.after_each_call(self._place_due)

    def of(self, order_id: str) -> Exits | None:
        return self._attached.get(order_id)

    def attach(self, order: SimOrder, exits: Exits, base_fee: Decimal, now_ms: int) -> None:
        """``base_fee``: what fees have taken from the coin that was bought."""
        if exits:
            self._attached[order.order_id] = exits
            self.on_order(order, base_fee)
            self._place_due(now_ms)

    def on_order(self, order: SimOrder, base_fee: Decimal) -> None:
        exits = self._attached.get(order.order_id)
        if exits is not None and not order.is_open and order.filled:
            self._due.append((order, exits, base_fee))

    def _place_due(self, now_ms: int) -> None:
        due, self._due = self._due, []
        for order, exits, base_fee in due:
            amount = floor_to_step(order.filled - base_fee, self._engine.markets[order.symbol].amount_step)
            if amount > ZERO:
                with suppress(EngineReject):  # the position or the coins are gone
                    place(self._engine, order.account, exit_orders(order, self._engine, exits, amount), now_ms)


def exit_orders(order: SimOrder, engine: Engine, exits: Exits, amount: Decimal) -> list[NewOrder]:
    """Orders that end what ``order`` has entered; two of them exclude each other."""
    market = engine.markets[order.symbol]
    sides = ((exits.take_profit, False, exits.labels[0]), (exits.stop_loss, True, exits.labels[1]))
    legs: list[NewOrder] = []
    for leg, stops, label in sides:
        if leg is not None:
            client_id = exits.client_order_id if not legs else None
            legs.append(_exit(order, market, leg, stops, amount, label, client_id))
    return legs


def place(engine: Engine, account: str, legs: Sequence[NewOrder], now_ms: int) -> tuple[SimOrder, ...]:
    """Raises EngineReject."""
    if len(legs) == 1:
        return (engine.submit(account, legs[0], now_ms),)
    return engine.submit_list(account, legs, now_ms)


def exit_kind(stops: bool, price: Decimal | None) -> OrderKind:
    if stops:
        return OrderKind.STOP if price is None else OrderKind.STOP_LIMIT
    return OrderKind.TAKE_PROFIT if price is None else OrderKind.TAKE_PROFIT_LIMIT


def _exit(
    order: SimOrder, market: Market, leg: Exit, stops: bool, amount: Decimal, label: str, client_id: str | None
) -> NewOrder:
    return NewOrder(
        order.symbol,
        order.side.opposite,
        OrderKind.LIMIT if leg.at_limit else exit_kind(stops, leg.price),
        amount=amount,
        price=leg.price,
        trigger_price=None if leg.at_limit else leg.trigger,
        reduce_only=market.is_contract,
        position_side=order.request.position_side,
        client_order_id=client_id,
        fires_at_once=True,
        label=label,
        parent_id=order.order_id,
    )
