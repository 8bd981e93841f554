"""Binance USD-M's endpoints for orders, conditional (algo) orders and fills. Requests in, engine calls, answers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from btccxt.matching.records import EngineReject, NewOrder, RejectCode, SimOrder
from btccxt.model import Market, OrderKind, Side, TimeInForce
from btccxt.sim.dialects.base import DialectError, Route
from btccxt.sim.dialects.binance.errors import error, missing
from btccxt.sim.dialects.binance.protocol import Call, page_of_fills
from btccxt.sim.dialects.binanceusdm import format as fmt
from btccxt.sim.dialects.binanceusdm.core import BinanceUsdMCore
from btccxt.sim.dialects.binanceusdm.errors import refused

_WEEK_MS = 7 * 86_400_000
_PRICED = frozenset({"LIMIT", "STOP", "TAKE_PROFIT"})
_GTD_LEAD_MS = 600_000
_POSITION_SIDES = {"BOTH": None, "LONG": "long", "SHORT": "short"}


# ------------------------------------------------------------------ reading an order


def read_order(dialect: BinanceUsdMCore, call: Call, market: Market, *, algo: bool) -> NewOrder:
    """The order of POST order or POST algoOrder. Raises DialectError."""
    kind = call.required("type")
    if kind not in fmt.KINDS:
        raise error(-1116, "Invalid orderType.")
    if (kind in ("LIMIT", "MARKET")) == algo:
        if algo:
            raise error(-1116, "Invalid orderType.")
        raise error(
            -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        )
    amount, price = call.decimal("quantity"), call.decimal("price")
    trigger = call.decimal("activatePrice" if kind == "TRAILING_STOP_MARKET" else "triggerPrice")
    closes_position = _flag(call, "closePosition")
    if closes_position and kind not in ("STOP_MARKET", "TAKE_PROFIT_MARKET"):
        raise error(-4136, f"Target strategy invalid for orderType {kind}, closePosition true.")
    if closes_position and amount is not None:
        raise error(-4137, "Quantity must be zero with closePosition equals true.")
    if amount is None and not closes_position:
        raise missing("quantity")
    if kind in _PRICED and price is None:
        raise missing("price")
    if kind not in _PRICED and price is not None:
        raise error(-1106, "Parameter 'price' sent when not required.")
    if algo and trigger is None and kind != "TRAILING_STOP_MARKET":
        raise missing("triggerPrice")
    validity = call.optional("timeInForce") or ("GTC" if algo or kind == "MARKET" else None)
    if validity is None:
        raise missing("timeInForce")
    if validity not in ("GTC", "IOC", "FOK", "GTX", "GTD"):
        raise error(-1115, "Invalid timeInForce.")
    return NewOrder(
        symbol=market.symbol,
        side=_side(call),
        kind=fmt.KINDS[kind],
        amount=amount,
        price=price,
        trigger_price=trigger,
        time_in_force=TimeInForce.GTC if validity == "GTX" else TimeInForce(validity),
        post_only=validity == "GTX",
        reduce_only=_flag(call, "reduceOnly"),
        client_order_id=call.client_id("clientAlgoId" if algo else "newClientOrderId") or dialect.new_client_id(),
        trailing_percent=_callback_rate(call) if kind == "TRAILING_STOP_MARKET" else None,
        position_side=_position_side(call),
        expires_ms=_expiry(call) if validity == "GTD" else None,
        closes_position=closes_position,
    )


def _side(call: Call) -> Side:
    text = call.required("side")
    if text not in Side.__members__:
        raise error(-1117, "Invalid side.")
    return Side[text]


def _flag(call: Call, name: str) -> bool:
    return (call.optional(name) or "false").lower() == "true"


def _position_side(call: Call) -> str | None:
    text = call.optional("positionSide") or "BOTH"
    if text not in _POSITION_SIDES:
        raise error(-4060, "Invalid position side.")
    return _POSITION_SIDES[text]


def _callback_rate(call: Call) -> Decimal:
    rate = call.decimal("callbackRate")
    if rate is None:
        raise missing("callbackRate")
    if not Decimal("0.1") <= rate <= 10:
        raise error(-2007, "Invalid callBack rate.")
    return rate


def _expiry(call: Call) -> int:
    until = call.integer("goodTillDate")
    if until is None:
        raise missing("goodTillDate")
    if until < call.now_ms + _GTD_LEAD_MS:
        raise error(-5040, "The goodTillDate timestamp must be greater than the current time plus 600 seconds.")
    return until // 1000 * 1000  # only whole seconds count


# ------------------------------------------------------------------ plain orders


def place(dialect: BinanceUsdMCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    order = read_order(dialect, call, market, algo=False)
    response_type = call.optional("newOrderRespType") or "ACK"
    if response_type not in ("ACK", "RESULT"):
        raise error(-1136, "Invalid newOrderRespType.")
    try:
        placed = dialect.venue.engine.submit(call.owner, order, call.now_ms)
    except EngineReject as reject:
        raise refused(reject) from None
    state = fmt.order_state(own_id, placed)
    return state if response_type == "RESULT" else fmt.acknowledged(state)


def place_in_batch(dialect: BinanceUsdMCore, call: Call) -> Any:
    """POST batchOrders: each order is accepted or refused on its own."""
    return dialect.each_of_batch(call, place)


def test_order(dialect: BinanceUsdMCore, call: Call) -> Any:
    read_order(dialect, call, dialect.market_of(call)[1], algo=False)
    return {}


def edit(dialect: BinanceUsdMCore, call: Call) -> Any:
    """PUT order: price and quantity of a resting limit order; it keeps its id."""
    own_id, market = dialect.market_of(call)
    order = _plain_order(dialect, call, market)
    amount, price = call.decimal("quantity"), call.decimal("price")
    if amount is None or price is None:
        raise missing("quantity" if amount is None else "price")
    if _side(call) is not order.side:
        raise error(-4511, "The order side cannot be changed.")
    if not order.is_open:
        raise error(-2013, "Order does not exist.")
    if (amount, price) == (order.request.amount, order.request.price):
        raise error(-5027, "No need to modify the order.")
    try:
        amended = dialect.venue.engine.amend(
            call.owner, symbol=market.symbol, order_id=order.order_id, price=price, amount=amount, now_ms=call.now_ms
        )
    except EngineReject as reject:
        raise refused(reject) from None
    return fmt.order_state(own_id, amended)


def query(dialect: BinanceUsdMCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    return fmt.order_state(own_id, _plain_order(dialect, call, market))


def query_open(dialect: BinanceUsdMCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    order = _plain_order(dialect, call, market)
    if not order.is_open:
        raise error(-2013, "Order does not exist.")
    return fmt.order_state(own_id, order)


def _plain_order(dialect: BinanceUsdMCore, call: Call, market: Market) -> SimOrder:
    """By ``orderId`` or ``origClientOrderId``. An order that still waits for its trigger is not known here."""
    order_id, client_id = call.integer("orderId"), call.optional("origClientOrderId")
    if order_id is None and client_id is None:
        raise error(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    order = _find(dialect, call.owner, market, None if order_id is None else str(order_id), client_id, fmt.is_plain)
    if order is None:
        raise error(-2013, "Order does not exist.")
    return order


def _find(
    dialect: BinanceUsdMCore,
    owner: str,
    market: Market,
    order_id: str | None,
    client_id: str | None,
    wanted: Callable[[SimOrder], bool],
) -> SimOrder | None:
    """The newest order with this id, of the wanted sort."""
    for order in reversed(dialect.venue.engine.orders(owner, market.symbol)):
        known = order.order_id == order_id if order_id is not None else order.client_order_id == client_id
        if known and wanted(order):
            return order
    return None


def cancel(dialect: BinanceUsdMCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    try:
        order = _plain_order(dialect, call, market)
    except DialectError as refusal:
        raise error(-2011, "Unknown order sent.") if refusal.body.get("code") == -2013 else refusal from None
    return fmt.order_state(own_id, _cancel(dialect, call, order))


def _cancel(dialect: BinanceUsdMCore, call: Call, order: SimOrder) -> SimOrder:
    try:
        return dialect.venue.engine.cancel(call.owner, symbol=order.symbol, order_id=order.order_id, now_ms=call.now_ms)
    except EngineReject as reject:
        if reject.code in (RejectCode.UNKNOWN_ORDER, RejectCode.ALREADY_FINAL):
            raise error(-2011, "Unknown order sent.") from None
        raise refused(reject) from None


def cancel_all(dialect: BinanceUsdMCore, call: Call) -> Any:
    return _cancel_those(dialect, call, fmt.is_plain)


def _cancel_those(dialect: BinanceUsdMCore, call: Call, wanted: Callable[[SimOrder], bool]) -> Any:
    _, market = dialect.market_of(call)
    for order in dialect.venue.engine.orders(call.owner, market.symbol, open_only=True):
        if wanted(order):
            _cancel(dialect, call, order)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def open_orders(dialect: BinanceUsdMCore, call: Call) -> Any:
    return [fmt.order_state(*pair) for pair in _open(dialect, call, fmt.is_plain)]


def _open(dialect: BinanceUsdMCore, call: Call, wanted: Callable[[SimOrder], bool]) -> list[tuple[str, SimOrder]]:
    symbol = dialect.market_of(call)[1].symbol if call.optional("symbol") else None
    orders = dialect.venue.engine.orders(call.owner, symbol, open_only=True)
    return [(dialect.ids[order.symbol], order) for order in orders if order.symbol in dialect.ids and wanted(order)]


def all_orders(dialect: BinanceUsdMCore, call: Call) -> Any:
    own_id, found = _history(dialect, call, fmt.is_plain)
    return [fmt.order_state(own_id, order) for order in found]


def _history(dialect: BinanceUsdMCore, call: Call, wanted: Callable[[SimOrder], bool]) -> tuple[str, list[SimOrder]]:
    own_id, market = dialect.market_of(call)
    first_id, limit = call.integer("orderId"), call.limit(500, 1000)
    since, until = _window(call)
    found = [
        order
        for order in dialect.venue.engine.orders(call.owner, market.symbol)
        if wanted(order)
        and (first_id is None or int(order.order_id) >= first_id)
        and since <= order.created_ms <= until
    ]
    from_start = first_id is not None or call.params.get("startTime") is not None
    return own_id, found[:limit] if from_start else found[-limit:]


def my_trades(dialect: BinanceUsdMCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    since, until = _window(call)
    chosen = page_of_fills(call, dialect.venue.engine.fills(call.owner, market.symbol), since, until)
    return [fmt.my_trade(own_id, fill) for fill in chosen]


def _window(call: Call) -> tuple[int, int]:
    """Without an end: seven days from the start, as documented; nothing given: all that is there."""
    since, until = call.integer("startTime"), call.integer("endTime")
    if since is not None and until is not None and until - since > _WEEK_MS:
        raise error(-4166, "Search window is restricted to recent 7 days only.")
    if until is None:
        until = call.now_ms if since is None else since + _WEEK_MS
    return since or 0, until


# ------------------------------------------------------------------ conditional orders


def place_algo(dialect: BinanceUsdMCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    if call.required("algoType") != "CONDITIONAL":
        raise error(-1102, "Mandatory parameter 'algoType' was not sent, was empty/null, or malformed.")
    order = read_order(dialect, call, market, algo=True)
    if order.time_in_force is TimeInForce.GTD:
        raise error(-1115, "The embedded exchange has no GTD for conditional orders.")
    if order.kind is OrderKind.TRAILING_PERCENT:
        order = replace(order, price=None)
    try:
        placed = dialect.venue.engine.submit(call.owner, order, call.now_ms)
    except EngineReject as reject:
        raise refused(reject, algo=True) from None
    return fmt.algo_state(own_id, placed)


def _algo_order(dialect: BinanceUsdMCore, call: Call) -> SimOrder:
    algo, client_id = call.integer("algoId"), call.optional("clientAlgoId")
    if algo is None and client_id is None:
        raise error(-1102, "Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!")
    order_id = None if algo is None else fmt.engine_id(algo)
    for market in dialect.markets.values():
        order = _find(dialect, call.owner, market, order_id, client_id, fmt.is_algo)
        if order is not None:
            return order
    raise error(-2013, "Order does not exist.")


def query_algo(dialect: BinanceUsdMCore, call: Call) -> Any:
    order = _algo_order(dialect, call)
    return fmt.algo_state(dialect.ids[order.symbol], order)


def cancel_algo(dialect: BinanceUsdMCore, call: Call) -> Any:
    try:
        order = _algo_order(dialect, call)
    except DialectError as refusal:
        raise error(-2011, "Unknown order sent.") if refusal.body.get("code") == -2013 else refusal from None
    if order.triggered:  # its child is cancelled as the plain order that it is
        raise error(-2011, "Unknown order sent.")
    return fmt.algo_canceled(_cancel(dialect, call, order))


def _waiting(order: SimOrder) -> bool:
    return not fmt.is_plain(order)


def cancel_all_algo(dialect: BinanceUsdMCore, call: Call) -> Any:
    return _cancel_those(dialect, call, _waiting)


def open_algo_orders(dialect: BinanceUsdMCore, call: Call) -> Any:
    return [fmt.algo_state(*pair) for pair in _open(dialect, call, _waiting)]


def all_algo_orders(dialect: BinanceUsdMCore, call: Call) -> Any:
    own_id, found = _history(dialect, call, fmt.is_algo)
    return [fmt.algo_state(own_id, order) for order in found]


ORDER_ROUTES: Mapping[str, Route] = {
    "POST /fapi/v1/order": Route(place, 0, signed=True, is_order=True),
    "POST /fapi/v1/order/test": Route(test_order, 1, signed=True),
    "POST /fapi/v1/batchOrders": Route(place_in_batch, 5, signed=True, is_order=True),
    "PUT /fapi/v1/order": Route(edit, 1, signed=True, is_order=True),
    "GET /fapi/v1/order": Route(query, 1, signed=True),
    "DELETE /fapi/v1/order": Route(cancel, 1, signed=True),
    "DELETE /fapi/v1/allOpenOrders": Route(cancel_all, 1, signed=True),
    "GET /fapi/v1/openOrder": Route(query_open, 1, signed=True),
    "GET /fapi/v1/openOrders": Route(open_orders, 1, signed=True),
    "GET /fapi/v1/allOrders": Route(all_orders, 5, signed=True),
    "GET /fapi/v1/userTrades": Route(my_trades, 5, signed=True),
    "POST /fapi/v1/algoOrder": Route(place_algo, 0, signed=True, is_order=True),
    "GET /fapi/v1/algoOrder": Route(query_algo, 1, signed=True),
    "DELETE /fapi/v1/algoOrder": Route(cancel_algo, 1, signed=True),
    "DELETE /fapi/v1/algoOpenOrders": Route(cancel_all_algo, 1, signed=True),
    "GET /fapi/v1/openAlgoOrders": Route(open_algo_orders, 1, signed=True),
    "GET /fapi/v1/allAlgoOrders": Route(all_algo_orders, 5, signed=True),
}
