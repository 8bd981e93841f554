"""Asking the exchange what became of one order."""

from __future__ import annotations

from dataclasses import replace

from btccxt.errors import OrderNotFound, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import OrderStatus, OrderUpdate, Origin
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.policy import TrackerPolicy


async def find_order(exchange: ExchangeAPI, order: LiveOrder, policy: TrackerPolicy) -> OrderUpdate:
    """What the exchange says of ``order`` now.

    Raises OrderNotFound only after explicit answers: from the exchange itself, or from its complete lists where it
    cannot be asked for a client order id. Every other error passes through and proves nothing.
    """
    if order.order_id is not None or policy.query_by_client_id:
        try:
            return await _fetch(exchange, order)
        except Unsupported:
            pass  # not by this id; the lists remain
    return await _search_lists(exchange, order, policy)


async def _fetch(exchange: ExchangeAPI, order: LiveOrder) -> OrderUpdate:
    reference = order.reference
    try:
        return await exchange.fetch_order(reference)
    except OrderNotFound:
        if not reference.conditional:
            raise
        # A trigger that fired may have left the book of triggers; its child often keeps the client order id.
        return await exchange.fetch_order(replace(reference, conditional=False))


async def _search_lists(exchange: ExchangeAPI, order: LiveOrder, policy: TrackerPolicy) -> OrderUpdate:
    since_ms = (order.sent_ms or order.created_ms) - policy.fills_overlap_ms
    # Open first, closed second: an order that closes in between is in the second list. Then trades, which some
    # exchanges show before they show the order.
    for update in await exchange.fetch_open_orders(order.symbol):
        if _is(order, update.client_order_id, update.order_id):
            return update
    try:
        closed = await exchange.fetch_closed_orders(order.symbol, since_ms)
    except Unsupported:
        closed = []
    for update in closed:
        if _is(order, update.client_order_id, update.order_id):
            return update
    fills = tuple(
        replace(fill, client_order_id=order.client_order_id)
        for fill in await exchange.fetch_my_trades(order.symbol, since_ms)
        if _is(order, fill.client_order_id, fill.order_id)
    )
    if fills:
        return OrderUpdate(
            symbol=order.symbol,
            status=OrderStatus.UNKNOWN,
            origin=Origin.QUERY,
            order_id=fills[0].order_id,
            client_order_id=order.client_order_id,
            fills=fills,
        )
    raise OrderNotFound(f"{order.client_order_id} is in none of the exchange's lists for {order.symbol}")


def _is(order: LiveOrder, client_order_id: str | None, order_id: str | None) -> bool:
    return client_order_id == order.client_order_id or (order_id is not None and order_id == order.order_id)
