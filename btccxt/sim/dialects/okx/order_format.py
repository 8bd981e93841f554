"""OKX v5's JSON for orders, fills and algo orders, as pure functions: records in, dicts out.

Shapes: www.okx.com/docs-v5 (trade, algo trading).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from btccxt.matching.records import LIQUIDATION, TRIGGER_KINDS, SimFill, SimOrder, SimStatus
from btccxt.matching.values import average_price
from btccxt.model import ZERO, Market, OrderKind, TimeInForce
from btccxt.sim.dialects.attached_exits import Exits
from btccxt.sim.dialects.okx.format import SMALLEST, client_id, instrument_type, own_algo_id, own_order_id, text

_ATTACHED_IDS = 10**16  # of exits that have not become algo orders


def order_state(order: SimOrder) -> str:
    if order.status is SimStatus.FILLED:
        return "filled"
    if not order.is_open:
        return "canceled"
    return "partially_filled" if order.filled else "live"


def order_type(order: SimOrder) -> str:
    request = order.request
    if request.price is None:
        return "market"
    if request.post_only:
        return "post_only"
    return {TimeInForce.IOC: "ioc", TimeInForce.FOK: "fok"}.get(request.time_in_force, "limit")


def cancel_source(order: SimOrder, would_take: bool) -> tuple[str, str]:
    if would_take:
        return "31", "The post-only order would take liquidity in the market."
    if order.status is SimStatus.CANCELED:
        return "1", "Order canceled by user"
    if order.status is SimStatus.EXPIRED:
        if order.request.time_in_force is TimeInForce.FOK:
            return "13", "FOK order was canceled due to incompletely filled."
        return "14", "IOC order was partially canceled due to incompletely filled."
    return "", ""


def order(
    own_id: str,
    order: SimOrder,
    market: Market,
    *,
    fees: Mapping[str, Decimal],
    leverage: str,
    would_take: bool = False,
) -> dict[str, Any]:
    """A plain order, or the one that a fired algo order has made; the dialect adds how they are connected."""
    request, is_child = order.request, order.request.kind in TRIGGER_KINDS
    source, why = cancel_source(order, would_take)
    fee_coin, fee = next(iter(fees.items()), (market.settle or market.quote, ZERO))
    by_cost = request.amount is None
    return {
        "instType": instrument_type(market),
        "instId": own_id,
        "ccy": "",
        "ordId": own_order_id(order.order_id),
        "clOrdId": "" if is_child or request.label == LIQUIDATION else client_id(order),
        "algoId": "",
        "algoClOrdId": "",
        "attachAlgoClOrdId": "",
        "attachAlgoOrds": [],
        "linkedAlgoOrd": {"algoId": ""},
        "tag": "",
        "px": text(request.price),
        "sz": text(request.cost_quote if by_cost else request.amount),
        "tgtCcy": "" if market.is_contract or request.price else "quote_ccy" if by_cost else "base_ccy",
        "ordType": order_type(order),
        "side": order.side.value,
        "posSide": request.position_side or "net",
        "tdMode": "cross" if market.is_contract else "cash",
        "accFillSz": text(order.filled),
        "fillPx": "",
        "fillSz": "0",
        "fillTime": "",
        "tradeId": "",
        "avgPx": text(average(order, market)) if order.filled else "",
        "state": order_state(order),
        "lever": leverage if market.is_contract else "",
        "feeCcy": fee_coin,
        "fee": text(-fee),
        "rebateCcy": market.quote,
        "rebate": "0",
        "pnl": "0",
        "source": "6" if is_child else "",
        "category": "full_liquidation" if request.label == LIQUIDATION else "normal",
        "reduceOnly": str(request.reduce_only).lower(),
        "cancelSource": source,
        "cancelSourceReason": why,
        "quickMgnType": "",
        "stpId": "",
        "stpMode": "cancel_maker",
        "slTriggerPx": "",
        "slOrdPx": "",
        "tpTriggerPx": "",
        "tpOrdPx": "",
        "cTime": str(order.created_ms),
        "uTime": str(order.updated_ms),
    }


def average(order: SimOrder, market: Market) -> Decimal:
    return average_price(market, order.filled, order.cost_quote).quantize(SMALLEST)


def fill_fields(fill: SimFill) -> dict[str, Any]:
    """What a fill adds to the order's push. A fee that is paid is negative."""
    return {
        "fillPx": text(fill.price),
        "fillSz": text(fill.amount),
        "fillTime": str(fill.time_ms),
        "fillFee": text(-fill.fee.cost),
        "fillFeeCcy": fill.fee.currency,
        "fillPnl": text(fill.realized_pnl),
        "execType": "M" if fill.maker else "T",
        "tradeId": str(fill.trade_id),
    }


def my_fill(own_id: str, fill: SimFill, order: SimOrder, market: Market) -> dict[str, Any]:
    return {
        "instType": instrument_type(market),
        "instId": own_id,
        "tradeId": str(fill.trade_id),
        "ordId": own_order_id(fill.order_id),
        "clOrdId": "" if order.request.kind in TRIGGER_KINDS or order.request.label else client_id(order),
        "billId": str(fill.trade_id),
        "tag": "",
        "fillPx": text(fill.price),
        "fillSz": text(fill.amount),
        "fillPnl": text(fill.realized_pnl),
        "side": fill.side.value,
        "posSide": fill.position_side or "net",
        "execType": "M" if fill.maker else "T",
        "feeCcy": fill.fee.currency,
        "fee": text(-fill.fee.cost),
        "ts": str(fill.time_ms),
        "fillTime": str(fill.time_ms),
    }


# ------------------------------------------------------------------ algo orders


def attached(order_id: str, exits: Exits) -> dict[str, Any]:
    """How an order shows the exits that it came with; the algo order they become has an id of its own."""
    take_profit, stop_loss = exits.take_profit, exits.stop_loss
    at_limit = take_profit is not None and take_profit.at_limit
    return {
        "attachAlgoId": own_algo_id(str(_ATTACHED_IDS + int(order_id))),
        "attachAlgoClOrdId": exits.client_order_id or "",
        "tpOrdKind": "limit" if at_limit else "condition",
        "tpTriggerPx": text(take_profit.trigger) if take_profit and not at_limit else "",
        "tpTriggerPxType": "last" if take_profit else "",
        "tpOrdPx": (text(take_profit.price) or "-1") if take_profit else "",
        "slTriggerPx": text(stop_loss.trigger) if stop_loss else "",
        "slTriggerPxType": "last" if stop_loss else "",
        "slOrdPx": (text(stop_loss.price) or "-1") if stop_loss else "",
        "sz": "",
        "amendPxOnTriggerType": "0",
        "failCode": "",
        "failReason": "",
    }


def algo_state(legs: Sequence[SimOrder]) -> str:
    if any(leg.triggered for leg in legs):
        return "effective"
    return "live" if any(leg.is_open for leg in legs) else "canceled"


def algo_order(own_id: str, legs: Sequence[SimOrder], market: Market, algo_type: str, leverage: str) -> dict[str, Any]:
    """``legs``: two for an OCO pair; the row is named after the first."""
    first = legs[0]
    fired = next((leg for leg in legs if leg.triggered), None)
    request, is_trigger = first.request, algo_type == "trigger"
    child = own_order_id(fired.order_id) if fired is not None else ""
    row = {
        "instType": instrument_type(market),
        "instId": own_id,
        "ccy": "",
        "algoId": own_algo_id(first.order_id),
        "algoClOrdId": client_id(first),
        "clOrdId": "",
        "ordId": child,
        "ordIdList": [child] if child else [],
        "linkedOrd": {"ordId": own_order_id(request.parent_id) if request.parent_id is not None else ""},
        "sz": text(request.amount),
        "closeFraction": "",
        "ordType": algo_type,
        "side": first.side.value,
        "posSide": request.position_side or "net",
        "tdMode": "cross" if market.is_contract else "cash",
        "tgtCcy": "" if market.is_contract else "base_ccy",
        "state": algo_state(legs),
        "lever": leverage if market.is_contract else "",
        "triggerPx": _trigger_text(first) if is_trigger else "",
        "triggerPxType": "last" if is_trigger else "",
        "ordPx": _limit_text(first) if is_trigger else "",
        "slTriggerPx": "",
        "slTriggerPxType": "",
        "slOrdPx": "",
        "tpTriggerPx": "",
        "tpTriggerPxType": "",
        "tpOrdPx": "",
        "callbackRatio": text(request.trailing_percent / 100) if request.trailing_percent is not None else "",
        "callbackSpread": text(request.trailing_amount),
        "activePx": text(request.trigger_price) if algo_type == "move_order_stop" else "",
        "moveTriggerPx": _trigger_text(first) if algo_type == "move_order_stop" else "",
        "actualSz": text(fired.filled) if fired is not None else "",
        "actualPx": text(average(fired, market)) if fired is not None and fired.filled else "",
        "actualSide": "",
        "triggerTime": str(fired.updated_ms) if fired is not None else "",
        "reduceOnly": str(request.reduce_only).lower(),
        "failCode": "0",
        "tag": "",
        "cTime": str(first.created_ms),
        "uTime": str(max(leg.updated_ms for leg in legs)),
    }
    if algo_type in ("conditional", "oco"):
        for leg in legs:
            prefix = _exit_prefix(leg)
            row[f"{prefix}TriggerPx"], row[f"{prefix}TriggerPxType"] = _trigger_text(leg), "last"
            row[f"{prefix}OrdPx"] = _limit_text(leg)
        row["actualSide"] = _exit_prefix(fired) if fired is not None else ""
    return row


def _exit_prefix(order: SimOrder) -> str:
    return "sl" if order.request.kind in (OrderKind.STOP, OrderKind.STOP_LIMIT) else "tp"


def _trigger_text(order: SimOrder) -> str:
    return text(order.trigger_price or order.request.trigger_price)


def _limit_text(order: SimOrder) -> str:
    return text(order.request.price) or "-1"
