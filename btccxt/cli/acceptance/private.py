"""Checks that need keys and place small orders: on the embedded exchange, on a testnet, or live with consent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from btccxt.cli.acceptance.public import streaming
from btccxt.cli.acceptance.subject import FAR, NotApplicable, NotProven, Subject
from btccxt.errors import OrderNotFound, Refused
from btccxt.exchange.profile.profile import Profile
from btccxt.model import (
    ZERO,
    Fill,
    OrderFeature,
    OrderKind,
    OrderReference,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Side,
    StreamKey,
    StreamKind,
    TimeInForce,
)

_DAY_MS = 86_400_000
_WAITING = (OrderStatus.OPEN,)
_FURTHER = Decimal("0.12")
_NOT_ALONE = {
    OrderFeature.REDUCE_ONLY: "needs a position; proven with the market order on a contract market",
    OrderFeature.OCO: "ties two orders; each of them is checked as its own kind",
    OrderFeature.MARKET_BY_COST: "would fill",
}


async def balances_are_told_and_not_negative(subject: Subject) -> str:
    balances = await subject.exchange.fetch_balance()
    wrong = [entry for entry in balances.by_currency.values() if entry.free < 0 or entry.used < 0]
    if wrong:
        raise NotProven(f"negative: {wrong[0]}")
    coin = subject.market.settle or subject.market.quote
    if coin not in balances.by_currency:
        raise NotProven(f"no {coin} on this account; the other private checks need some")
    return f"{len(balances.by_currency)} coins"


async def an_unknown_order_is_said_to_be_unknown(subject: Subject) -> str:
    nobodys = (await subject.resting()).client_order_id
    try:
        order = await subject.exchange.fetch_order(OrderReference(subject.symbol, nobodys))
    except OrderNotFound as error:
        return str(error)
    raise NotProven(f"asked for an order that was never placed, it told of {order}")


async def a_limit_order_far_from_the_market_rests(subject: Subject) -> str:
    request = await subject.resting()
    await subject.place(request)
    order = await subject.asking(
        lambda: subject.exchange.fetch_order(subject.reference(request)),
        lambda found: found.status in _WAITING, "the order does not rest",
    )  # fmt: skip
    _check_same(order, request)
    await subject.cancel(request)
    return f"{request.amount} at {request.price}"


async def an_order_is_found_by_its_client_id_alone(subject: Subject) -> str:
    request = await subject.resting()
    placed = await subject.place(request)
    order = await subject.asking(
        lambda: subject.exchange.fetch_order(subject.by_client_id(request)), lambda _: True, "not found by client id"
    )
    if order.order_id != placed.order_id:
        raise NotProven(f"by client id the exchange tells of order {order.order_id}, not of {placed.order_id}")
    _check_same(order, request)
    await subject.cancel(request)
    return f"{request.client_order_id} is {order.order_id}"


async def a_resting_order_is_among_the_open_orders_until_cancelled(subject: Subject) -> str:
    request = await subject.resting()
    placed = await subject.place(request)

    async def open_ids() -> set[str | None]:
        return {order.order_id for order in await subject.exchange.fetch_open_orders(subject.symbol)}

    await subject.asking(open_ids, lambda ids: placed.order_id in ids, "not among the open orders")
    await subject.cancel(request)
    await subject.asking(open_ids, lambda ids: placed.order_id not in ids, "still among the open orders")
    return f"{placed.order_id} came and went"


async def a_cancel_ends_an_order_unfilled(subject: Subject) -> str:
    request = await subject.resting()
    await subject.place(request)
    ended = await subject.cancel(request)
    if ended.status is not OrderStatus.CANCELED or ended.filled:
        raise NotProven(f"ended as {ended.status.value}, filled {ended.filled}")
    return f"raw status {ended.raw_status}"


async def the_private_stream_tells_of_an_order_and_its_cancel(subject: Subject) -> str:
    key = StreamKey(StreamKind.ORDERS)
    if not (subject.profile.streams.orders and subject.exchange.can_stream(key)):
        raise NotApplicable("no private stream of orders; they are polled")
    request = await subject.resting()
    told: list[OrderUpdate] = []

    def take(event: Any) -> None:
        if isinstance(event, OrderUpdate) and mine(event):
            told.append(event)

    def mine(event: OrderUpdate) -> bool:
        return request.client_order_id == event.client_order_id or event.order_id == placed_id

    placed_id: str | None = ""
    async with streaming(subject, [key], take):
        placed_id = (await subject.place(request)).order_id
        await subject.until(lambda: any(each.status in _WAITING for each in told), "the stream to tell of the order")
        await subject.cancel(request)
        await subject.until(
            lambda: any(each.status is OrderStatus.CANCELED for each in told), "the stream to tell of the cancel"
        )
    return " → ".join(each.status.value for each in told)


async def a_market_order_fills_and_its_fills_add_up(subject: Subject) -> str:
    middle, _ = await subject.prices()
    before = (await subject.exchange.fetch_balance()).by_currency
    # Twice the smallest, so that what is left after fees can be sold again.
    amount = subject.smallest_amount(middle) * (2 if subject.is_spot else 1)
    request = subject.request(OrderKind.MARKET, amount, middle)
    filled, fills = await _fill(subject, request)
    subject.bought = f"{filled.filled} {subject.symbol} bought by {request.client_order_id} and not sold again"
    evidence = f"{filled.filled} at {filled.average}, {len(fills)} fills"
    if subject.is_spot:
        base = subject.market.base
        in_base = sum((fill.fee.cost for fill in fills if fill.fee and fill.fee.currency == base), ZERO)
        expected = amount - in_base
        held = before[base].total if base in before else ZERO

        async def gained() -> Decimal:
            now = (await subject.exchange.fetch_balance()).by_currency
            return (now[base].total if base in now else ZERO) - held

        await subject.asking(
            gained, lambda more: more == expected, f"the balance of {base} should be {expected} higher"
        )
        back = subject.request(OrderKind.MARKET, subject.floor(expected), middle, side=Side.SELL)
    else:
        positions = await subject.exchange.fetch_positions([subject.symbol])
        if not any(position.amount for position in positions):
            raise NotProven("filled, but there is no position")
        reduce_only = subject.profile.rule(OrderFeature.REDUCE_ONLY).is_native
        back = subject.request(OrderKind.MARKET, amount, middle, side=Side.SELL, reduce_only=reduce_only)
    await _fill(subject, back)
    subject.bought = None
    return evidence


async def _fill(subject: Subject, request: OrderRequest) -> tuple[OrderUpdate, list[Fill]]:
    placed = await subject.place(request)
    order = await subject.asking(
        lambda: subject.exchange.fetch_order(subject.reference(request)),
        lambda found: found.status is OrderStatus.FILLED, "the market order is not filled",
    )  # fmt: skip
    subject.done(request)
    if order.filled not in (request.amount, None):  # None: the exchange does not say, and the fills must
        raise NotProven(f"asked for {request.amount}, filled {order.filled}")

    async def fills() -> list[Fill]:
        return [
            fill
            for fill in await subject.exchange.fetch_my_trades(subject.symbol, limit=50)
            if placed.order_id in (fill.order_id, None) or fill.client_order_id == request.client_order_id
        ]

    found = await subject.asking(
        fills, lambda some: sum((fill.amount for fill in some), ZERO) == request.amount, "the fills do not add up"
    )
    if any(fill.fee is None for fill in found) and subject.market.taker_rate:
        raise NotProven("a fill without its fee")
    return order, found


# ------------------------------------------------------------------ one check for each native order kind


@dataclass(frozen=True, slots=True)
class KindCheck:
    """An order kind that the profile calls native is accepted as that kind, found again, and cancelled."""

    key: OrderKind | OrderFeature

    @property
    def __name__(self) -> str:
        return f"a_{self.key.value}_order_is_accepted_found_and_ended"

    async def __call__(self, subject: Subject) -> str:
        request = await _request_of(self.key, subject)
        immediate = request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
        try:
            await subject.place(request)
        except Refused as refusal:
            if not immediate:
                raise
            return await _refused_unmatched(subject, request, refusal)
        if immediate:
            ended = await subject.asking(
                lambda: subject.exchange.fetch_order(subject.reference(request)),
                lambda order: order.status.is_final, "an order that must not rest rests",
            )  # fmt: skip
            subject.done(request)
            if ended.filled or ended.status is OrderStatus.FILLED:
                raise NotProven(f"filled {ended.filled} far from the market")
            return f"ended unfilled as {ended.raw_status}"
        order = await subject.asking(
            lambda: subject.exchange.fetch_order(subject.reference(request)),
            lambda found: found.status in _WAITING, "the order does not wait",
        )  # fmt: skip
        _check_same(order, request)
        ended = await subject.cancel(request)
        if ended.filled:
            raise NotProven(f"filled {ended.filled}")
        return f"{order.order_id}, raw status {order.raw_status}"


async def _refused_unmatched(subject: Subject, request: OrderRequest, refusal: Refused) -> str:
    """Some refuse what finds nobody at once; then they know the order as one that ended unfilled."""
    try:
        ended = await subject.exchange.fetch_order(subject.reference(request))
    except OrderNotFound:
        raise refusal from None
    if not ended.status.is_final or ended.filled:
        raise NotProven(f"refused, and yet {ended.status.value}, filled {ended.filled}")
    subject.done(request)
    return f"refused, and ended unfilled as {ended.raw_status}"


async def _request_of(key: OrderKind | OrderFeature, subject: Subject) -> OrderRequest:
    """An order of this kind that can be placed without filling. Raises NotApplicable where there is none."""
    if isinstance(key, OrderFeature) and key in _NOT_ALONE:
        raise NotApplicable(_NOT_ALONE[key])
    rule = subject.profile.rule(key)
    if rule.sides and "buy" not in rule.sides:
        raise NotApplicable("for sales only; a purchase is what can be tried without holding anything")
    middle, _ = await subject.prices()
    below, above, higher = subject.at(middle, -FAR), subject.at(middle, FAR), subject.at(middle, _FURTHER)
    amount = subject.smallest_amount(below)
    if isinstance(key, OrderKind):
        more: dict[str, Any] = {
            OrderKind.LIMIT: {"price": below},
            OrderKind.STOP: {"trigger_price": above},
            OrderKind.STOP_LIMIT: {"trigger_price": above, "price": higher},
            OrderKind.TAKE_PROFIT: {"trigger_price": below},
            OrderKind.TAKE_PROFIT_LIMIT: {"trigger_price": below, "price": below},
            OrderKind.TRAILING_AMOUNT: {"trailing_amount": subject.at(middle, FAR - 1)},
            OrderKind.TRAILING_PERCENT: {"trailing_percent": Decimal(5)},
        }[key]
        return subject.request(key, amount, higher if "trigger_price" in more else middle, **more)
    if rule.kinds and OrderKind.LIMIT.value not in rule.kinds:
        raise NotApplicable(f"goes with {', '.join(rule.kinds)} only, which would fill or wait for a position")
    asked: dict[OrderFeature, dict[str, Any]] = {
        OrderFeature.POST_ONLY: {"post_only": True},
        OrderFeature.IOC: {"time_in_force": TimeInForce.IOC},
        OrderFeature.FOK: {"time_in_force": TimeInForce.FOK},
        OrderFeature.GTD: {"time_in_force": TimeInForce.GTD, "expires_ms": subject.clock.now_ms() + _DAY_MS},
        OrderFeature.ICEBERG: {"iceberg_amount": amount},
        OrderFeature.ATTACHED_EXITS: {
            "stop_loss_price": subject.at(below, -FAR), "take_profit_price": subject.at(middle, FAR)
        },
    }  # fmt: skip
    if key is OrderFeature.ICEBERG:
        amount *= 4
    return subject.request(OrderKind.LIMIT, amount, below, price=below, **asked[key])


def _check_same(order: OrderUpdate, request: OrderRequest) -> None:
    """What the exchange tells of an order is what was asked for. Raises NotProven."""
    asked = {
        "side": request.side, "amount": request.amount, "price": request.price,
        "trigger price": request.trigger_price, "client order id": request.client_order_id,
    }  # fmt: skip
    told = {
        "side": order.side, "amount": order.amount, "price": order.price,
        "trigger price": order.trigger_price, "client order id": order.client_order_id,
    }  # fmt: skip
    for what, value in asked.items():
        if value is not None and told[what] is not None and told[what] != value:
            raise NotProven(f"{what} asked for: {value}, told: {told[what]}")


Check = Callable[[Subject], Awaitable[str]]
PRIVATE: tuple[Check, ...] = (
    balances_are_told_and_not_negative,
    an_unknown_order_is_said_to_be_unknown,
    a_limit_order_far_from_the_market_rests,
    an_order_is_found_by_its_client_id_alone,
    a_resting_order_is_among_the_open_orders_until_cancelled,
    a_cancel_ends_an_order_unfilled,
    the_private_stream_tells_of_an_order_and_its_cancel,
    a_market_order_fills_and_its_fills_add_up,
)


def kind_checks(profile: Profile) -> list[KindCheck]:
    """One for each native kind and feature, apart from the market order, which has a check of its own."""
    keys: list[OrderKind | OrderFeature] = [*OrderKind, *OrderFeature]
    return [KindCheck(key) for key in keys if profile.rule(key).is_native and key is not OrderKind.MARKET]
