"""Bybit v5's JSON for orders and executions, funding included, as pure functions: records in, dicts out.

Shapes: bybit-exchange.github.io/docs/v5 (order, websocket).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from btccxt.matching.records import LIQUIDATION, TRIGGER_KINDS, FundingPaid, SimFill, SimOrder, SimStatus
from btccxt.matching.triggers import fires_above
from btccxt.matching.values import average_price, value_of
from btccxt.model import ZERO, Market, Side, TimeInForce
from btccxt.sim.dialects.bybit.format import SMALLEST, own_order_id, side_name, text

FUNDING = "Funding"
_CREATE_TYPES = {
    "TakeProfit": "CreateByTakeProfit",
    "StopLoss": "CreateByStopLoss",
    "TrailingStop": "CreateByTrailingStop",
    "PartialTakeProfit": "CreateByPartialTakeProfit",
    "PartialStopLoss": "CreateByPartialStopLoss",
    LIQUIDATION: "CreateByLiq",
}


def order_status(order: SimOrder, category: str) -> str:
    if order.status in (SimStatus.TRIGGER_WAITING, SimStatus.PENDING):
        return "Untriggered"
    if order.status is SimStatus.REJECTED:
        return "Rejected"
    if order.status in (SimStatus.CANCELED, SimStatus.EXPIRED):
        if order.request.kind in TRIGGER_KINDS and not order.triggered:
            return "Deactivated"
        return "PartiallyFilledCanceled" if order.filled and category == "spot" else "Cancelled"
    return {SimStatus.NEW: "New", SimStatus.PARTIALLY_FILLED: "PartiallyFilled"}.get(order.status, "Filled")


def time_in_force(order: SimOrder) -> str:
    request = order.request
    if request.post_only:
        return "PostOnly"
    if request.price is None:
        return "IOC"
    return "GTC" if request.time_in_force is TimeInForce.GTD else request.time_in_force.value


def reject_reason(order: SimOrder, would_take: bool) -> str:
    if would_take:
        return "EC_PostOnlyWillTakeLiquidity"
    if order.status is SimStatus.EXPIRED:
        return "EC_NoImmediateQtyToFill"
    return "EC_PerCancelRequest" if order.status is SimStatus.CANCELED else "EC_NoError"


def order(
    own_id: str,
    order: SimOrder,
    market: Market,
    *,
    fees: Mapping[str, Decimal],
    exits: tuple[Decimal | None, Decimal | None] = (None, None),
    tpsl_mode: str = "",
    status: str | None = None,
    would_take: bool = False,
) -> dict[str, Any]:
    """``exits``: take-profit and stop-loss that came with it. ``status`` overrides the order's own ('Triggered')."""
    request, category = order.request, market.type.value
    left = ZERO if not order.is_open or order.remaining is None else order.remaining
    is_trigger = request.kind in TRIGGER_KINDS
    canceled_by_user = order.status is SimStatus.CANCELED and not would_take
    return {
        "orderId": own_order_id(order.order_id, category),
        "orderLinkId": link(order),
        "blockTradeId": "",
        "symbol": own_id,
        "price": text(request.price or ZERO),
        "qty": text(request.amount or request.cost_quote or ZERO),
        "marketUnit": "" if category != "spot" or request.price else "baseCoin" if request.amount else "quoteCoin",
        "side": side_name(order.side),
        "isLeverage": "0" if category == "spot" else "",
        "positionIdx": {"long": 1, "short": 2}.get(request.position_side or "", 0),
        "orderStatus": status or order_status(order, category),
        "cancelType": "CancelByUser" if canceled_by_user else "UNKNOWN",
        "rejectReason": reject_reason(order, would_take),
        "avgPrice": text(average(order, market)) if order.filled else "",
        "leavesQty": text(left),
        "leavesValue": text(left * (request.price or ZERO)),
        "cumExecQty": text(order.filled),
        "cumExecValue": text(order.cost_quote),
        "cumExecFee": text(sum(fees.values(), ZERO)),
        "cumFeeDetail": {coin: text(fee) for coin, fee in fees.items()},
        "timeInForce": time_in_force(order),
        "orderType": "Limit" if request.price else "Market",
        "stopOrderType": "" if request.label == LIQUIDATION else request.label,
        "orderIv": "",
        "triggerPrice": text(order.trigger_price or request.trigger_price) or "0",
        "triggerDirection": (1 if fires_above(request) else 2) if is_trigger and category != "spot" else 0,
        "triggerBy": "LastPrice" if is_trigger else "",
        "takeProfit": text(exits[0]),
        "stopLoss": text(exits[1]),
        "tpTriggerBy": "LastPrice" if exits[0] else "",
        "slTriggerBy": "LastPrice" if exits[1] else "",
        "tpLimitPrice": "0",
        "slLimitPrice": "0",
        "lastPriceOnCreated": "",
        "reduceOnly": request.reduce_only,
        "closeOnTrigger": request.closes_position,
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "tpslMode": tpsl_mode,
        "ocoTriggerBy": "OcoTriggerByUnknown" if order.list_id is not None and is_trigger else "",
        "placeType": "",
        "createType": _CREATE_TYPES.get(request.label, "CreateByUser"),
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def link(order: SimOrder) -> str:
    """What the client calls it; nothing where it gave no name."""
    made_here = order.request.label == LIQUIDATION or order.client_order_id == f"sim-{order.order_id}"
    return "" if made_here else order.client_order_id


def average(order: SimOrder, market: Market) -> Decimal:
    return average_price(market, order.filled, order.cost_quote).quantize(SMALLEST)


def execution_type(order: SimOrder) -> str:
    return "BustTrade" if order.request.label == LIQUIDATION else "Trade"


def execution(own_id: str, fill: SimFill, order: SimOrder, market: Market) -> dict[str, Any]:
    category, value = market.type.value, value_of(market, fill.amount, fill.price)
    left = order.remaining or ZERO
    return {
        "category": category,
        "symbol": own_id,
        "execId": str(fill.trade_id) if category == "spot" else str(uuid.UUID(int=fill.trade_id)),
        "orderId": own_order_id(fill.order_id, category),
        "orderLinkId": link(order),
        "side": side_name(fill.side),
        "orderPrice": text(order.request.price or ZERO),
        "orderQty": text(order.request.amount or order.filled),
        "leavesQty": text(left),
        "orderType": "Limit" if order.request.price else "Market",
        "stopOrderType": "UNKNOWN" if order.request.label in ("", LIQUIDATION) else order.request.label,
        "execFee": text(fill.fee.cost),
        "feeRate": text((fill.fee.cost / value).quantize(SMALLEST) if value else ZERO),
        "execPrice": text(fill.price),
        "execQty": text(fill.amount),
        "execType": execution_type(order),
        "execValue": text(value.quantize(SMALLEST)),
        "execTime": str(fill.time_ms),
        "isMaker": fill.maker,
        "markPrice": text(fill.price),
        "closedSize": text(fill.amount if _closes(fill) else ZERO),
        "execPnl": text(fill.realized_pnl),
        "isLeverage": "0",
        "createType": _CREATE_TYPES.get(order.request.label, "CreateByUser"),
        "seq": fill.trade_id,
    }


def _closes(fill: SimFill) -> bool:
    """In hedge mode, where a fill is of one side of the position and either opens or closes it."""
    return fill.position_side is not None and (fill.side is Side.BUY) == (fill.position_side == "short")


def funding(own_id: str, paid: FundingPaid, market: Market) -> dict[str, Any]:
    """A funding payment is an execution of type Funding; a fee above zero was paid."""
    category, value = market.type.value, value_of(market, abs(paid.amount), paid.mark).quantize(SMALLEST)
    return {
        "category": category,
        "symbol": own_id,
        "execId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"funding {paid.number}")),
        "orderId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"funding order {paid.number}")),
        "orderLinkId": "",
        "side": "Buy" if paid.amount > 0 else "Sell",
        "orderPrice": "0",
        "orderQty": "0",
        "leavesQty": "0",
        "orderType": "UNKNOWN",
        "stopOrderType": "UNKNOWN",
        "execFee": text(-paid.received),
        "feeCurrency": "",
        "feeRate": text(paid.rate if paid.amount > 0 else -paid.rate),
        "execPrice": text(paid.mark),
        "execQty": text(abs(paid.amount)),
        "execType": FUNDING,
        "execValue": text(value),
        "execTime": str(paid.time_ms),
        "isMaker": False,
        "markPrice": text(paid.mark),
        "closedSize": "0",
        "execPnl": "0",
        "isLeverage": "0",
        "createType": "",
        "seq": paid.number,
    }
