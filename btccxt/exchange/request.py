"""An intent -> the arguments of ccxt's ``create_order``; every reason why it may not be sent; how to point at an order.

ccxt turns parameters it does not know into plain market or limit orders. So an order kind is sent only as the profile
lists it, and the guard (``guard.py``) compares the HTTP request with the intent just before it goes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from btccxt.errors import Refused, Unsupported
from btccxt.exchange.guard import decode_request, guard, may_place
from btccxt.exchange.profile.profile_schema import Profile
from btccxt.exchange.templates import Values, features_of, fill, is_conditional, plain, rules_of
from btccxt.model import Market, MarketType, OrderFeature, OrderKind, OrderReference, OrderRequest, Side, TimeInForce

__all__ = [
    "CcxtCall",
    "build_call",
    "decode_request",
    "features_of",
    "guard",
    "is_conditional",
    "may_place",
    "needs_reference_price",
    "plain",
    "reference_params",
    "refusals",
    "same_client_id",
]

_LIMIT_KINDS = frozenset({OrderKind.LIMIT, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT_LIMIT})
_TRIGGER_KINDS = frozenset({OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT, OrderKind.TAKE_PROFIT_LIMIT})


@dataclass(frozen=True, slots=True)
class CcxtCall:
    """Arguments of ccxt's ``create_order``. ``note`` says what is unusual about how the intent is sent."""

    symbol: str
    type: str
    side: str
    amount: float
    price: float | None
    params: dict[str, Any] = field(default_factory=dict)
    note: str | None = None


# ------------------------------------------------------------------ intent -> call


def needs_reference_price(request: OrderRequest, profile: Profile) -> bool:
    """Whether ``build_call`` needs to know what the market costs now (no true market order for this request)."""
    return any(rule.needs_reference_price for rule in rules_of(request, profile))


def refusals(
    request: OrderRequest, market: Market, profile: Profile, *, reference_price: Decimal | None = None
) -> tuple[str, ...]:
    """Every reason why this request may not be sent; empty when it may. No network, no side effects."""
    return (
        *_profile_refusals(request, profile),
        *_hedge_words(request, profile),
        *market_refusals(request, market, reference_price),
    )


def _hedge_words(request: OrderRequest, profile: Profile) -> Iterator[str]:
    """A word for one of two positions is refused by an account with one, or lost; with two it has a keyword."""
    if request.position_side is not None and profile.hedge is None:
        yield (
            f"position_side={request.position_side!r}: nobody has proven how {profile.exchange} is traded in hedge mode"
        )
    for name, of_one_way in profile.position_mode.one_way_words.items():
        if name not in request.params:
            continue
        if request.position_side is not None:
            yield f"params {name}={request.params[name]!r}: the position is named by position_side="
        elif str(request.params[name]) not in of_one_way:
            yield (
                f"params {name}={request.params[name]!r}: the account is in one-way mode, with one position a symbol: "
                "leave it out"
            )


def build_call(
    request: OrderRequest,
    market: Market,
    profile: Profile,
    *,
    reference_price: Decimal | None = None,
    checked: bool = False,
) -> CcxtCall:
    """The one ccxt call that carries this intent. Raises Refused with all reasons; ``checked``: there are none.

    ``reference_price`` is the current market price, needed only where ``needs_reference_price`` says so.
    """
    reasons = [] if checked else list(refusals(request, market, profile, reference_price=reference_price))
    if reasons:
        raise Refused(reasons)
    rules = rules_of(request, profile)
    if reference_price is None and any(rule.needs_reference_price for rule in rules):
        raise Refused(
            [f"{profile.exchange} needs the current price for a {request.side.value} {request.kind.value} order"]
        )
    values = Values(request, profile, market, reference_price)
    params: dict[str, Any] = {}
    for rule in rules:
        _deep_update(params, fill(rule.params, values, request.side) or {})
    ids = profile.client_id
    client_id = ids.wire_prefix + request.client_order_id if ids.form != "integer" else int(request.client_order_id)
    params[ids.create] = client_id
    if ids.create_conditional is not None and is_conditional(request.kind, profile):
        params[ids.create_conditional] = client_id
    if profile.hedge is not None and request.position_side is not None:
        params[profile.hedge.field] = profile.hedge.word(request.position_side)
    _deep_update(params, dict(request.params))
    price = next((rule.price for rule in reversed(rules) if rule.price is not None), None)
    if price is not None:
        sent_price = fill(price, values, request.side)
    else:
        sent_price = request.price if request.kind in _LIMIT_KINDS else None
    amount = next((rule.amount for rule in reversed(rules) if rule.amount is not None), "{amount}")
    notes = [rule.note for rule in rules if rule.note]
    return CcxtCall(
        symbol=request.symbol,
        type=next(rule.ccxt_type for rule in reversed(rules) if rule.ccxt_type),
        side=request.side.value,
        amount=float(fill(amount, values, request.side)),
        price=None if sent_price is None else float(sent_price),
        params=params,
        note="; ".join(notes) or None,
    )


def build_edit(
    request: OrderRequest, market: Market, profile: Profile, *, reference_price: Decimal | None = None
) -> CcxtCall:
    """The ccxt call that makes an order what ``request`` says, its client order id included where that can change.

    Elsewhere ccxt would take the id for that of the order to change. An order keeps its position, so that is not said.
    Raises Refused with all reasons.
    """
    call = build_call(request, market, profile, reference_price=reference_price)
    ids = profile.client_id
    unsaid = {ids.create, ids.create_conditional, None if profile.hedge is None else profile.hedge.field}
    params = {key: value for key, value in call.params.items() if key not in unsaid}
    if profile.edit_client_id is not None:
        params[profile.edit_client_id] = call.params[ids.create]
    return replace(call, params=params)


def _profile_refusals(request: OrderRequest, profile: Profile) -> Iterator[str]:
    where = f"{profile.exchange} {profile.market_type.value}"
    asked = features_of(request)
    keys: tuple[OrderKind | OrderFeature, ...] = (request.kind, *asked)
    for key in keys:
        rule = profile.orders[key.value]
        if rule.support == "refused":
            yield f"{key.value} orders are refused on {where}: {rule.why}"
        elif rule.support == "emulated":
            yield f"{key.value} is not native on {where}, it has to be emulated: {rule.why}"
        elif (why := rule.out_of_range(request)) is not None:
            yield f"{key.value} has to be emulated on {where}: {why}"
        elif rule.sides and request.side.value not in rule.sides:
            why = rule.note or "ccxt cannot say it"
            yield f"{key.value} is not possible for a {request.side.value} on {where}: {why}"
        elif isinstance(key, OrderFeature) and request.kind.value not in rule.kinds:
            can = ", ".join(rule.kinds)
            yield f"{key.value} cannot be combined with a {request.kind.value} order on {where}; it can with {can}"
    if len(asked) > 1:
        yield from _contradictions(asked, profile, where)
    if request.post_only and request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        yield f"post_only contradicts {request.time_in_force.value}"
    if request.time_in_force is TimeInForce.GTD and request.expires_ms is None:
        yield "a GTD order needs expires_ms"
    if request.kind in _LIMIT_KINDS and request.price is None:
        yield f"a {request.kind.value} order needs a limit price"
    if request.kind in _TRIGGER_KINDS and request.trigger_price is None:
        yield f"a {request.kind.value} order needs a trigger price"
    if request.kind is OrderKind.TRAILING_AMOUNT and request.trailing_amount is None:
        yield "a trailing_amount order needs trailing_amount"
    if request.kind is OrderKind.TRAILING_PERCENT and request.trailing_percent is None:
        yield "a trailing_percent order needs trailing_percent"
    if (digits := profile.price_significant_digits) is not None:
        for price in (request.price, request.trigger_price):
            # More digits would be rounded by ccxt in silence; whole numbers are left to the guard.
            if price is not None and price % 1 and len(price.normalize().as_tuple().digits) > digits:
                yield f"price {plain(price)} has more than {digits} significant digits, which {profile.exchange} allows"
    if problem := profile.client_id.problem(request.client_order_id):
        yield problem


def _contradictions(asked: tuple[OrderFeature, ...], profile: Profile, where: str) -> Iterator[str]:
    """Features that say different things in the same field: the later would take the place of the earlier one."""
    rules = [(feature.value, profile.orders[feature.value]) for feature in asked]
    said = [
        (name, {**_leaves(rule.params), **_leaves(rule.wire, "sent as ")}) for name, rule in rules if rule.is_native
    ]
    for index, (name, fields) in enumerate(said):
        for other, others in said[index + 1 :]:
            if any(others[key] != value for key, value in fields.items() if key in others):
                yield f"{name} and {other} exclude each other on {where}: both are said in the same field"


def _leaves(node: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping) and set(value) != {"buy", "sell"}:
            found.update(_leaves(value, f"{path}{key}."))
        else:
            found[f"{path}{key}"] = value
    return found


def market_refusals(request: OrderRequest, market: Market, reference_price: Decimal | None) -> Iterator[str]:
    """Why the market's steps, limits and state rule this request out."""
    if market.symbol != request.symbol:
        yield f"the market record is of {market.symbol}, the order of {request.symbol}"
    if not market.active:
        yield f"{market.symbol} is not open for trading"
    if request.cost_quote is None:
        yield from _amount_refusals("amount", request.amount, market)
    elif request.cost_quote <= 0:
        yield f"cost {request.cost_quote} must be positive"
    if request.iceberg_amount is not None:
        yield from _amount_refusals("iceberg amount", request.iceberg_amount, market)
        if request.iceberg_amount > request.amount:
            yield f"iceberg amount {request.iceberg_amount} is more than the amount {request.amount}"
    prices = {
        "price": request.price if request.kind in _LIMIT_KINDS else None,
        "trigger price": request.trigger_price,
        "stop loss price": request.stop_loss_price,
        "take profit price": request.take_profit_price,
        "trailing amount": request.trailing_amount,
    }
    for name, price in prices.items():
        if price is not None:
            yield from _price_refusals(name, price, market)
    yield from _cost_refusals(request, market, reference_price)


def _amount_refusals(name: str, amount: Decimal, market: Market) -> Iterator[str]:
    unit = "contracts" if market.is_contract else market.base
    if amount <= 0:
        yield f"{name} {amount:f} must be positive"
        return
    if market.amount_step and amount % market.amount_step:
        yield f"{name} {amount:f} is not a multiple of {market.amount_step:f} {unit}"
    if market.min_amount is not None and amount < market.min_amount:
        yield f"{name} {amount:f} is below the minimum of {market.min_amount:f} {unit}"
    if market.max_amount is not None and amount > market.max_amount > 0:
        yield f"{name} {amount:f} is above the maximum of {market.max_amount:f} {unit}"


def _price_refusals(name: str, price: Decimal, market: Market) -> Iterator[str]:
    if price <= 0:
        yield f"{name} {price:f} must be positive"
        return
    if market.price_step and price % market.price_step:
        yield f"{name} {price:f} is not a multiple of {market.price_step:f} {market.quote}"
    if name == "trailing amount":
        return
    if market.min_price is not None and price < market.min_price:
        yield f"{name} {price:f} is below the minimum of {market.min_price:f} {market.quote}"
    if market.max_price is not None and price > market.max_price > 0:
        yield f"{name} {price:f} is above the maximum of {market.max_price:f} {market.quote}"


def _cost_refusals(request: OrderRequest, market: Market, reference_price: Decimal | None) -> Iterator[str]:
    price = (request.price if request.kind in _LIMIT_KINDS else request.trigger_price) or reference_price
    if request.cost_quote is not None:
        cost = request.cost_quote
    elif price is not None and price > 0:
        cost = request.amount * market.contract_size * (1 if market.type is MarketType.INVERSE else price)
    else:
        return
    if market.min_cost is not None and cost < market.min_cost and not request.reduce_only:
        yield f"cost {cost.normalize():f} is below the minimum of {market.min_cost:f} {market.quote}"
    if market.max_cost is not None and cost > market.max_cost > 0:
        yield f"cost {cost.normalize():f} is above the maximum of {market.max_cost:f} {market.quote}"


def _deep_update(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _deep_update(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


# ------------------------------------------------------------------ pointing at an order


def reference_params(
    reference: OrderReference, profile: Profile, purpose: Literal["query", "cancel"]
) -> tuple[str | None, dict[str, Any]]:
    """``(id, params)`` for ccxt's fetch_order / cancel_order, or for its order lists where ``lookup`` says so.

    By the exchange's id where known, else by client order id. Raises Unsupported where this exchange has no way to
    point at an order by client order id for this purpose.
    """
    rule, book = profile.client_id, profile.conditional
    by_id = reference.order_id is not None
    # Profile-wide query params are for fetch_order; the lists do not know them.
    asks_one = by_id or rule.lookup_for(reference.conditional) == "fetch_order"
    params: dict[str, Any] = dict(profile.query_params) if purpose == "query" and asks_one else {}
    if reference.conditional:
        params.update(book.query_params if purpose == "query" else book.cancel_params)
    if by_id:
        return reference.order_id, params
    if purpose == "query":
        template, id_template = _by_book(reference, rule.query, rule.query_conditional), rule.query_id
        possible = True
    else:
        template, id_template = _by_book(reference, rule.cancel, rule.cancel_conditional), rule.cancel_id
        possible = template is not None and (rule.cancels_conditional or not reference.conditional)
    if reference.client_order_id is None or not possible:
        raise Unsupported(
            f"{profile.exchange} cannot {purpose} an order of {reference.symbol} without the exchange's own order id"
        )
    client_id: Any = reference.client_order_id
    values = {"client_id": int(client_id) if rule.form == "integer" else client_id}
    params.update(fill(template or {}, values, Side.BUY) or {})
    order_id = None if id_template is None else str(fill(id_template, values, Side.BUY))
    return order_id, params


def _by_book(
    reference: OrderReference, plain_rule: Mapping[str, Any] | None, conditional_rule: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    return conditional_rule if reference.conditional and conditional_rule is not None else plain_rule


def same_client_id(ours: str, theirs: Any, profile: Profile) -> bool:
    """Whether an id in an exchange's answer is ours; some exchanges put a prefix before it."""
    return theirs is not None and str(theirs) in (ours, profile.client_id.wire_prefix + ours)
