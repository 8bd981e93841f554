"""A market's trading rules: each one broken gives its own RejectCode and a message that says what would pass."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from btccxt.matching.records import TRIGGER_KINDS, EngineReject, NewOrder, RejectCode
from btccxt.matching.values import is_inverse
from btccxt.model import ZERO, Market, OrderKind, TimeInForce

LIMIT_KINDS = frozenset({OrderKind.LIMIT, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT_LIMIT})


def floor_to_step(amount: Decimal, step: Decimal | None) -> Decimal:
    """Largest multiple of ``step`` that is not above ``amount``."""
    return amount if not step else (amount / step).to_integral_value(ROUND_DOWN) * step


def plain(number: Decimal) -> str:
    """12.50 and 1E+2 as people write them: 12.5, 100."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def check(market: Market, order: NewOrder, last: Decimal | None) -> None:
    """Raise EngineReject for the first rule that ``order`` breaks. ``last`` values market orders."""
    _check_shape(order)
    if not market.active:
        raise EngineReject(RejectCode.MARKET_CLOSED, f"{market.symbol} is not open for trading")
    for name, price in (("price", order.price), ("trigger price", order.trigger_price)):
        if price is not None:
            _check_price(market, name, price)
    if order.amount is not None:
        _check_amount(market, order.amount, "amount")
    if order.iceberg_amount is not None:
        _check_amount(market, order.iceberg_amount, "iceberg amount")
    _check_cost(market, order, last)


def _bad(message: str) -> EngineReject:
    return EngineReject(RejectCode.BAD_REQUEST, message)


def _check_shape(order: NewOrder) -> None:
    kind = order.kind
    if order.closes_position:
        if kind not in TRIGGER_KINDS or order.price is not None or order.amount or order.cost_quote:
            raise _bad("what closes a whole position is a market order behind a trigger, without an amount")
    elif (order.amount is None) == (order.cost_quote is None):
        raise _bad("an order needs an amount or, for a market order, a cost: exactly one of them")
    if order.cost_quote is not None and kind is not OrderKind.MARKET:
        raise _bad(f"a {kind.value} order needs an amount; only market orders go by cost")
    for name, number in (
        ("amount", order.amount),
        ("cost", order.cost_quote),
        ("iceberg amount", order.iceberg_amount),
    ):
        if number is not None and not number > 0:
            raise _bad(f"{name} must be above zero, not {plain(number)}")
    if kind in LIMIT_KINDS and order.price is None:
        raise _bad(f"a {kind.value} order needs a price")
    if kind in (OrderKind.MARKET, OrderKind.STOP, OrderKind.TAKE_PROFIT) and order.price is not None:
        raise _bad(f"a {kind.value} order has no limit price")
    if kind in TRIGGER_KINDS:
        _check_trigger_shape(order)
    elif order.trigger_price is not None:
        raise _bad(f"a {kind.value} order has no trigger price")
    if order.post_only and (order.price is None or order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)):
        raise _bad("post-only is for limit orders that may rest")
    if order.time_in_force is TimeInForce.GTD and order.expires_ms is None:
        raise _bad("a GTD order needs its expiry time")
    if order.iceberg_amount is not None:
        if order.price is None or order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            raise _bad("an iceberg is a limit order that may rest")
        if order.amount is not None and order.iceberg_amount > order.amount:
            raise _bad("the visible part of an iceberg cannot exceed its amount")


def _check_trigger_shape(order: NewOrder) -> None:
    kind = order.kind
    if kind is OrderKind.TRAILING_AMOUNT:
        if order.trailing_amount is None or order.trailing_amount <= 0:
            raise _bad("a trailing_amount order needs a trailing amount above zero")
    elif kind is OrderKind.TRAILING_PERCENT:
        if order.trailing_percent is None or not 0 < order.trailing_percent < 100:
            raise _bad("a trailing_percent order needs a trailing percent between 0 and 100")
    elif order.trigger_price is None:
        raise _bad(f"a {kind.value} order needs a trigger price")


def _check_price(market: Market, name: str, price: Decimal) -> None:
    if price <= ZERO:
        raise EngineReject(RejectCode.PRICE_RANGE, f"{name} must be above zero, not {plain(price)}")
    if market.min_price is not None and price < market.min_price:
        raise EngineReject(RejectCode.PRICE_RANGE, f"{name} {plain(price)} is below {plain(market.min_price)}")
    if market.max_price is not None and price > market.max_price:
        raise EngineReject(RejectCode.PRICE_RANGE, f"{name} {plain(price)} is above {plain(market.max_price)}")
    if market.price_step and price % market.price_step:
        nearest = plain(floor_to_step(price, market.price_step))
        raise EngineReject(
            RejectCode.PRICE_STEP,
            f"{name} {plain(price)} is not a multiple of {plain(market.price_step)}; nearest below: {nearest}",
        )


def _check_amount(market: Market, amount: Decimal, name: str) -> None:
    if market.amount_step and amount % market.amount_step:
        nearest = plain(floor_to_step(amount, market.amount_step))
        raise EngineReject(
            RejectCode.AMOUNT_STEP,
            f"{name} {plain(amount)} is not a multiple of {plain(market.amount_step)}; nearest below: {nearest}",
        )
    if market.min_amount is not None and amount < market.min_amount:
        raise EngineReject(RejectCode.MIN_AMOUNT, f"{name} {plain(amount)} is below {plain(market.min_amount)}")
    if market.max_amount is not None and amount > market.max_amount:
        raise EngineReject(RejectCode.MAX_AMOUNT, f"{name} {plain(amount)} is above {plain(market.max_amount)}")


def _check_cost(market: Market, order: NewOrder, last: Decimal | None) -> None:
    price = order.price or order.trigger_price or last
    if order.cost_quote is not None:
        cost = order.cost_quote
    elif price is None or order.amount is None:
        return
    else:
        size = order.amount * market.contract_size
        cost = size if is_inverse(market) else price * size  # an inverse contract is worth a fixed amount of the quote
    if market.min_cost is not None and cost < market.min_cost and not order.reduce_only:
        raise EngineReject(
            RejectCode.MIN_COST, f"cost {plain(cost)} {market.quote} is below the minimum of {plain(market.min_cost)}"
        )
    if market.max_cost is not None and cost > market.max_cost:
        raise EngineReject(
            RejectCode.MAX_AMOUNT, f"cost {plain(cost)} {market.quote} is above the maximum of {plain(market.max_cost)}"
        )
