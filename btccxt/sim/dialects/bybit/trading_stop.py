"""Bybit's exits: those that come with an order, and ``position/trading-stop``, which gives a position its own."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from btccxt.matching.records import EngineReject, NewOrder
from btccxt.model import Market, Position, Side
from btccxt.sim.dialects.attached_exits import Exit, Exits, exit_kind, place
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.bybit import format as fmt
from btccxt.sim.dialects.bybit.call import Call
from btccxt.sim.dialects.bybit.core import BybitCore
from btccxt.sim.dialects.bybit.errors import error, parameter_error, refused
from btccxt.sim.dialects.bybit.position_exits import STOP_LOSS, TAKE_PROFIT, TRAILING, OrderExits

POSITION_SIDES = {"1": "long", "2": "short"}
_PARTIAL = ("PartialTakeProfit", "PartialStopLoss")
_SPOT_PAIR = ("BidirectionalTpslOrder", "BidirectionalTpslOrder")
_SPOT_ONE = ("tpslOrder", "tpslOrder")


def read_exits(dialect: BybitCore, call: Call, category: str, market: Market, order: NewOrder) -> OrderExits:
    """``takeProfit`` and ``stopLoss`` of order/create. Raises DialectError."""
    take_profit, stop_loss = (
        _read_leg(call, name, short) for name, short in (("takeProfit", "tp"), ("stopLoss", "sl"))
    )
    whole = category != "spot" and (call.text("tpslMode") or "Full") == "Full"
    if whole and any(leg is not None and leg.price is not None for leg in (take_profit, stop_loss)):
        raise parameter_error("tpOrderType and slOrderType can only be Market when tpslMode is Full")
    base = order.price or dialect.venue.engine.last(market.symbol)
    for leg, name, above in ((take_profit, "TakeProfit", True), (stop_loss, "StopLoss", False)):
        if leg is not None and base is not None:
            _check_side(name, order.side, leg.trigger, base, above)
    labels = _PARTIAL
    if category == "spot":
        labels = _SPOT_PAIR if take_profit is not None and stop_loss is not None else _SPOT_ONE
    return OrderExits(Exits(take_profit, stop_loss, labels=labels), whole)


def _read_leg(call: Call, name: str, short: str) -> Exit | None:
    trigger = call.decimal(name)
    if trigger is None:
        return None
    is_limit = call.text(f"{short}OrderType") == "Limit"
    price = call.decimal(f"{short}LimitPrice")
    if is_limit and price is None:
        raise parameter_error(f"{short}LimitPrice invalid")
    return Exit(trigger, price if is_limit else None)


def _check_side(name: str, side: Side, trigger: Decimal, base: Decimal, above: bool) -> None:
    """Of an exit against the price of its entry (``above``: a take-profit of a long position lies higher)."""
    higher = above is (side is Side.BUY)
    if trigger > base if higher else trigger < base:
        return
    relation = "higher" if higher else "lower"
    raise error(
        10001,
        f"{name}:{fmt.text(trigger)} set for {fmt.side_name(side)} position should be {relation} than "
        f"base_price:{fmt.text(base)}??LastPrice",
    )


def trading_stop(dialect: BybitCore, call: Call) -> Any:
    """Mode Full sets, changes or (with 0) removes the position's prices; Partial adds exits for a part of it."""
    category, _, market = dialect.market_of(call)
    if category == "spot":
        raise parameter_error("Category is invalid")
    side = POSITION_SIDES.get(call.text("positionIdx") or "")
    position = dialect.position_exits.position(call.owner, market.symbol, side)
    if position is None:
        raise error(10001, "can not set tp/sl/ts for zero position")
    entry_side = Side.BUY if position.amount > 0 else Side.SELL
    mark = dialect.venue.engine.mark(market.symbol)
    for name, above in (("takeProfit", True), ("stopLoss", False)):
        trigger = call.decimal(name)
        if trigger is not None and mark is not None:
            _check_side(name[0].upper() + name[1:], entry_side, trigger, mark, above)
    try:
        if call.text("tpslMode") == "Partial":
            _add_partial(dialect, call, market, position)
        else:
            _set_whole(dialect, call, position)
    except EngineReject as reject:
        raise refused(reject, category) from None
    return {}


def _set_whole(dialect: BybitCore, call: Call, position: Position) -> None:
    exits, changed = dialect.position_exits, False
    for name, label in (("takeProfit", TAKE_PROFIT), ("stopLoss", STOP_LOSS), ("trailingStop", TRAILING)):
        if call.text(name) is None:
            continue
        price = call.decimal(name)
        standing = exits.standing(call.owner, position.symbol, position.hedge_side, label)
        if price is None:
            changed = changed or standing is not None
            exits.remove(call.owner, position, label, call.now_ms)
        elif standing is None or price not in (standing.request.trigger_price, standing.request.trailing_amount):
            changed = True
            active = call.decimal("activePrice") if label == TRAILING else None
            exits.set(call.owner, position, label, price, call.now_ms, active)
    if not changed:
        raise error(34040, "not modified")


def _add_partial(dialect: BybitCore, call: Call, market: Market, position: Position) -> None:
    legs = []
    for name, short, stops, label in (("takeProfit", "tp", False, _PARTIAL[0]), ("stopLoss", "sl", True, _PARTIAL[1])):
        leg = _read_leg(call, name, short)
        if leg is None:
            continue
        size = call.decimal(f"{short}Size")
        if size is None or size > abs(position.amount):
            raise parameter_error(f"{short}Size invalid")
        legs.append(
            NewOrder(
                market.symbol,
                Side.SELL if position.amount > 0 else Side.BUY,
                exit_kind(stops, leg.price),
                amount=size,
                price=leg.price,
                trigger_price=leg.trigger,
                reduce_only=True,
                position_side=position.hedge_side,
                fires_at_once=True,
                label=label,
            )
        )
    if not legs:
        raise parameter_error("takeProfit, stopLoss or trailingStop is required")
    place(dialect.venue.engine, call.owner, legs, call.now_ms)


TRADING_STOP_ROUTES: Mapping[str, Route] = {
    "POST /v5/position/trading-stop": Route(trading_stop, signed=True, is_order=True),
}
