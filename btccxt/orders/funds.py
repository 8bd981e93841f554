"""Funds as the exchange will see them: what orders bind, and what cancels and sales under way will free. Pure.

A backtest frees the money of a cancelled order, and has that of a sale, within the same bar. An exchange does once it
has confirmed: an order that needs such money waits for the confirmation, and is then sent. Spot only: contracts follow
the exchange's own margin rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from btccxt.model import ZERO, Market, OrderKind, OrderRequest, Side

FUNDED = "its funds have come"
"""Noted on an order that is held on when its funds have come: its group decides now when it is sent."""
_FEES_SHARE = Decimal("0.01")  # of a sale's proceeds and of what was bought: more than any exchange takes


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one coin."""

    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One order that may still fill. ``price``: what a market order is taken to cost. ``ending``: being cancelled.

    ``pair``: common to orders of which one cancels the others; of those at the exchange the dearest binds.
    """

    request: OrderRequest
    remaining: Decimal
    price: Decimal | None
    waits: bool = False
    ending: bool = False
    pair: int | None = None


@dataclass(frozen=True, slots=True)
class Enough:
    """It can be paid now."""


@dataclass(frozen=True, slots=True)
class WaitFor:
    """It can be paid when these orders (client order ids) have ended."""

    client_order_ids: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Missing:
    """It cannot be paid."""

    why: str


def needed(request: OrderRequest, market: Market, amount: Decimal, price: Decimal | None) -> Money:
    """What an order for ``amount`` binds on spot."""
    if request.side is Side.SELL:
        return Money(market.base, amount)
    return Money(market.quote, amount * (request.price or request.trigger_price or price or ZERO))


def bound(currency: str, orders: Iterable[OpenOrder], markets: Mapping[str, Market]) -> Decimal:
    """How much of a coin the orders at the exchange bind."""
    total, pairs = ZERO, dict[int, Decimal]()
    for order in orders:
        market = markets[order.request.symbol]
        if order.waits or market.is_contract:
            continue
        money = needed(order.request, market, order.remaining, order.price)
        if money.currency != currency:
            continue
        if order.pair is None:
            total += money.amount
        else:
            pairs[order.pair] = max(pairs.get(order.pair, ZERO), money.amount)
    return sum(pairs.values(), total)


def judge(
    request: OrderRequest,
    price: Decimal | None,
    totals: Mapping[str, Decimal],
    orders: Iterable[OpenOrder],
    markets: Mapping[str, Market],
) -> Enough | WaitFor | Missing:
    """Whether an order can be paid: now, once others have ended, or not at all."""
    market = markets[request.symbol]
    if market.is_contract:
        return Enough()
    orders = tuple(orders)
    want = needed(request, market, request.amount, price)
    total = totals.get(want.currency, ZERO)
    taken = bound(want.currency, orders, markets)
    free = total - taken
    if want.amount <= free:
        return Enough()
    coming = [
        (order, freed) for order in orders if (freed := _will_free(order, want.currency, markets[order.request.symbol]))
    ]
    names, pairs = [], dict[int, Decimal]()
    for order, freed in coming:
        before = ZERO if order.pair is None else pairs.get(order.pair, ZERO)
        if order.pair is not None:
            pairs[order.pair] = max(before, freed)
        free += max(freed - before, ZERO)
        names.append(order.request.client_order_id)
        if want.amount <= free:
            ended = f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} ended"
            why = f"waits until {ended}: its {want.currency} is bound or on its way"
            return WaitFor(tuple(names), why)
    free = max(total - taken, ZERO)
    tail = ""
    if taken:
        names = [order.request.client_order_id for order in orders if _binds(order, want.currency, markets)]
        said = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        tail = f"; {taken.normalize():f} bound by open orders ({said}): cancel those that are not wanted"
    return Missing(f"needs {want.amount.normalize():f} {want.currency}, {free.normalize():f} free{tail}")


def _binds(order: OpenOrder, currency: str, markets: Mapping[str, Market]) -> bool:
    return bound(currency, (order,), markets) > ZERO


def _will_free(order: OpenOrder, currency: str, market: Market) -> Decimal:
    """What of a coin is free once an order that is ending, or fills at once, has ended."""
    if order.waits or market.is_contract:
        return ZERO
    if order.ending:
        money = needed(order.request, market, order.remaining, order.price)
        return money.amount if money.currency == currency else ZERO
    if order.request.kind is not OrderKind.MARKET or order.price is None:
        return ZERO
    brings = (
        Money(market.base, order.remaining)
        if order.request.side is Side.BUY
        else Money(market.quote, order.remaining * order.price)
    )
    return brings.amount * (1 - _FEES_SHARE) if brings.currency == currency else ZERO


def sellable(amount: Decimal, held: Decimal, taken: Decimal, fees_taken: Decimal) -> Decimal | None:
    """The most that a sale of ``amount`` can be of, where fees taken in coins explain that it is less; else None.

    ``fees_taken``: coins that the exchange took as fees while the position was built, as far as known.
    """
    there = held - taken
    short = amount - there
    if short <= ZERO or there <= ZERO:
        return None
    return there if short <= max(amount * _FEES_SHARE, fees_taken) else None
