"""What one order is, from all that was heard of it: a pure state machine.

``apply(order, event, now_ms)`` adds one piece of evidence and returns the new order and what has to be done about it.
It does no I/O and reads no clock. Two rules make it safe to feed it everything, twice and in any order:

* evidence only grows (the set of trades, the highest cumulative amount, the set of final states reported), and sums are
  functions of that set;
* states have a total order and never go back::

    INTENT < JOURNALED < SENT < UNKNOWN < OPEN < PARTIALLY_FILLED < CANCELED < EXPIRED < REJECTED < FILLED

  EXPIRED and REJECTED stand above CANCELED because exchanges fold them into "canceled", never the other way round.
  A late trade can still turn a canceled order into a filled one; that is the exchange's truth.

A final word of the exchange becomes the order's state when the trades it implies have arrived, or when ``FillsOverdue``
says that the wait for them is over: a strategy that hears "completed" must find the fills counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

from btccxt.model import ZERO, Fee, Fill, OrderStatus, OrderUpdate, Origin
from btccxt.orders.events import (
    Alarm,
    AlarmKind,
    Amended,
    AskAgain,
    CancelGhost,
    CancelRequested,
    Effect,
    FetchFills,
    FillCorrected,
    FillsOverdue,
    Gone,
    Journaled,
    LifecycleEvent,
    NeverArrived,
    NeverSent,
    NewFill,
    Noted,
    NotPlaced,
    OutcomeUnknown,
    Rejection,
    Released,
    Sent,
    Withdrawn,
)
from btccxt.orders.live_order import TERMINAL_STATES, LifecycleState, LiveOrder, changed

__all__ = ["LifecycleState", "LiveOrder", "apply"]


def apply(order: LiveOrder, event: LifecycleEvent, now_ms: int) -> tuple[LiveOrder, tuple[Effect, ...]]:
    """Add one piece of evidence. Evidence that says nothing new returns the very same object."""
    before = order
    if isinstance(event, Fill):
        order, effects = _apply_fill(order, event)
        is_new = order is not before
    else:
        if isinstance(event, OrderUpdate):
            order, effects = _apply_update(order, event)
        else:
            order, effects = _apply_own(order, event, now_ms)
        is_new = order != before
    if not is_new:
        return before, effects
    # ``order`` is a fresh copy that nobody else has seen; finishing it in place saves copying forty fields once more.
    finish = object.__setattr__
    finish(order, "state", _state(order))
    finish(order, "updated_ms", max(before.updated_ms, now_ms))
    if order.filled > order.amount and not order.overfilled and order.has_exact_amount:
        finish(order, "overfilled", True)
        text = f"order {order.client_order_id} ({order.symbol}) filled {order.filled}, asked for {order.amount}"
        effects = (*effects, _told_once(AlarmKind.OVERFILL, text, order))
    return order, effects


def _state(order: LiveOrder) -> LifecycleState:
    """The highest state that the evidence supports, never below the present one."""
    if order.has_exact_amount and ZERO < order.amount <= order.filled:
        return LifecycleState.FILLED
    state = order.state
    if order.reported_terminal and (order.fills_overdue or order.fills_missing == ZERO):
        for word in order.reported_terminal:
            # "closed" with less than the order's amount is a cancelled remainder (ccxt calls both closed)
            short = (
                word is LifecycleState.FILLED and order.reported_filled_at_close is not None and not order.closed_full
            )
            state = _higher(state, LifecycleState.CANCELED if short else word)
    if order.filled > ZERO:
        return _higher(state, LifecycleState.PARTIALLY_FILLED)
    return _higher(state, LifecycleState.OPEN) if order.acknowledged else state


def _higher(first: LifecycleState, second: LifecycleState) -> LifecycleState:
    return second if second.rank > first.rank else first


def _with(items: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*items, *more)))


def _apply_own(order: LiveOrder, event: LifecycleEvent, now_ms: int) -> tuple[LiveOrder, tuple[Effect, ...]]:
    """What we did or concluded ourselves."""
    state = order.state
    match event:
        case Journaled():
            return changed(order, state=_higher(state, LifecycleState.JOURNALED)), ()
        case Released(request, listed):
            return changed(order, request=request, original=order.intent, pending_release=False, listed=listed), ()
        case Sent(attempt):
            sent_ms = now_ms if attempt > order.attempts else order.sent_ms
            attempts = max(order.attempts, attempt)
            return changed(
                order,
                state=_higher(state, LifecycleState.SENT),
                attempts=attempts,
                sent_ms=sent_ms,
                pending_release=False,
            ), ()
        case OutcomeUnknown(why):
            return changed(order, state=_higher(state, LifecycleState.UNKNOWN), reasons=_with(order.reasons, why)), ()
        case NotPlaced(why):
            return changed(order, notes=_with(order.notes, why)), ()
        case Rejection(reasons):
            reported_terminal = order.reported_terminal | {LifecycleState.REJECTED}
            return changed(order, reported_terminal=reported_terminal, reasons=_with(order.reasons, *reasons)), ()
        case NeverArrived(why):
            reported_terminal = order.reported_terminal | {LifecycleState.REJECTED}
            order = changed(
                order, reported_terminal=reported_terminal, never_arrived=True, reasons=_with(order.reasons, why)
            )
            return order, (_ghost(order) if order.acknowledged else ())
        case Gone(why):
            return changed(
                order,
                reported_terminal=order.reported_terminal | {LifecycleState.CANCELED},
                notes=_with(order.notes, why),
            ), ()
        case Withdrawn(why):
            return changed(
                order,
                reported_terminal=order.reported_terminal | {LifecycleState.CANCELED},
                notes=_with(order.notes, why),
            ), ()
        case NeverSent(why):
            reported_terminal = order.reported_terminal | {LifecycleState.CANCELED}
            return changed(order, reported_terminal=reported_terminal, reasons=_with(order.reasons, why)), ()
        case CancelRequested():
            return changed(order, cancel_requested=True), ()
        case FillsOverdue():
            return _apply_overdue(order)
        case Amended(request, order_id, how):
            original = order.original
            if original is not None and original.kind is request.kind:
                original = replace(original, price=request.price, trigger_price=request.trigger_price)
            order = changed(order, request=request, original=original, notes=_with(order.notes, how))
            if order_id is not None and order_id != order.order_id:
                left = order.replaced_ids if order.order_id is None else _with(order.replaced_ids, order.order_id)
                order = changed(order, order_id=order_id, replaced_ids=left)
            return order, ()
        case Noted(text):
            return changed(order, notes=_with(order.notes, text)), ()
        case _:
            raise TypeError(f"not a lifecycle event: {event!r}")


def _apply_overdue(order: LiveOrder) -> tuple[LiveOrder, tuple[Effect, ...]]:
    if not order.awaits_fills:
        return order, ()
    text = (
        f"order {order.client_order_id} ({order.symbol}) is closed at the exchange, "
        f"but trades for {order.fills_missing} have not arrived; position and cash may be off until they do"
    )
    order = changed(order, fills_overdue=True, notes=_with(order.notes, text))
    return order, (_told_once(AlarmKind.FILLS_OVERDUE, text, order),)


def _ghost(order: LiveOrder) -> tuple[Effect, ...]:
    text = f"order {order.client_order_id} ({order.symbol}) counted as never placed, but the exchange knows it"
    return (_told_once(AlarmKind.GHOST, text, order), CancelGhost())


def _told_once(kind: AlarmKind, text: str, order: LiveOrder) -> Alarm:
    return Alarm(kind, text, order.client_order_id, once=f"{kind.value} {order.client_order_id}")


def _apply_update(order: LiveOrder, update: OrderUpdate) -> tuple[LiveOrder, tuple[Effect, ...]]:
    effects: tuple[Effect, ...] = ()
    for fill in update.fills:
        order, more = _apply_fill(order, fill)
        effects += more
    if update.order_id is not None and update.order_id in order.replaced_ids:
        return order, effects  # the end of an order that an edit replaced is not this order's end
    was_seen = order.acknowledged
    reported_terminal, closed_full, reported_filled_at_close = (
        order.reported_terminal,
        order.closed_full,
        order.reported_filled_at_close,
    )
    word = TERMINAL_STATES.get(update.status)
    if word is not None and update.origin is not Origin.CANCEL:  # the answer to a cancel is not proof
        reported_terminal = reported_terminal | {word}
        # "filled, amount 0" is how some exchanges close a fired trigger: it names no amount at all
        if word is LifecycleState.FILLED and update.filled:
            closed_full = closed_full or update.filled >= min(order.amount, update.amount or order.amount)
            closed_full = closed_full or not order.has_exact_amount
            reported_filled_at_close = max(reported_filled_at_close or ZERO, update.filled)
    if (wrong_id := _id_to_leave(order, update)) is not None:
        order = changed(order, order_id=update.order_id, replaced_ids=_with(order.replaced_ids, wrong_id))
    is_child = order.is_conditional and order.order_id is not None and update.order_id not in (None, order.order_id)
    order = changed(
        order,
        acknowledged=True,
        reported_terminal=reported_terminal,
        closed_full=closed_full,
        reported_filled_at_close=reported_filled_at_close,
        order_id=order.order_id or update.order_id,
        child_order_id=update.child_order_id or order.child_order_id or (update.order_id if is_child else None),
        triggered=order.triggered or update.status is OrderStatus.TRIGGERED or is_child,
        raw_status=update.raw_status or order.raw_status,
        reasons=_with(order.reasons, update.reject_reason) if update.reject_reason else order.reasons,
    )
    if update.filled is not None and update.filled > order.reported_filled:
        order = changed(order, reported_filled=update.filled, hinted_average=update.average or order.hinted_average)
        if order.infer_fills:
            order, more = _infer(order, update)
            effects += more
    if order.trades_missing > ZERO:
        effects += (FetchFills(order.trades_missing),)
    if update.status is OrderStatus.UNKNOWN:
        effects += (AskAgain(f"the exchange gave no status that is known ({update.raw_status!r})"),)
    if order.never_arrived and not was_seen:
        effects += _ghost(order)
    return order, effects


def _id_to_leave(order: LiveOrder, update: OrderUpdate) -> str | None:
    """Asked for by the client order id, the exchange names another open order than the one we know: ours was of a
    frame that was wrong, or of an order that was replaced.
    """
    is_another = (
        update.origin is Origin.QUERY
        and update.status is OrderStatus.OPEN
        and update.client_order_id == order.client_order_id
        and update.order_id not in (None, order.order_id)
        and not order.is_conditional
    )
    return order.order_id if is_another else None


def _infer(order: LiveOrder, update: OrderUpdate) -> tuple[LiveOrder, tuple[Effect, ...]]:
    """Where an exchange names no trades, the rise of its cumulative amount is one."""
    amount = order.reported_filled - order.filled
    if amount <= ZERO:
        return order, ()
    average = order.hinted_average or order.request.price or update.price
    if average is None:
        return order, (AskAgain("filled, but the exchange gave no price"),)
    cost = order.reported_filled * average
    price = (cost - order.cost) / amount
    if price <= ZERO:  # averages are rounded by some exchanges; a price must still be one
        price = average
        cost = order.cost + amount * price
    fill = Fill(
        trade_id=f"cumulative-{order.reported_filled.normalize():f}",
        symbol=order.symbol,
        side=order.request.side,
        price=price,
        amount=amount,
        time_ms=update.time_ms or order.updated_ms,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
    )
    return changed(order, filled=order.reported_filled, cost=cost), (NewFill(fill),)


def _apply_fill(order: LiveOrder, fill: Fill) -> tuple[LiveOrder, tuple[Effect, ...]]:
    anonymous = not fill.trade_id
    if anonymous:
        fill = replace(fill, trade_id=f"~{fill.time_ms}-{fill.price.normalize():f}-{fill.amount.normalize():f}")
    known = order.fills.get(fill.trade_id)
    if known is not None and (known.fee is not None or fill.fee is None):
        return order, ()
    before = order
    if order.anonymous or anonymous or known is not None:
        order = _recount(order, fill, order.anonymous + (1 if anonymous and known is None else 0))
    else:
        order = _add(order, fill)
    effects = _gains(before, order, fill)
    if before.never_arrived and not before.acknowledged:
        effects += _ghost(order)
    return order, effects


def _gains(before: LiveOrder, after: LiveOrder, fill: Fill) -> tuple[Effect, ...]:
    """What the arrival of ``fill`` added to amount and fees; sums of these always equal the order's own."""
    gained = after.filled - before.filled
    fees = [
        Fee(currency, gain)
        for currency, cost in after.fees.items()
        if (gain := cost - before.fees.get(currency, ZERO)) != ZERO
    ]
    fees += [Fee(currency, -cost) for currency, cost in before.fees.items() if currency not in after.fees and cost]
    effects: tuple[Effect, ...] = ()
    if gained > ZERO:
        known = fees.pop(0) if fees else fill.fee and replace(fill.fee, cost=ZERO)  # no fee is not an unknown one
        effects = (NewFill(replace(fill, amount=gained, fee=known)),)
    return effects + tuple(FillCorrected(replace(fill, amount=ZERO, fee=fee)) for fee in fees)


def _add(order: LiveOrder, fill: Fill) -> LiveOrder:
    """One more trade, in constant time."""
    traded = order.traded + fill.amount
    fees = order.fees
    if fill.fee is not None:
        currency = fill.fee.currency
        fees = MappingProxyType({**fees, currency: fees.get(currency, ZERO) + fill.fee.cost})
    fills = order.fills.with_fill(fill)
    traded_cost = order.traded_cost + fill.price * fill.amount
    filled, cost = order.filled, order.cost
    if traded >= filled:  # else a part of what was inferred, which only now has a name and a fee
        filled, cost = traded, traded_cost
    return changed(
        order, traded=traded, traded_cost=traded_cost, filled=filled, cost=cost, fees=fees, fills=fills,
        order_id=order.order_id or fill.order_id, acknowledged=True,
    )  # fmt: skip


def _cost(trades: Iterable[Fill]) -> Decimal:
    return sum((trade.price * trade.amount for trade in trades), ZERO)


def _recount(order: LiveOrder, fill: Fill, anonymous: int) -> LiveOrder:
    """Sum all trades anew. A trade without an id and one with an id, of equal price and amount, are the same trade."""
    fills = order.fills.with_fill(fill)
    named: dict[tuple[Decimal, Decimal], int] = {}
    counted: list[Fill] = []
    nameless: list[Fill] = []
    for trade_id, trade in fills.items():
        if trade_id.startswith("~"):
            nameless.append(trade)
        else:
            key = (trade.price, trade.amount)
            named[key] = named.get(key, 0) + 1
            counted.append(trade)
    for trade in sorted(nameless, key=lambda trade: trade.trade_id):
        key = (trade.price, trade.amount)
        if named.get(key, 0) > 0:
            named[key] -= 1
        else:
            counted.append(trade)
    traded, traded_cost = sum((trade.amount for trade in counted), ZERO), _cost(counted)
    fees: dict[str, Decimal] = {}
    for trade in counted:
        if trade.fee is not None:
            fees[trade.fee.currency] = fees.get(trade.fee.currency, ZERO) + trade.fee.cost
    filled, cost = order.filled, order.cost
    if traded >= filled:
        filled, cost = traded, traded_cost
    return changed(
        order,
        traded=traded,
        traded_cost=traded_cost,
        filled=filled,
        cost=cost,
        fees=MappingProxyType(fees),
        fills=fills,
        anonymous=anonymous,
        order_id=order.order_id or fill.order_id,
        acknowledged=True,
    )
