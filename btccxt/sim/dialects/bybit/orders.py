"""Bybit v5's endpoints for orders and executions. Requests in, engine calls, answers out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from btccxt.matching.records import EngineReject, FundingPaid, NewOrder, RejectCode, SimFill, SimOrder
from btccxt.model import Market, OrderKind, Side, TimeInForce
from btccxt.sim.dialects.base import Route
from btccxt.sim.dialects.bybit import format as fmt
from btccxt.sim.dialects.bybit import order_format as order_fmt
from btccxt.sim.dialects.bybit.call import Call
from btccxt.sim.dialects.bybit.core import BybitCore
from btccxt.sim.dialects.bybit.errors import error, parameter_error, refused
from btccxt.sim.dialects.bybit.trading_stop import POSITION_SIDES, read_exits

_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
_VALIDITY = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "PostOnly": TimeInForce.GTC}
_WEEK_MS = 7 * 86_400_000
_NOT_FOUND = (RejectCode.UNKNOWN_ORDER, RejectCode.ALREADY_FINAL)


# ------------------------------------------------------------------ placing


def place(dialect: BybitCore, call: Call) -> Any:
    category, _, market = dialect.market_of(call)
    order = read_order(dialect, call, category, market)
    attached = read_exits(dialect, call, category, market, order)
    placed = dialect.submit(call.owner, order, call.now_ms, attached)
    return _reference(placed, category)


def read_order(dialect: BybitCore, call: Call, category: str, market: Market) -> NewOrder:
    """Raises DialectError."""
    side, kind = _SIDES.get(call.required("side")), call.required("orderType")
    if side is None:
        raise parameter_error("Side invalid")
    if kind not in ("Market", "Limit"):
        raise parameter_error("OrderType invalid")
    validity = call.text("timeInForce") or "GTC"
    if validity not in _VALIDITY:
        raise parameter_error("TimeInForce invalid")
    quantity, price, trigger = call.decimal("qty"), call.decimal("price"), call.decimal("triggerPrice")
    if quantity is None or quantity <= 0:
        raise parameter_error("Qty invalid")
    is_market = kind == "Market"
    if not is_market and price is None:
        raise parameter_error("price invalid")
    # A spot market buy counts in the quote coin unless it says otherwise.
    unit = call.text("marketUnit") or ("quoteCoin" if side is Side.BUY else "baseCoin")
    by_cost = category == "spot" and is_market and unit == "quoteCoin"
    above = None if trigger is None else _rises(dialect, call, category, market, trigger)
    return NewOrder(
        symbol=market.symbol,
        side=side,
        kind=_engine_kind(side, is_market, above),
        amount=None if by_cost else quantity,
        cost_quote=quantity if by_cost else None,
        price=None if is_market else price,
        trigger_price=trigger,
        trigger_above=above,
        time_in_force=TimeInForce.GTC if is_market else _VALIDITY[validity],
        post_only=validity == "PostOnly" and not is_market,
        reduce_only=category != "spot" and call.flag("reduceOnly"),
        position_side=POSITION_SIDES.get(call.text("positionIdx") or ""),
        client_order_id=call.text("orderLinkId"),
        label="" if trigger is None else "tpslOrder" if call.text("orderFilter") == "tpslOrder" else "Stop",
    )


def _engine_kind(side: Side, is_market: bool, above: bool | None) -> OrderKind:
    if above is None:
        return OrderKind.MARKET if is_market else OrderKind.LIMIT
    if above is (side is Side.BUY):
        return OrderKind.STOP if is_market else OrderKind.STOP_LIMIT
    return OrderKind.TAKE_PROFIT if is_market else OrderKind.TAKE_PROFIT_LIMIT


def _rises(dialect: BybitCore, call: Call, category: str, market: Market, trigger: Decimal) -> bool:
    """Does the trigger wait for a rise? Contracts say so; on spot it follows from where the price is now."""
    last = dialect.venue.engine.last(market.symbol) or trigger
    if category == "spot":
        return trigger >= last
    direction = call.text("triggerDirection")
    if direction == "1":
        if trigger <= last:
            raise error(
                110092, f"expect Rising, but trigger_price[{fmt.text(trigger)}] <= current[{fmt.text(last)}]??LastPrice"
            )
        return True
    if direction == "2":
        if trigger >= last:
            raise error(
                110093,
                f"expect Falling, but trigger_price[{fmt.text(trigger)}] >= current[{fmt.text(last)}]??LastPrice",
            )
        return False
    raise parameter_error("TriggerDirection invalid")


def _reference(order: SimOrder, category: str) -> dict[str, str]:
    link = "" if order.client_order_id == f"sim-{order.order_id}" else order.client_order_id
    return {"orderId": fmt.own_order_id(order.order_id, category), "orderLinkId": link}


# ------------------------------------------------------------------ changing


def _find(dialect: BybitCore, call: Call, category: str, market: Market) -> SimOrder:
    own_id, link = call.text("orderId"), call.text("orderLinkId")
    if own_id is None and link is None:
        raise parameter_error("orderId or orderLinkId is required")
    for order in dialect.orders(call.owner, market.symbol):
        if own_id == fmt.own_order_id(order.order_id, category) or (own_id is None and link == order.client_order_id):
            return order
    raise refused(EngineReject(RejectCode.UNKNOWN_ORDER, ""), category)


def amend(dialect: BybitCore, call: Call) -> Any:
    category, _, market = dialect.market_of(call)
    order = _find(dialect, call, category, market)
    price, amount = call.decimal("price"), call.decimal("qty")
    if price is None and amount is None:
        raise parameter_error("at least one of qty, price must be given")
    if call.decimal("triggerPrice") not in (None, order.trigger_price):
        raise parameter_error("the embedded exchange does not move triggers")
    if price in (None, order.request.price) and amount in (None, order.request.amount):
        raise error(10001, "The order remains unchanged as the parameters entered match the existing ones.")
    try:
        amended = dialect.venue.engine.amend(
            call.owner, symbol=market.symbol, order_id=order.order_id, price=price, amount=amount, now_ms=call.now_ms
        )
    except EngineReject as reject:
        raise refused(reject, category) from None
    return _reference(amended, category)


def cancel(dialect: BybitCore, call: Call) -> Any:
    """On spot, ``orderFilter`` says in which book to look; nothing said means plain orders."""
    category, _, market = dialect.market_of(call)
    order = _find(dialect, call, category, market)
    try:
        if category == "spot" and dialect.filter_of(order) != (call.text("orderFilter") or "Order"):
            raise EngineReject(RejectCode.UNKNOWN_ORDER, "")
        canceled = dialect.venue.engine.cancel(
            call.owner, symbol=market.symbol, order_id=order.order_id, now_ms=call.now_ms
        )
    except EngineReject as reject:
        raise refused(reject, category) from None
    return _reference(canceled, category)


def cancel_all(dialect: BybitCore, call: Call) -> Any:
    category = call.required("category")
    wanted = call.text("orderFilter")
    canceled = []
    for order in _chosen(dialect, call, category, open_only=True):
        if wanted not in (None, dialect.filter_of(order)):
            continue
        try:
            canceled.append(
                dialect.venue.engine.cancel(
                    call.owner, symbol=order.symbol, order_id=order.order_id, now_ms=call.now_ms
                )
            )
        except EngineReject as reject:
            if reject.code not in _NOT_FOUND:  # gone with another leg of its list
                raise refused(reject, category) from None
    return {"list": [_reference(order, category) for order in canceled], "success": "1"}


# ------------------------------------------------------------------ looking


def realtime(dialect: BybitCore, call: Call) -> Any:
    """Open orders; one that is asked for by id is found although it has ended. Newest first."""
    category = call.required("category")
    by_id = call.text("orderId") is not None or call.text("orderLinkId") is not None
    has_scope = by_id or any(call.text(name) is not None for name in ("symbol", "settleCoin", "baseCoin"))
    if category != "spot" and not has_scope:
        raise error(10001, "Missing some parameters that must be filled in, symbol or settleCoin or baseCoin")
    closed_too = by_id or call.text("openOnly") in ("1", "2")
    return _page(dialect, call, category, _chosen(dialect, call, category, open_only=not closed_too))


def history(dialect: BybitCore, call: Call) -> Any:
    category = call.required("category")
    since, until = _window(call)
    ended = (o for o in _chosen(dialect, call, category, open_only=False) if not o.is_open)
    return _page(dialect, call, category, (o for o in ended if since <= o.created_ms <= until))


def _chosen(dialect: BybitCore, call: Call, category: str, *, open_only: bool) -> Iterable[SimOrder]:
    symbol = dialect.market_of(call)[2].symbol if call.text("symbol") is not None else None
    own_id, link, settle = call.text("orderId"), call.text("orderLinkId"), call.text("settleCoin")
    kind = call.text("orderFilter")
    for order in dialect.orders(call.owner, symbol, open_only=open_only):
        market = dialect.venue.engine.markets[order.symbol]
        if (
            dialect.category_of(order.symbol) == category
            and own_id in (None, fmt.own_order_id(order.order_id, category))
            and link in (None, order.client_order_id)
            and settle in (None, market.settle)
            and kind in (None, dialect.filter_of(order))
        ):
            yield order


def _page(dialect: BybitCore, call: Call, category: str, orders: Iterable[SimOrder]) -> dict[str, Any]:
    newest_first = sorted(orders, key=lambda order: (order.created_ms, int(order.order_id)), reverse=True)
    limit, start = call.limit(20, 50), int(call.text("cursor") or 0)
    shown = newest_first[start : start + limit]
    cursor = str(start + limit) if len(newest_first) > start + limit else ""
    rows = [dialect.order_row(order) for order in shown]
    return {"category": category, "list": rows, "nextPageCursor": cursor}


def executions(dialect: BybitCore, call: Call) -> Any:
    """Trades and funding payments, newest first."""
    category = call.required("category")
    symbol = dialect.market_of(call)[2].symbol if call.text("symbol") is not None else None
    own_id, link = call.text("orderId"), call.text("orderLinkId")
    since, until = _window(call)
    engine, kind = dialect.venue.engine, call.text("execType")

    def order_of(fill: SimFill) -> SimOrder:
        return engine.order(call.owner, symbol=fill.symbol, order_id=fill.order_id)

    def row(found: SimFill | FundingPaid) -> dict[str, Any]:
        own_name, market = dialect.ids[found.symbol], engine.markets[found.symbol]
        if isinstance(found, FundingPaid):
            return order_fmt.funding(own_name, found, market)
        return {**order_fmt.execution(own_name, found, order_of(found), market), "feeCurrency": found.fee.currency}

    chosen: list[SimFill | FundingPaid] = [
        fill
        for fill in engine.fills(call.owner, symbol)
        if since <= fill.time_ms <= until
        and own_id in (None, fmt.own_order_id(fill.order_id, category))
        and link in (None, fill.client_order_id)
        and (kind is None or kind == order_fmt.execution_type(order_of(fill)))
    ]
    if own_id is None and link is None and kind in (None, order_fmt.FUNDING):
        chosen += [paid for paid in engine.fundings(call.owner, symbol) if since <= paid.time_ms <= until]
    chosen = [each for each in chosen if engine.markets[each.symbol].type.value == category]
    chosen.sort(key=lambda each: each.time_ms, reverse=True)
    limit, start = call.limit(50, 100), int(call.text("cursor") or 0)
    cursor = str(start + limit) if len(chosen) > start + limit else ""
    return {"category": category, "list": list(map(row, chosen[start : start + limit])), "nextPageCursor": cursor}


def _window(call: Call) -> tuple[int, int]:
    """One end given: seven days from or up to it; none: the last seven days."""
    since, until = call.integer("startTime"), call.integer("endTime")
    if since is not None and until is not None and until - since > _WEEK_MS:
        raise error(10001, "The time range between startTime and endTime cannot exceed 7 days")
    if since is not None:
        return since, since + _WEEK_MS if until is None else until
    end = call.now_ms if until is None else until
    return end - _WEEK_MS, end


ORDER_ROUTES: Mapping[str, Route] = {
    "POST /v5/order/create": Route(place, signed=True, is_order=True),
    "POST /v5/order/amend": Route(amend, signed=True, is_order=True),
    "POST /v5/order/cancel": Route(cancel, signed=True, is_order=True),
    "POST /v5/order/cancel-all": Route(cancel_all, signed=True, is_order=True),
    "GET /v5/order/realtime": Route(realtime, signed=True),
    "GET /v5/order/history": Route(history, signed=True),
    "GET /v5/execution/list": Route(executions, signed=True),
}
