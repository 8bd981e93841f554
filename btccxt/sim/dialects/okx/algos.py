"""OKX v5's algo orders: triggers, stop-losses and take-profits, OCO pairs, trailing stops.

A fired algo order makes a plain order with an id of its own (``ordIdList``); the engine knows both as one. An OCO pair
is one algo order with two triggers; the engine has two orders for it, and its id is that of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from btccxt.matching.records import EngineReject, NewOrder, SimOrder
from btccxt.model import Market, OrderKind, Side
from btccxt.sim.dialects.attached_exits import exit_kind
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.okx import format as fmt
from btccxt.sim.dialects.okx.call import Call
from btccxt.sim.dialects.okx.core import OkxCore, coin_spent
from btccxt.sim.dialects.okx.errors import NOT_FOUND, OrderRefused, error, parameter_error, refused
from btccxt.sim.dialects.okx.orders import checked_client_id, one_by_one, paged, read_exit, side_and_mode

_TYPES = frozenset({"trigger", "conditional", "oco", "move_order_stop"})


def place(dialect: OkxCore, call: Call) -> Any:
    return one_by_one(dialect, call, _place)


def _place(dialect: OkxCore, call: Call) -> dict[str, Any]:
    _, market = dialect.market_of(call)
    side, kind = side_and_mode(call, market), call.required("ordType")
    client_id = checked_client_id(call, "algoClOrdId")
    if kind not in _TYPES:
        raise OrderRefused(51000, "Parameter ordType error")
    if client_id is not None and dialect.knows(call.owner, market.symbol, client_id):
        raise OrderRefused(51065, "algoClOrdId already exists.")
    legs = _read_legs(dialect, call, market, side, kind)
    engine = dialect.venue.engine
    dialect.use_margin_mode(call.owner, market, call.text("tdMode") == "isolated")
    try:
        if len(legs) == 1:
            placed = engine.submit(call.owner, legs[0], call.now_ms)
        else:
            placed = engine.submit_list(call.owner, legs, call.now_ms)[0]
    except EngineReject as reject:
        raise refused(reject, coin_spent(market, side)) from None
    return {"algoId": dialect.algo_id_of(placed), "algoClOrdId": client_id or "", "clOrdId": "", "tag": ""}


def _read_legs(dialect: OkxCore, call: Call, market: Market, side: Side, kind: str) -> list[NewOrder]:
    amount = call.decimal("sz")
    if amount is None or amount <= 0:
        raise OrderRefused(51000, "Parameter sz error")
    client_id = call.text("algoClOrdId")
    position_side = call.text("posSide")

    def leg(kind: OrderKind, **more: Any) -> NewOrder:
        return NewOrder(
            market.symbol,
            side,
            kind,
            amount=amount,
            reduce_only=market.is_contract and call.flag("reduceOnly"),
            position_side=None if position_side == "net" else position_side,
            **more,
        )

    if kind == "move_order_stop":
        ratio, spread = call.decimal("callbackRatio"), call.decimal("callbackSpread")
        if (ratio is None) == (spread is None):
            raise OrderRefused(51000, "Parameter callbackRatio error")
        start = call.decimal("activePx")
        if ratio is not None:
            return [
                leg(
                    OrderKind.TRAILING_PERCENT,
                    trailing_percent=ratio * 100,
                    trigger_price=start,
                    client_order_id=client_id,
                )
            ]
        return [leg(OrderKind.TRAILING_AMOUNT, trailing_amount=spread, trigger_price=start, client_order_id=client_id)]
    if kind == "trigger":
        trigger, price = call.decimal("triggerPx"), _limit(call, "orderPx")
        if trigger is None:
            raise OrderRefused(51000, "Parameter triggerPx error")
        last = dialect.venue.engine.last(market.symbol) or trigger
        rises = trigger >= last  # a trigger waits on whichever side of the price it lies
        stops = rises is (side is Side.BUY)
        return [
            leg(
                exit_kind(stops, price),
                trigger_price=trigger,
                price=price,
                trigger_above=rises,
                client_order_id=client_id,
            )
        ]
    legs: list[NewOrder] = []
    for prefix, stops in (("tp", False), ("sl", True)):
        found = read_exit(call, prefix)
        if found is not None:
            link = client_id if not legs else None
            kind_of_leg = exit_kind(stops, found.price)
            legs.append(leg(kind_of_leg, trigger_price=found.trigger, price=found.price, client_order_id=link))
    if len(legs) != (2 if kind == "oco" else 1):
        raise OrderRefused(51000, "Parameter slTriggerPx error")
    return legs


def _limit(call: Call, name: str) -> Decimal | None:
    """'-1' asks for a market order."""
    price = call.decimal(name)
    if price is None:
        raise OrderRefused(51000, f"Parameter {name} error")
    return None if price == -1 else price


def cancel(dialect: OkxCore, call: Call) -> Any:
    return one_by_one(dialect, call, _cancel)


def _cancel(dialect: OkxCore, call: Call) -> dict[str, Any]:
    """Of an algo order that waits; the order that a fired one has made is cancelled as a plain one."""
    _, market = dialect.market_of(call)
    gone = (51400, "Cancellation failed as the order does not exist.")
    order = _find(dialect, call, market, gone)
    if any(leg.triggered for leg in dialect.legs_of(order)):
        raise OrderRefused(*gone)
    try:
        dialect.venue.engine.cancel(call.owner, symbol=market.symbol, order_id=order.order_id, now_ms=call.now_ms)
    except EngineReject:
        raise OrderRefused(*gone) from None
    return {"algoId": dialect.algo_id_of(order), "algoClOrdId": fmt.client_id(order)}


def _find(dialect: OkxCore, call: Call, market: Market | None, missing: tuple[int, str]) -> SimOrder:
    algo_id, link = call.text("algoId"), call.text("algoClOrdId")
    if algo_id is None and link is None:
        raise OrderRefused(51000, "Parameter algoId error")
    for order in dialect.algo_orders(call.owner, None if market is None else market.symbol):
        if algo_id == dialect.algo_id_of(order) or (algo_id is None and link == order.client_order_id):
            return order
    raise OrderRefused(*missing)


def query(dialect: OkxCore, call: Call) -> Any:
    try:
        return [dialect.algo_row(_find(dialect, call, None, NOT_FOUND))]
    except OrderRefused as refusal:
        raise error(refusal.code, refusal.message) from None


def pending(dialect: OkxCore, call: Call) -> Any:
    return _rows(dialect, call, ended=False)


def history(dialect: OkxCore, call: Call) -> Any:
    if call.text("state") is None and call.text("algoId") is None:
        raise parameter_error("state")
    return _rows(dialect, call, ended=True)


def _rows(dialect: OkxCore, call: Call, *, ended: bool) -> list[dict[str, Any]]:
    kinds = call.required("ordType").split(",")
    symbol = dialect.market_of(call)[1].symbol if call.text("instId") else None
    named = {name: call.text(name) for name in ("instType", "state", "algoId")}
    rows = [dialect.algo_row(order) for order in reversed(dialect.algo_orders(call.owner, symbol))]
    chosen = [
        row
        for row in rows
        if row["ordType"] in kinds
        and (row["state"] != "live") is ended
        and all(value in (None, row[name]) for name, value in named.items())
    ]
    return paged(chosen, call, lambda row: int(row["algoId"]))


ALGO_ROUTES: Mapping[str, Route] = {
    "POST /api/v5/trade/order-algo": Route(place, signed=True, is_order=True),
    "POST /api/v5/trade/cancel-algos": Route(cancel, signed=True, is_order=True),
    "GET /api/v5/trade/order-algo": Route(query, signed=True),
    "GET /api/v5/trade/orders-algo-pending": Route(pending, signed=True),
    "GET /api/v5/trade/orders-algo-history": Route(history, signed=True),
}
