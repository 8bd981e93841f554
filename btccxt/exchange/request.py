"""An intent -> the arguments of ccxt's ``create_order``, and the guard that reads what really leaves the machine.

ccxt turns parameters it does not know into plain market or limit orders. So an order kind is sent only as the profile
lists it, and the HTTP request is compared with the intent just before it goes out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import ROUND_DOWN, ROUND_UP, Decimal, InvalidOperation
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from btccxt.errors import Refused, Unsupported
from btccxt.exchange.profile_schema import PLACEHOLDER, OrderRule, Profile
from btccxt.model import Market, OrderFeature, OrderKind, OrderReference, OrderRequest, Side, TimeInForce

_LIMIT_KINDS = frozenset({OrderKind.LIMIT, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT_LIMIT})
_TRIGGER_KINDS = frozenset({OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.TAKE_PROFIT, OrderKind.TAKE_PROFIT_LIMIT})
_TIF_FEATURE = {
    TimeInForce.IOC: OrderFeature.IOC,
    TimeInForce.FOK: OrderFeature.FOK,
    TimeInForce.GTD: OrderFeature.GTD,
}


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


def features_of(request: OrderRequest) -> tuple[OrderFeature, ...]:
    """What the request asks for besides its kind."""
    asked = {
        OrderFeature.POST_ONLY: request.post_only,
        OrderFeature.REDUCE_ONLY: request.reduce_only,
        OrderFeature.ICEBERG: request.iceberg_amount is not None,
        OrderFeature.ATTACHED_EXITS: request.stop_loss_price is not None or request.take_profit_price is not None,
        OrderFeature.MARKET_BY_COST: request.cost_quote is not None,
    }
    found = [feature for feature, wanted in asked.items() if wanted]
    tif = _TIF_FEATURE.get(request.time_in_force)
    # A market order is immediate-or-cancel by nature.
    if tif is not None and not (tif is OrderFeature.IOC and request.kind is OrderKind.MARKET):
        found.append(tif)
    return tuple(found)


def is_conditional(kind: OrderKind, profile: Profile) -> bool:
    """Whether orders of this kind wait for a trigger at this exchange."""
    return kind.value in profile.conditional.kinds


def needs_reference_price(request: OrderRequest, profile: Profile) -> bool:
    """Whether ``build_call`` needs to know what the market costs now (no true market order for this request)."""
    return any(rule.needs_reference_price for rule in _rules(request, profile))


def refusals(
    request: OrderRequest, market: Market, profile: Profile, *, reference_price: Decimal | None = None
) -> tuple[str, ...]:
    """Every reason why this request may not be sent; empty when it may. No network, no side effects."""
    return tuple(_profile_refusals(request, profile)) + tuple(_market_refusals(request, market, reference_price))


def build_call(
    request: OrderRequest, market: Market, profile: Profile, *, reference_price: Decimal | None = None
) -> CcxtCall:
    """The one ccxt call that carries this intent. Raises Refused with all reasons.

    ``reference_price`` is the current market price, needed only where ``needs_reference_price`` says so.
    """
    reasons = list(refusals(request, market, profile, reference_price=reference_price))
    if not reasons and reference_price is None and needs_reference_price(request, profile):
        reasons.append(
            f"{profile.exchange} needs the current price for a {request.side.value} {request.kind.value} order"
        )
    if reasons:
        raise Refused(reasons)
    rules = _rules(request, profile)
    values = _values(request, profile, market, reference_price)
    params: dict[str, Any] = {}
    for rule in rules:
        _deep_update(params, _fill(rule.params, values, request.side) or {})
    ids = profile.client_id
    client_id = ids.wire_prefix + request.client_order_id if ids.form != "integer" else int(request.client_order_id)
    params[ids.create] = client_id
    if ids.create_conditional is not None and is_conditional(request.kind, profile):
        params[ids.create_conditional] = client_id
    _deep_update(params, dict(request.params))
    price = next((rule.price for rule in reversed(rules) if rule.price is not None), None)
    if price is not None:
        sent_price = _fill(price, values, request.side)
    else:
        sent_price = request.price if request.kind in _LIMIT_KINDS else None
    amount = next((rule.amount for rule in reversed(rules) if rule.amount is not None), "{amount}")
    notes = [rule.note for rule in rules if rule.note]
    return CcxtCall(
        symbol=request.symbol,
        type=next(rule.ccxt_type for rule in reversed(rules) if rule.ccxt_type),
        side=request.side.value,
        amount=float(_fill(amount, values, request.side)),
        price=None if sent_price is None else float(sent_price),
        params=params,
        note="; ".join(notes) or None,
    )


def _rules(request: OrderRequest, profile: Profile) -> list[OrderRule]:
    """Rules that shape the request: kind first, features after it (theirs win)."""
    kind = profile.orders[request.kind.value]
    # Some exchanges buy at market by cost only: an amount is then bought in another way.
    if kind.buy_rule is not None and request.side is Side.BUY and request.cost_quote is None:
        kind = kind.buy_rule
    rules = [kind, *(profile.orders[feature.value] for feature in features_of(request))]
    return [rule for rule in rules if rule.is_native]


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
        elif rule.sides and request.side.value not in rule.sides:
            why = rule.note or "ccxt cannot say it"
            yield f"{key.value} is not possible for a {request.side.value} on {where}: {why}"
        elif isinstance(key, OrderFeature) and request.kind.value not in rule.kinds:
            can = ", ".join(rule.kinds)
            yield f"{key.value} cannot be combined with a {request.kind.value} order on {where}; it can with {can}"
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


def _market_refusals(request: OrderRequest, market: Market, reference_price: Decimal | None) -> Iterator[str]:
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
        cost = price * request.amount * market.contract_size
    else:
        return
    if market.min_cost is not None and cost < market.min_cost and not request.reduce_only:
        yield f"cost {cost.normalize():f} is below the minimum of {market.min_cost:f} {market.quote}"
    if market.max_cost is not None and cost > market.max_cost > 0:
        yield f"cost {cost.normalize():f} is above the maximum of {market.max_cost:f} {market.quote}"


# ------------------------------------------------------------------ templates


def _values(
    request: OrderRequest, profile: Profile, market: Market | None, reference_price: Decimal | None
) -> dict[str, Any]:
    expires = request.expires_ms
    return {
        "amount": request.amount,
        "signed_amount": request.amount * request.side.sign,
        "price": request.price,
        "trigger_price": request.trigger_price,
        "trailing_amount": request.trailing_amount,
        "trailing_percent": request.trailing_percent,
        "trailing_ratio": None if request.trailing_percent is None else request.trailing_percent / 100,
        "expires_ms": expires,
        "expires_s": None if expires is None else expires // 1000,
        "expires_iso": None if expires is None else _iso(expires),
        "expires_utc": None if expires is None else _iso(expires)[:19].replace("T", " "),
        "iceberg_amount": request.iceberg_amount,
        "stop_loss_price": request.stop_loss_price,
        "take_profit_price": request.take_profit_price,
        "cost_quote": request.cost_quote,
        "side": request.side.value,
        "Side": request.side.value.capitalize(),
        "SIDE": request.side.value.upper(),
        "client_id": request.client_order_id,
        "reference_price": reference_price,
        "protected_price": _protected_price(request.side, profile, market, reference_price),
    }


def _protected_price(
    side: Side, profile: Profile, market: Market | None, reference_price: Decimal | None
) -> Decimal | None:
    """Worst price that stands in for a market order: reference price plus (buy) or minus (sell) the slippage."""
    if reference_price is None:
        return None
    price = reference_price * (1 + side.sign * decimal_percent(profile.market_slippage_pct))
    step = market.price_step if market is not None else None
    if not step:
        return price
    return (price / step).to_integral_value(ROUND_DOWN if side is Side.BUY else ROUND_UP) * step


def decimal_percent(percent: float) -> Decimal:
    return Decimal(repr(percent)) / 100


def _iso(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time_ms % 1000:03d}Z"


_ABSENT = object()


def _fill(template: Any, values: Mapping[str, Any], side: Side) -> Any:
    """Template with its placeholders filled in; keys whose value the intent does not have are left out."""
    filled = _filled(template, values, side)
    return None if filled is _ABSENT else filled


def _filled(template: Any, values: Mapping[str, Any], side: Side) -> Any:
    if isinstance(template, str):
        return _filled_text(template, values)
    if isinstance(template, Mapping):
        if template.keys() == {"buy", "sell"}:
            return _filled(template[side.value], values, side)
        pairs = {key: _filled(value, values, side) for key, value in template.items()}
        kept = {key: value for key, value in pairs.items() if value is not _ABSENT}
        return kept if kept or not template else _ABSENT
    if isinstance(template, list):
        items = [_filled(item, values, side) for item in template]
        return [item for item in items if item is not _ABSENT]
    return template


def _filled_text(template: str, values: Mapping[str, Any]) -> Any:
    if "{" not in template:
        return template
    whole = PLACEHOLDER.fullmatch(template)
    if whole is not None:
        value = values[whole[1]]
        if value is None:
            return _ABSENT
        if whole[2]:
            return float(value) if whole[2] == "float" else int(value)
        return plain(value) if isinstance(value, Decimal) else value
    names = [name for name, _ in PLACEHOLDER.findall(template)]
    if any(values[name] is None for name in names):
        return _ABSENT
    return PLACEHOLDER.sub(lambda match: plain(values[match[1]]), template)


def plain(value: Any) -> str:
    """Number without exponent and without trailing zeros: ``0.0000100`` -> ``0.00001``."""
    if not isinstance(value, Decimal):
        return str(value)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _deep_update(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _deep_update(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


# ------------------------------------------------------------------ the guard


def decode_request(url: str, body: Any = None) -> tuple[str, dict[str, Any]]:
    """Path and fields of an HTTP request as ccxt hands it to ``fetch``: query string, form body or JSON body."""
    parts = urlsplit(url)
    fields: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True)) if parts.query else {}
    if isinstance(body, (bytes, bytearray)):
        body = body.decode()
    if isinstance(body, str) and body:
        if body[0] in "{[":
            decoded = json.loads(body)
            fields.update(decoded if isinstance(decoded, dict) else {"": decoded})
        else:
            fields.update(parse_qsl(body, keep_blank_values=True))
    elif isinstance(body, Mapping):
        fields.update(body)
    return parts.path, fields


def guard(
    request: OrderRequest,
    profile: Profile,
    method: str,
    path: str,
    body: Mapping[str, Any],
    *,
    reference_price: Decimal | None = None,
) -> None:
    """Check one HTTP request of a ``create_order`` just before it is sent. Raises Refused when the intent is not in it.

    Requests that only read, and those the profile lists as harmless, pass.
    """
    line = f"{method} {path}"
    if not any(known in line for known in profile.order_requests):
        if method == "GET" or any(known in line for known in profile.harmless_requests):
            return
        if profile.order_requests:
            raise Refused(
                f"{profile.exchange} would send {line} for a {request.kind.value} order; nobody has proven that"
            )
    reasons = list(_missing(request, profile, path, body, reference_price))
    if reasons:
        raise Refused([f"{profile.exchange} would send {line} without the intent: {reason}" for reason in reasons])


def _missing(
    request: OrderRequest, profile: Profile, path: str, body: Mapping[str, Any], reference_price: Decimal | None
) -> Iterator[str]:
    rules = _rules(request, profile)
    values = _values(request, profile, None, reference_price)
    expected: dict[str, Any] = dict(profile.wire)
    for rule in rules:
        expected.update(rule.wire)
    for template in (profile.path, *(rule.path for rule in rules)):
        fragment = None if template is None else _filled(template, values, request.side)
        if fragment is not None and fragment not in path:
            yield f"path has no {fragment}"
    ids = profile.client_id
    conditional = is_conditional(request.kind, profile)
    id_field = (ids.wire_conditional if conditional else None) or ids.wire
    if id_field and id_field not in expected:
        expected[id_field] = ids.wire_prefix + "{client_id}"
    sent: dict[str, list[Any]] = {}
    _collect(body, (), sent)
    for name, template in expected.items():
        if name == "?":
            everything = [value for found in sent.values() for value in found]
            for wanted in template:
                value = _filled(wanted, values, request.side)
                if value is not _ABSENT and not any(_same(value, actual) for actual in everything):
                    yield f"no field carries {value}"
        elif (fault := _fault(name, template, sent.get(name, []), values, request.side)) is not None:
            yield fault


def _fault(name: str, template: Any, found: list[Any], values: Mapping[str, Any], side: Side) -> str | None:
    """What is wrong with one field of the request; ``found`` are the values under its name."""
    if template is None:
        return f"{name}={found[0]} must not be there" if found else None
    value = _filled(template, values, side)
    if value is _ABSENT:
        return None
    if not found:
        return f"{name} is missing (should be {value})"
    return None if any(_matches(value, actual) for actual in found) else f"{name}={found[0]} (should be {value})"


def _collect(node: Any, path: tuple[str, ...], into: dict[str, list[Any]]) -> None:
    """Leaves by name, by ``parent.name`` and by ``grandparent.parent.name``; list positions do not count."""
    if isinstance(node, dict):
        for key, value in node.items():
            _collect(value, (*path[-2:], str(key)), into)
    elif isinstance(node, (list, tuple)):
        for item in node:
            _collect(item, path, into)
    elif node is not None:
        for start in range(len(path)):
            into.setdefault(".".join(path[start:]), []).append(node)


def _matches(expected: Any, actual: Any) -> bool:
    if isinstance(expected, list):
        return any(_same(option, actual) for option in expected)
    return expected == "*" or _same(expected, actual)


def _same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return str(expected).lower() == str(actual).lower()
    if str(expected) == str(actual):
        return True
    try:
        return Decimal(str(expected)) == Decimal(str(actual))
    except InvalidOperation:
        return False


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
    params.update(_fill(template or {}, values, Side.BUY) or {})
    order_id = None if id_template is None else str(_fill(id_template, values, Side.BUY))
    return order_id, params


def _by_book(
    reference: OrderReference, plain_rule: Mapping[str, Any] | None, conditional_rule: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    return conditional_rule if reference.conditional and conditional_rule is not None else plain_rule


def same_client_id(ours: str, theirs: Any, profile: Profile) -> bool:
    """Whether an id in an exchange's answer is ours; some exchanges put a prefix before it."""
    return theirs is not None and str(theirs) in (ours, profile.client_id.wire_prefix + ours)
