"""Coinbase Advanced's private endpoints: orders, fills, accounts. Requests in, engine calls, answers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from btccxt.matching.records import EngineReject, NewOrder, SimOrder
from btccxt.model import Market, OrderKind, Side, TimeInForce
from btccxt.sim.dialects.base import DialectError, Route
from btccxt.sim.dialects.coinbase import format as fmt
from btccxt.sim.dialects.coinbase.call import Call, positive, read_time_ms
from btccxt.sim.dialects.coinbase.core import CoinbaseCore
from btccxt.sim.dialects.coinbase.errors import argument_error, configuration_error, error, refusal

_IMMEDIATE = {"sor_limit_ioc": TimeInForce.IOC, "limit_limit_fok": TimeInForce.FOK}
_DIRECTIONS = {"STOP_DIRECTION_STOP_UP": True, "STOP_DIRECTION_STOP_DOWN": False}


class _Unsupported(Exception):
    """An order configuration that cannot be meant."""


# ------------------------------------------------------------------ placing


def create(dialect: CoinbaseCore, call: Call) -> Any:
    """A refused order is answered with success false, under HTTP 200."""
    client_id = call.required("client_order_id")
    own_id, market = dialect.product_of(call.required("product_id"))
    given: Any = call.params.get("order_configuration")
    try:
        order = _read_order(call, market, given, client_id)
        placed = dialect.submit(call.owner, order, call.now_ms)
    except _Unsupported as unsupported:
        return _refused(configuration_error(str(unsupported)), given)
    except EngineReject as reject:
        stop = order.trigger_price
        last = dialect.venue.engine.last(market.symbol)
        return _refused(refusal(reject, stop_above=stop is not None and last is not None and stop > last), given)
    order_id = fmt.own_order_id(placed.order_id)
    return {
        "success": True,
        "failure_reason": "UNKNOWN_FAILURE_REASON",
        "order_id": order_id,
        "success_response": {
            "order_id": order_id,
            "product_id": own_id,
            "side": placed.side.name,
            "client_order_id": client_id,
        },
        "order_configuration": given,
    }


def _refused(response: Mapping[str, str], given: Any) -> dict[str, Any]:
    return {
        "success": False,
        "failure_reason": "UNKNOWN_FAILURE_REASON",
        "order_id": "",
        "error_response": response,
        "order_configuration": given,
    }


def _read_order(call: Call, market: Market, given: Any, client_id: str) -> NewOrder:
    if not isinstance(given, dict) or len(given) != 1:
        raise _Unsupported("one order_configuration is required")
    side = Side.__members__.get(call.required("side"))
    if side is None:
        raise argument_error("side is invalid")
    ((name, fields),) = given.items()
    amount, cost = positive(fields.get("base_size"), "base_size"), positive(fields.get("quote_size"), "quote_size")
    if name == "market_market_ioc":
        if (amount is None) == (cost is None):
            raise _Unsupported("base_size or quote_size is required")
        return NewOrder(market.symbol, side, OrderKind.MARKET, amount, cost_quote=cost, client_order_id=client_id)
    price = positive(fields.get("limit_price"), "limit_price")
    if amount is None or price is None:
        raise _Unsupported("base_size and limit_price are required")
    order = NewOrder(market.symbol, side, OrderKind.LIMIT, amount, price, client_order_id=client_id)
    if name in _IMMEDIATE:
        return replace(order, time_in_force=_IMMEDIATE[name])
    if name.endswith("_gtd"):
        until_ms = read_time_ms(str(fields.get("end_time")))
        order = replace(order, time_in_force=TimeInForce.GTD, expires_ms=until_ms)
    if name in ("limit_limit_gtc", "limit_limit_gtd"):
        return replace(order, post_only=bool(fields.get("post_only")))
    if name in ("stop_limit_stop_limit_gtc", "stop_limit_stop_limit_gtd"):
        trigger = positive(fields.get("stop_price"), "stop_price")
        above = _DIRECTIONS.get(str(fields.get("stop_direction")))
        if trigger is None or above is None:
            raise _Unsupported("stop_price and stop_direction are required")
        kind = OrderKind.STOP_LIMIT if above is (side is Side.BUY) else OrderKind.TAKE_PROFIT_LIMIT
        return replace(order, kind=kind, trigger_price=trigger, trigger_above=above)
    raise _Unsupported(f"{name} is not supported")


# ------------------------------------------------------------------ changing


def cancel(dialect: CoinbaseCore, call: Call) -> Any:
    """Each of ``order_ids`` by itself."""
    wanted: Any = call.params.get("order_ids")
    if not isinstance(wanted, list) or not wanted:
        raise argument_error("order_ids is required")
    return {"results": [_cancel(dialect, call, str(own_id)) for own_id in wanted]}


def _cancel(dialect: CoinbaseCore, call: Call, own_id: str) -> dict[str, Any]:
    order = dialect.find(call.owner, own_id)
    reason = "UNKNOWN_CANCEL_ORDER"
    if order is not None:
        try:
            dialect.venue.engine.cancel(call.owner, symbol=order.symbol, order_id=order.order_id, now_ms=call.now_ms)
        except EngineReject:  # it has ended
            reason = "DUPLICATE_CANCEL_REQUEST" if fmt.status(order) == "CANCELLED" else "UNKNOWN_CANCEL_ORDER"
        else:
            return {"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": own_id}
    return {"success": False, "failure_reason": reason, "order_id": own_id}


def edit(dialect: CoinbaseCore, call: Call) -> Any:
    """Price and size of a resting limit order; a refusal is an answer without success."""
    order = dialect.find(call.owner, call.required("order_id"))
    if order is None:
        return _not_edited("ORDER_NOT_FOUND")
    if fmt.order_type(order.request) != "LIMIT" or fmt.time_in_force(order.request) != "GOOD_UNTIL_CANCELLED":
        return _not_edited("ONLY_LIMIT_ORDER_EDITS_SUPPORTED")
    price, size = call.positive("price"), call.positive("size")
    try:
        dialect.venue.engine.amend(
            call.owner, symbol=order.symbol, order_id=order.order_id, price=price, amount=size, now_ms=call.now_ms
        )
    except EngineReject as reject:
        return _not_edited("CANNOT_EDIT_ORDER", refusal(reject, stop_above=False)["preview_failure_reason"])
    return {"success": True, "errors": []}


def _not_edited(reason: str, preview: str = "UNKNOWN_PREVIEW_FAILURE_REASON") -> dict[str, Any]:
    return {"success": False, "errors": [{"edit_failure_reason": reason, "preview_failure_reason": preview}]}


# ------------------------------------------------------------------ looking


def query(dialect: CoinbaseCore, call: Call) -> Any:
    order = dialect.find(call.owner, call.named)
    if order is None:
        raise unknown_order()
    return {"order": dialect.order_row(order)}


def unknown_order() -> DialectError:
    return error("unknown", "order with this orderID was not found", 404)


def batch(dialect: CoinbaseCore, call: Call) -> Any:
    """Newest first; the cursor is where the next page begins."""
    since, until = call.time_ms("start_date"), call.time_ms("end_date")
    wanted = call.text("order_status")
    product = call.text("product_id") or call.text("product_ids")

    def chosen(order: SimOrder) -> bool:
        return (
            wanted in (None, fmt.status(order))
            and product in (None, dialect.ids[order.symbol])
            and (since is None or order.created_ms >= since)
            and (until is None or order.created_ms < until)
        )

    found = [order for order in reversed(dialect.orders(call.owner)) if chosen(order)]
    page, cursor = _page(call, found, 1000)
    rows = [dialect.order_row(order) for order in page]
    return {"orders": rows, "sequence": "0", "has_next": bool(cursor), "cursor": cursor}


def fills(dialect: CoinbaseCore, call: Call) -> Any:
    since, until = call.time_ms("start_sequence_timestamp"), call.time_ms("end_sequence_timestamp")
    product = call.text("product_id") or call.text("product_ids")
    order_id = call.text("order_id") or call.text("order_ids")
    found = [
        fill
        for fill in dialect.fills(call.owner)
        if product in (None, dialect.ids[fill.symbol])
        and order_id in (None, fmt.own_order_id(fill.order_id))
        and (since is None or fill.time_ms >= since)
        and (until is None or fill.time_ms < until)
    ]
    page, cursor = _page(call, found, 100)
    return {"fills": [fmt.fill(dialect.ids[fill.symbol], fill) for fill in page], "cursor": cursor}


def _page(call: Call, found: list[Any], usual: int) -> tuple[list[Any], str]:
    start, limit = int(call.text("cursor") or 0), call.integer("limit") or usual
    return found[start : start + limit], str(start + limit) if len(found) > start + limit else ""


def accounts(dialect: CoinbaseCore, call: Call) -> Any:
    rows = [fmt.account(balance) for balance in dialect.venue.engine.balances(call.owner).values()]
    return {"accounts": rows, "has_next": False, "cursor": "", "size": len(rows)}


def old_accounts(dialect: CoinbaseCore, call: Call) -> Any:
    rows = [fmt.old_account(balance) for balance in dialect.venue.engine.balances(call.owner).values()]
    return {"pagination": {"next_uri": None, "next_starting_after": None}, "data": rows}


def transaction_summary(dialect: CoinbaseCore, call: Call) -> Any:
    markets = list(dialect.markets.values())
    maker, taker = (max((rate(market) for market in markets), default=0) for rate in _RATES)
    tier = {"pricing_tier": "Sim", "taker_fee_rate": fmt.text(taker), "maker_fee_rate": fmt.text(maker)}
    return {"total_volume": 0, "total_fees": 0, "fee_tier": tier, "margin_rate": None, "total_balance": ""}


_RATES: tuple[Callable[[Market], Any], ...] = (lambda market: market.maker_rate, lambda market: market.taker_rate)


ORDER_ROUTES: Mapping[str, Route] = {
    "POST /api/v3/brokerage/orders": Route(create, signed=True, is_order=True),
    "POST /api/v3/brokerage/orders/batch_cancel": Route(cancel, signed=True),
    "POST /api/v3/brokerage/orders/edit": Route(edit, signed=True, is_order=True),
    "GET /api/v3/brokerage/orders/historical/batch": Route(batch, signed=True),
    "GET /api/v3/brokerage/orders/historical/fills": Route(fills, signed=True),
    "GET /api/v3/brokerage/orders/historical/*": Route(query, signed=True),
    "GET /api/v3/brokerage/accounts": Route(accounts, signed=True),
    "GET /v2/accounts": Route(old_accounts, signed=True),
    "GET /api/v3/brokerage/transaction_summary": Route(transaction_summary, signed=True),
}
