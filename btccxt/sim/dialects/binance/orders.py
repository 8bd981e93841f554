"""Binance spot's endpoints for orders, order lists and fills. Requests in, engine calls, answers out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from btccxt.matching.filters import check
from btccxt.matching.records import EngineReject, NewOrder, RejectCode, SimOrder
from btccxt.model import Market, OrderKind, Side, TimeInForce
from btccxt.sim.dialects.base import DialectError, Route
from btccxt.sim.dialects.binance import order_format as fmt
from btccxt.sim.dialects.binance.core import BinanceSpotCore
from btccxt.sim.dialects.binance.errors import error, missing, refused
from btccxt.sim.dialects.binance.protocol import Call, page_of_fills

_DAY_MS = 86_400_000
_KINDS = {
    "LIMIT": OrderKind.LIMIT,
    "LIMIT_MAKER": OrderKind.LIMIT,
    "MARKET": OrderKind.MARKET,
    "STOP_LOSS": OrderKind.STOP,
    "STOP_LOSS_LIMIT": OrderKind.STOP_LIMIT,
    "TAKE_PROFIT": OrderKind.TAKE_PROFIT,
    "TAKE_PROFIT_LIMIT": OrderKind.TAKE_PROFIT_LIMIT,
}
_PRICED = frozenset({"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
_TIMED = _PRICED - {"LIMIT_MAKER"}
_TRIGGERED = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
_FULL_BY_DEFAULT = frozenset({"MARKET", "LIMIT"})


# ------------------------------------------------------------------ reading an order


def read_order(call: Call, market: Market) -> tuple[NewOrder, str]:
    """(order, type) from the parameters of POST order. Raises DialectError."""
    kind, side = kind_of(call.required("type")), side_of(call)
    amount, cost = call.decimal("quantity"), call.decimal("quoteOrderQty")
    if kind == "MARKET":
        if amount is None and cost is None:
            raise error(-1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!")
        if amount is not None and cost is not None:
            raise error(-1106, "Parameter 'quoteOrderQty' sent when not required.")
    elif cost is not None:
        raise error(-1106, "Parameter 'quoteOrderQty' sent when not required.")
    elif amount is None:
        raise missing("quantity")
    leg = read_leg(call, market, side, kind, "")
    return replace(leg, amount=amount, cost_quote=cost, client_order_id=call.client_id("newClientOrderId")), kind


def read_leg(call: Call, market: Market, side: Side, kind: str, prefix: str) -> NewOrder:
    """Price, trigger and validity. ``prefix`` is 'above' or 'below' for the legs of an OCO list."""

    def name(plain: str) -> str:
        return prefix + plain[0].upper() + plain[1:] if prefix else plain

    price, stop = call.decimal(name("price")), call.decimal(name("stopPrice"))
    delta, iceberg = call.integer(name("trailingDelta")), call.decimal(name("icebergQty"))
    validity = call.optional(name("timeInForce"))
    if kind in _PRICED and price is None:
        raise missing(name("price"))
    if kind in _TIMED and validity is None:
        raise missing(name("timeInForce"))
    if kind in _TRIGGERED and stop is None and delta is None:
        raise error(
            -1102, f"Param '{name('stopPrice')}' or '{name('trailingDelta')}' must be sent, but both were empty/null!"
        )
    for given, allowed, plain in (
        (price, kind in _PRICED, "price"),
        (stop, kind in _TRIGGERED, "stopPrice"),
        (delta, kind in _TRIGGERED, "trailingDelta"),
        (validity, kind in _TIMED, "timeInForce"),
        (iceberg, kind in _PRICED, "icebergQty"),
    ):
        if given is not None and not allowed:
            raise error(-1106, f"Parameter '{name(plain)}' sent when not required.")
    if validity is not None and validity not in ("GTC", "IOC", "FOK"):
        raise error(-1115, "Invalid timeInForce.")
    if iceberg is not None and validity not in (None, "GTC"):
        raise error(-2010, "Iceberg orders must be GTC.")
    for number, what in ((price, "price"), (call.decimal("quantity"), "quantity")):
        if number is not None and number == 0:
            raise error(-1013, f"Invalid {what}.")
    engine_kind = _KINDS[kind]
    if delta is not None:
        if engine_kind in (OrderKind.TAKE_PROFIT, OrderKind.TAKE_PROFIT_LIMIT):
            raise error(-2010, "The embedded exchange trails stop-losses only, not take-profits.")
        if not 10 <= delta <= 2000:
            raise error(-1013, "Filter failure: TRAILING_DELTA")
        engine_kind = OrderKind.TRAILING_PERCENT
    return NewOrder(
        symbol=market.symbol,
        side=side,
        kind=engine_kind,
        price=price,
        trigger_price=stop,
        time_in_force=TimeInForce(validity or "GTC"),
        post_only=kind == "LIMIT_MAKER",
        iceberg_amount=iceberg,
        trailing_percent=None if delta is None else Decimal(delta) / 100,
    )


def kind_of(text: str) -> str:
    if text not in _KINDS:
        raise error(-1116, "Invalid orderType.")
    return text


def side_of(call: Call, name: str = "side") -> Side:
    text = call.required(name)
    if text not in Side.__members__:
        raise error(-1117, "Invalid side.")
    return Side[text]


def _dry_run(dialect: BinanceSpotCore, order: NewOrder, market: Market) -> None:
    """Refuse what breaks the market's rules, without placing anything."""
    try:
        check(market, order, dialect.venue.engine.last(market.symbol))
    except EngineReject as reject:
        raise refused(reject) from None


def response_type_of(call: Call, kind: str) -> str:
    wanted = call.optional("newOrderRespType") or ("FULL" if kind in _FULL_BY_DEFAULT else "ACK")
    if wanted not in ("ACK", "RESULT", "FULL"):
        raise error(-1136, "Invalid newOrderRespType.")
    return wanted


# ------------------------------------------------------------------ orders


def place(dialect: BinanceSpotCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    order, kind = read_order(call, market)
    response_type = response_type_of(call, kind)
    return _place(dialect, call, own_id, order, response_type)


def _place(
    dialect: BinanceSpotCore, call: Call, own_id: str, order: NewOrder, response_type: str, has_cancelled: bool = False
) -> Any:
    """``has_cancelled``: an order went for this one, so its rejection is an event of the account."""
    if order.client_order_id is None:
        order = replace(order, client_order_id=dialect.new_client_id())
    try:
        placed, fills = dialect.submit(call.owner, order, call.now_ms)
    except EngineReject as reject:
        if has_cancelled:
            dialect.tell_rejected(call.owner, order, reject.code)
        raise refused(reject) from None
    return fmt.order_placed(own_id, placed, -1, fills, response_type)


def test_order(dialect: BinanceSpotCore, call: Call) -> Any:
    _, market = dialect.market_of(call)
    order, _ = read_order(call, market)
    _dry_run(dialect, order, market)
    return {}


def query(dialect: BinanceSpotCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    order_id, client_id = _which_order(call)
    try:
        order = dialect.venue.engine.order(
            call.owner, symbol=market.symbol, order_id=order_id, client_order_id=client_id
        )
    except EngineReject as reject:
        raise refused(reject) from None
    return fmt.order_state(own_id, order, dialect.lists.number_of(order))


def _which_order(
    call: Call, id_name: str = "orderId", client_name: str = "origClientOrderId"
) -> tuple[str | None, str | None]:
    order_id, client_id = call.integer(id_name), call.optional(client_name)
    if order_id is None and client_id is None:
        raise error(-1102, f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!")
    return (None, client_id) if order_id is None else (str(order_id), None)


def cancel(dialect: BinanceSpotCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    order_id, client_id = _which_order(call)
    cancel_id = call.client_id("newClientOrderId") or dialect.new_client_id()
    return cancel_known(dialect, call, own_id, market, order_id, client_id, cancel_id)


def cancel_known(
    dialect: BinanceSpotCore,
    call: Call,
    own_id: str,
    market: Market,
    order_id: str | None,
    client_id: str | None,
    cancel_id: str,
) -> Any:
    engine = dialect.venue.engine
    try:
        known = engine.order(call.owner, symbol=market.symbol, order_id=order_id, client_order_id=client_id)
        restriction = call.optional("cancelRestrictions")
        if restriction is not None and known.is_open and restriction != f"ONLY_{fmt.order_status(known)}":
            raise error(-2011, "Order was not canceled due to cancel restrictions.")
        with dialect.cancelling(cancel_id):
            canceled = engine.cancel(call.owner, symbol=market.symbol, order_id=known.order_id, now_ms=call.now_ms)
    except EngineReject as reject:
        if reject.code in (RejectCode.UNKNOWN_ORDER, RejectCode.ALREADY_FINAL):
            raise error(-2011, "Unknown order sent.") from None
        raise refused(reject) from None
    if canceled.list_id is not None:
        return dialect.lists.canceled(canceled, cancel_id)
    return fmt.order_canceled(own_id, canceled, -1, cancel_id)


def cancel_all(dialect: BinanceSpotCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    cancel_id = dialect.new_client_id()
    with dialect.cancelling(cancel_id):
        canceled = dialect.venue.engine.cancel_all(call.owner, market.symbol, call.now_ms)
    if not canceled:
        raise error(-2011, "Unknown order sent.")
    answers, reported = [], set()
    for order in canceled:
        if order.list_id is None:
            answers.append(fmt.order_canceled(own_id, order, -1, cancel_id))
        elif order.list_id not in reported:
            reported.add(order.list_id)
            answers.append(dialect.lists.canceled(order, cancel_id))
    return answers


def cancel_replace(dialect: BinanceSpotCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    mode = call.required("cancelReplaceMode")
    if mode not in ("STOP_ON_FAILURE", "ALLOW_FAILURE"):
        raise error(-1102, "Mandatory parameter 'cancelReplaceMode' was not sent, was empty/null, or malformed.")
    order, kind = read_order(call, market)
    response_type = response_type_of(call, kind)
    order_id, client_id = _which_order(call, "cancelOrderId", "cancelOrigClientOrderId")
    _dry_run(dialect, order, market)  # a new order that breaks a rule must not cost the old one
    cancel_id = call.client_id("cancelNewClientOrderId") or dialect.new_client_id()
    outcome: dict[str, Any] = {"cancelResult": "SUCCESS", "newOrderResult": "NOT_ATTEMPTED"}
    try:
        outcome["cancelResponse"] = cancel_known(dialect, call, own_id, market, order_id, client_id, cancel_id)
    except DialectError as failure:
        outcome.update(cancelResult="FAILURE", cancelResponse=failure.body, newOrderResponse=None)
        if mode == "STOP_ON_FAILURE":
            raise error(-2022, "Order cancel-replace failed.", 400, data=outcome) from None
    try:
        has_cancelled = outcome["cancelResult"] == "SUCCESS"
        outcome["newOrderResponse"] = _place(dialect, call, own_id, order, response_type, has_cancelled)
        outcome["newOrderResult"] = "SUCCESS"
    except DialectError as failure:
        outcome.update(newOrderResult="FAILURE", newOrderResponse=failure.body)
    results = {outcome["cancelResult"], outcome["newOrderResult"]}
    if results == {"FAILURE"}:
        raise error(-2022, "Order cancel-replace failed.", 400, data=outcome)
    if "FAILURE" in results:
        raise error(-2021, "Order cancel-replace partially failed.", 409, data=outcome)
    return outcome


def open_orders(dialect: BinanceSpotCore, call: Call) -> Any:
    symbol = dialect.market_of(call)[1].symbol if call.optional("symbol") else None
    orders = dialect.venue.engine.orders(call.owner, symbol, open_only=True)
    return [_state(dialect, order) for order in orders if order.symbol in dialect.ids]


def _state(dialect: BinanceSpotCore, order: SimOrder) -> dict[str, Any]:
    return fmt.order_state(dialect.ids[order.symbol], order, dialect.lists.number_of(order))


def all_orders(dialect: BinanceSpotCore, call: Call) -> Any:
    _, market = dialect.market_of(call)
    first_id, limit = call.integer("orderId"), call.limit(500, 1000)
    since, until = _window(call)
    found = [
        order
        for order in dialect.venue.engine.orders(call.owner, market.symbol)
        if (first_id is None or int(order.order_id) >= first_id) and since <= order.created_ms <= until
    ]
    from_start = first_id is not None or call.params.get("startTime") is not None
    return [_state(dialect, order) for order in (found[:limit] if from_start else found[-limit:])]


def my_trades(dialect: BinanceSpotCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    if call.integer("fromId") is not None and (call.params.get("startTime") or call.params.get("endTime")):
        raise error(-1128, "Combination of optional parameters invalid.")
    since, until = _window(call)
    chosen = page_of_fills(call, dialect.venue.engine.fills(call.owner, market.symbol), since, until)
    return [fmt.my_trade(own_id, fill, dialect.lists.number_of_id(fill.order_id)) for fill in chosen]


def _window(call: Call) -> tuple[int, int]:
    since, until = call.integer("startTime"), call.integer("endTime")
    if since is not None and until is not None and until - since > _DAY_MS:
        raise error(-1127, "More than 24 hours between startTime and endTime.")
    return since or 0, (call.now_ms if until is None else until)


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ORDER = names(
    "symbol side type timeInForce quantity quoteOrderQty price newClientOrderId strategyId strategyType stopPrice "
    "trailingDelta icebergQty newOrderRespType selfTradePreventionMode"
)

ORDER_ROUTES: Mapping[str, Route] = {
    "POST /api/v3/order": Route(place, 1, signed=True, is_order=True, accepts=_ORDER),
    "POST /api/v3/order/test": Route(test_order, 1, signed=True, accepts=_ORDER | {"computeCommissionRates"}),
    "GET /api/v3/order": Route(query, 4, signed=True, accepts=names("symbol orderId origClientOrderId")),
    "DELETE /api/v3/order": Route(
        cancel,
        1,
        signed=True,
        accepts=names("symbol orderId origClientOrderId newClientOrderId cancelRestrictions"),
    ),
    "POST /api/v3/order/cancelReplace": Route(
        cancel_replace,
        1,
        signed=True,
        is_order=True,
        accepts=_ORDER
        | names(
            "cancelReplaceMode cancelNewClientOrderId cancelOrigClientOrderId cancelOrderId cancelRestrictions "
            "orderRateLimitExceededMode"
        ),
    ),
    "GET /api/v3/openOrders": Route(open_orders, 6, signed=True, accepts=names("symbol")),
    "DELETE /api/v3/openOrders": Route(cancel_all, 1, signed=True, accepts=names("symbol")),
    "GET /api/v3/allOrders": Route(
        all_orders, 20, signed=True, accepts=names("symbol orderId startTime endTime limit")
    ),
    "GET /api/v3/myTrades": Route(
        my_trades, 20, signed=True, accepts=names("symbol orderId startTime endTime fromId limit")
    ),
}

# Calls of the WebSocket API, each with the REST endpoint that does the same.
ORDER_CALLS: Mapping[str, str] = {
    "order.place": "POST /api/v3/order",
    "order.test": "POST /api/v3/order/test",
    "order.status": "GET /api/v3/order",
    "order.cancel": "DELETE /api/v3/order",
    "order.cancelReplace": "POST /api/v3/order/cancelReplace",
    "openOrders.status": "GET /api/v3/openOrders",
    "openOrders.cancelAll": "DELETE /api/v3/openOrders",
    "allOrders": "GET /api/v3/allOrders",
    "myTrades": "GET /api/v3/myTrades",
}
