"""Binance spot's endpoints for order lists: OCO, OTO and OTOCO. Requests in, engine calls, answers out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from btccxt.matching.records import NewOrder
from btccxt.model import Market, OrderKind, Side
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.binance.core import BinanceSpotCore
from btccxt.sim.dialects.binance.errors import error, missing, wrong_relation
from btccxt.sim.dialects.binance.orders import cancel_known, kind_of, names, read_leg, response_type_of, side_of
from btccxt.sim.dialects.binance.protocol import Call


def place_oco(dialect: BinanceSpotCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    side, amount = side_of(call), call.decimal("quantity")
    if amount is None:
        raise missing("quantity")
    legs = []
    for prefix in ("below", "above"):  # the order in which the exchange numbers them
        leg = read_leg(call, market, side, kind_of(call.required(f"{prefix}Type")), prefix)
        client_id = call.client_id(f"{prefix}ClientOrderId") or dialect.new_client_id()
        legs.append(replace(leg, amount=amount, client_order_id=client_id))
    return dialect.lists.place(call, own_id, legs, response_type_of(call, "MARKET"))


def place_old_oco(dialect: BinanceSpotCore, call: Call) -> Any:
    """POST order/oco, deprecated: a LIMIT_MAKER at ``price`` and a stop at ``stopPrice``."""
    own_id, market = dialect.market_of(call)
    side, amount = side_of(call), call.decimal("quantity")
    price, stop, stop_limit = call.decimal("price"), call.decimal("stopPrice"), call.decimal("stopLimitPrice")
    for value, name in ((amount, "quantity"), (price, "price"), (stop, "stopPrice")):
        if value is None:
            raise missing(name)
    if stop_limit is not None and call.optional("stopLimitTimeInForce") is None:
        raise missing("stopLimitTimeInForce")
    limit_leg = NewOrder(
        market.symbol,
        side,
        OrderKind.LIMIT,
        amount,
        price,
        post_only=True,
        client_order_id=call.client_id("limitClientOrderId") or dialect.new_client_id(),
    )
    stop_leg = NewOrder(
        market.symbol,
        side,
        OrderKind.STOP if stop_limit is None else OrderKind.STOP_LIMIT,
        amount,
        stop_limit,
        stop,
        client_order_id=call.client_id("stopClientOrderId") or dialect.new_client_id(),
    )
    return dialect.lists.place(call, own_id, [stop_leg, limit_leg], response_type_of(call, "MARKET"))


def place_oto(dialect: BinanceSpotCore, call: Call) -> Any:
    """A limit order, and one of any kind that is placed when it is filled whole."""
    own_id, market = dialect.market_of(call)
    pending = _read_pending(dialect, call, market, "pending", side_of(call, "pendingSide"))
    orders = [_read_working(dialect, call, market), pending]
    return dialect.lists.place_with_pending(call, own_id, orders, response_type_of(call, "MARKET"))


def place_otoco(dialect: BinanceSpotCore, call: Call) -> Any:
    """A limit order, and an OCO pair that is placed when it is filled whole."""
    own_id, market = dialect.market_of(call)
    side = side_of(call, "pendingSide")
    working = _read_working(dialect, call, market)
    below, above = (_read_pending(dialect, call, market, prefix, side) for prefix in ("pendingBelow", "pendingAbove"))
    if _reference(below) >= _reference(above):
        raise wrong_relation()
    return dialect.lists.place_with_pending(call, own_id, [working, below, above], response_type_of(call, "MARKET"))


def _read_working(dialect: BinanceSpotCore, call: Call, market: Market) -> NewOrder:
    kind, amount = call.required("workingType"), call.decimal("workingQuantity")
    if kind not in ("LIMIT", "LIMIT_MAKER"):
        raise error(-1116, "Invalid orderType.")
    if amount is None:
        raise missing("workingQuantity")
    leg = read_leg(call, market, side_of(call, "workingSide"), kind, "working")
    return replace(
        leg, amount=amount, client_order_id=call.client_id("workingClientOrderId") or dialect.new_client_id()
    )


def _read_pending(dialect: BinanceSpotCore, call: Call, market: Market, prefix: str, side: Side) -> NewOrder:
    amount = call.decimal("pendingQuantity")
    if amount is None:
        raise missing("pendingQuantity")
    leg = read_leg(call, market, side, kind_of(call.required(f"{prefix}Type")), prefix)
    client_id = call.client_id(f"{prefix}ClientOrderId") or dialect.new_client_id()
    return replace(leg, amount=amount, client_order_id=client_id)


def _reference(order: NewOrder) -> Decimal:
    """The price that decides on which side of the other leg an order lies."""
    return order.trigger_price or order.price or Decimal(0)


def query_list(dialect: BinanceSpotCore, call: Call) -> Any:
    number, client_id = call.integer("orderListId"), call.optional("origClientOrderId")
    if number is None and client_id is None:
        raise error(-1102, "Param 'origClientOrderId' or 'orderListId' must be sent, but both were empty/null!")
    return dialect.lists.state(call.owner, number, client_id)


def cancel_list(dialect: BinanceSpotCore, call: Call) -> Any:
    own_id, market = dialect.market_of(call)
    number, client_id = call.integer("orderListId"), call.optional("listClientOrderId")
    if number is None and client_id is None:
        raise error(-1102, "Param 'listClientOrderId' or 'orderListId' must be sent, but both were empty/null!")
    leg = dialect.lists.open_leg(call.owner, number, client_id)
    if leg is None:
        raise error(-2011, "Unknown order list sent.")
    cancel_id = call.client_id("newClientOrderId") or dialect.new_client_id()
    return cancel_known(dialect, call, own_id, market, leg.order_id, None, cancel_id)


def open_lists(dialect: BinanceSpotCore, call: Call) -> Any:
    return dialect.lists.states(call.owner, open_only=True)


def all_lists(dialect: BinanceSpotCore, call: Call) -> Any:
    return dialect.lists.states(call.owner, open_only=False)[-call.limit(500, 1000) :]


_LIST = names("symbol side quantity listClientOrderId newOrderRespType selfTradePreventionMode")
_LEG = names("Type ClientOrderId IcebergQty Price StopPrice TrailingDelta TimeInForce StrategyId StrategyType")
_WITH_PENDING = names(
    "symbol listClientOrderId newOrderRespType selfTradePreventionMode workingType workingSide workingClientOrderId "
    "workingPrice workingQuantity workingIcebergQty workingTimeInForce workingStrategyId workingStrategyType "
    "pendingSide pendingQuantity"
)
_OLD_OCO = _LIST | names(
    "limitClientOrderId price limitIcebergQty stopClientOrderId stopPrice stopLimitPrice stopIcebergQty "
    "stopLimitTimeInForce trailingDelta"
)

LIST_ROUTES: Mapping[str, Route] = {
    "POST /api/v3/orderList/oco": Route(
        place_oco,
        1,
        signed=True,
        is_order=True,
        accepts=_LIST | {prefix + name for prefix in ("above", "below") for name in _LEG},
    ),
    "POST /api/v3/orderList/oto": Route(
        place_oto, 1, signed=True, is_order=True, accepts=_WITH_PENDING | {"pending" + name for name in _LEG}
    ),
    "POST /api/v3/orderList/otoco": Route(
        place_otoco,
        1,
        signed=True,
        is_order=True,
        accepts=_WITH_PENDING | {prefix + name for prefix in ("pendingAbove", "pendingBelow") for name in _LEG},
    ),
    "POST /api/v3/order/oco": Route(place_old_oco, 1, signed=True, is_order=True, accepts=_OLD_OCO),
    "GET /api/v3/orderList": Route(query_list, 4, signed=True, accepts=names("orderListId origClientOrderId")),
    "DELETE /api/v3/orderList": Route(
        cancel_list, 1, signed=True, accepts=names("symbol orderListId listClientOrderId newClientOrderId")
    ),
    "GET /api/v3/openOrderList": Route(open_lists, 6, signed=True, accepts=frozenset()),
    "GET /api/v3/allOrderList": Route(all_lists, 20, signed=True, accepts=names("fromId startTime endTime limit")),
}

# Calls of the WebSocket API, each with the REST endpoint that does the same.
LIST_CALLS: Mapping[str, str] = {
    "orderList.place.oco": "POST /api/v3/orderList/oco",
    "orderList.place.oto": "POST /api/v3/orderList/oto",
    "orderList.place.otoco": "POST /api/v3/orderList/otoco",
    "orderList.status": "GET /api/v3/orderList",
    "orderList.cancel": "DELETE /api/v3/orderList",
    "openOrderLists.status": "GET /api/v3/openOrderList",
    "allOrderLists": "GET /api/v3/allOrderList",
}
