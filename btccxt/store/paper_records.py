"""Records of the matching engine as every exchange tells them, and requests as the engine takes them."""

from __future__ import annotations

from decimal import Decimal

from btccxt.matching.engine import NewOrder, SimFill, SimOrder, SimStatus
from btccxt.matching.records import FundingPaid
from btccxt.model import Fill, FundingPayment, OrderRequest, OrderStatus, OrderUpdate, Origin

_STATUS = {
    SimStatus.NEW: OrderStatus.OPEN,
    SimStatus.TRIGGER_WAITING: OrderStatus.OPEN,
    SimStatus.PARTIALLY_FILLED: OrderStatus.OPEN,
    SimStatus.FILLED: OrderStatus.FILLED,
    SimStatus.CANCELED: OrderStatus.CANCELED,
    SimStatus.EXPIRED: OrderStatus.EXPIRED,
    SimStatus.REJECTED: OrderStatus.REJECTED,
}


def new_order(request: OrderRequest) -> NewOrder:
    return NewOrder(
        symbol=request.symbol,
        side=request.side,
        kind=request.kind,
        amount=None if request.cost_quote is not None else request.amount,
        price=request.price,
        trigger_price=request.trigger_price,
        cost_quote=request.cost_quote,
        time_in_force=request.time_in_force,
        post_only=request.post_only,
        reduce_only=request.reduce_only,
        iceberg_amount=request.iceberg_amount,
        client_order_id=request.client_order_id,
        trailing_percent=request.trailing_percent,
        trailing_amount=request.trailing_amount,
        expires_ms=request.expires_ms,
    )


def update_of(order: SimOrder, average: Decimal | None, origin: Origin, detail: str = "") -> OrderUpdate:
    request, status = order.request, _STATUS[order.status]
    return OrderUpdate(
        symbol=request.symbol,
        status=status,
        origin=origin,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        side=request.side,
        kind=request.kind,
        price=request.price,
        trigger_price=request.trigger_price,
        amount=request.amount,
        filled=order.filled,
        average=average,
        time_ms=order.updated_ms,
        raw_status=order.status.value,
        reject_reason=detail if status in (OrderStatus.REJECTED, OrderStatus.EXPIRED) and detail else None,
    )


def fill_of(fill: SimFill) -> Fill:
    return Fill(
        trade_id=str(fill.trade_id),
        symbol=fill.symbol,
        side=fill.side,
        price=fill.price,
        amount=fill.amount,
        time_ms=fill.time_ms,
        order_id=fill.order_id,
        client_order_id=fill.client_order_id,
        fee=fill.fee,
        maker=fill.maker,
    )


def funding_of(paid: FundingPaid, currency: str) -> FundingPayment:
    return FundingPayment(paid.symbol, currency, paid.received, paid.time_ms, f"funding-{paid.number}")
