"""Binance spot's JSON for orders, fills and accounts, as pure functions: engine records in, dicts out.

Shapes: binance-spot-api-docs, rest-api.md and user-data-stream.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from btccxt.matching.records import TRIGGER_KINDS, Deposited, RejectCode, SimFill, SimOrder, SimStatus
from btccxt.model import ZERO, Balance, OrderKind, Side
from btccxt.sim.dialects.binance.format import NOTHING, text

_STATUS = {
    SimStatus.NEW: "NEW",
    SimStatus.TRIGGER_WAITING: "NEW",
    SimStatus.PENDING: "PENDING_NEW",
    SimStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    SimStatus.FILLED: "FILLED",
    SimStatus.CANCELED: "CANCELED",
    SimStatus.EXPIRED: "EXPIRED",
    SimStatus.REJECTED: "REJECTED",
}
_TYPES = {
    OrderKind.MARKET: "MARKET",
    OrderKind.LIMIT: "LIMIT",
    OrderKind.STOP: "STOP_LOSS",
    OrderKind.STOP_LIMIT: "STOP_LOSS_LIMIT",
    OrderKind.TAKE_PROFIT: "TAKE_PROFIT",
    OrderKind.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
}
_REJECT_REASONS = {
    RejectCode.INSUFFICIENT_FUNDS: "INSUFFICIENT_BALANCES",
    RejectCode.WOULD_TAKE: "WOULD_MATCH_IMMEDIATELY",
    RejectCode.WOULD_TRIGGER: "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
}


def order_type(order: SimOrder) -> str:
    request = order.request
    if request.kind is OrderKind.LIMIT and request.post_only:
        return "LIMIT_MAKER"
    if request.kind in _TYPES:
        return _TYPES[request.kind]
    return "STOP_LOSS" if request.price is None else "STOP_LOSS_LIMIT"  # trailing


def order_status(order: SimOrder) -> str:
    return _STATUS[order.status]


def is_working(order: SimOrder) -> bool:
    if order.status is SimStatus.PENDING:
        return False
    return order.triggered or order.request.kind not in TRIGGER_KINDS


def _amount(order: SimOrder) -> Decimal:
    """A market order by cost has no amount of its own: what it got is its amount."""
    return order.filled if order.request.amount is None else order.request.amount


def _common(own_id: str, order: SimOrder, list_number: int) -> dict[str, Any]:
    return {
        "symbol": own_id,
        "orderId": int(order.order_id),
        "orderListId": list_number,
        "clientOrderId": order.client_order_id,
        "price": text(order.request.price),
        "origQty": text(_amount(order)),
        "executedQty": text(order.filled),
        "origQuoteOrderQty": text(order.request.cost_quote),
        "cummulativeQuoteQty": text(order.cost_quote),
        "status": order_status(order),
        "timeInForce": order.request.time_in_force.value,
        "type": order_type(order),
        "side": order.side.name,
    }


def _conditions(order: SimOrder) -> dict[str, Any]:
    """Fields that appear only where they mean something."""
    request = order.request
    fields: dict[str, Any] = {}
    trigger = order.trigger_price or request.trigger_price
    if trigger is not None:
        fields["stopPrice"] = text(trigger)
    if request.iceberg_amount is not None:
        fields["icebergQty"] = text(request.iceberg_amount)
    if request.trailing_percent is not None:
        fields["trailingDelta"] = int(request.trailing_percent * 100)
    return fields


def order_state(own_id: str, order: SimOrder, list_number: int) -> dict[str, Any]:
    """GET order, openOrders, allOrders."""
    working = is_working(order)
    return {
        **_common(own_id, order, list_number),
        "stopPrice": NOTHING,
        "icebergQty": NOTHING,
        **_conditions(order),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": working,
        "workingTime": order.created_ms if working else -1,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def order_placed(
    own_id: str, order: SimOrder, list_number: int, fills: Sequence[SimFill], response_type: str
) -> dict[str, Any]:
    """POST order: ``response_type`` is ACK, RESULT or FULL."""
    common = _common(own_id, order, list_number)
    if response_type == "ACK":
        kept = ("symbol", "orderId", "orderListId", "clientOrderId")
        return {**{name: common[name] for name in kept}, "transactTime": order.created_ms}
    answer = {
        **common,
        "transactTime": order.created_ms,
        **_conditions(order),
        "workingTime": order.created_ms if is_working(order) else -1,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
    if response_type == "FULL":
        answer["fills"] = [
            {
                "price": text(fill.price),
                "qty": text(fill.amount),
                "commission": text(fill.fee.cost),
                "commissionAsset": fill.fee.currency,
                "tradeId": fill.trade_id,
            }
            for fill in fills
        ]
    return answer


def order_canceled(own_id: str, order: SimOrder, list_number: int, cancel_id: str) -> dict[str, Any]:
    """DELETE order: ``clientOrderId`` is the cancel's own id."""
    return {
        **_common(own_id, order, list_number),
        "origClientOrderId": order.client_order_id,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
        **_conditions(order),
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def my_trade(own_id: str, fill: SimFill, list_number: int) -> dict[str, Any]:
    return {
        "symbol": own_id,
        "id": fill.trade_id,
        "orderId": int(fill.order_id),
        "orderListId": list_number,
        "price": text(fill.price),
        "qty": text(fill.amount),
        "quoteQty": text(fill.price * fill.amount),
        "commission": text(fill.fee.cost),
        "commissionAsset": fill.fee.currency,
        "time": fill.time_ms,
        "isBuyer": fill.side is Side.BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def execution_report(
    own_id: str,
    order: SimOrder,
    fill: SimFill | None,
    *,
    execution: str,
    sequence: int,
    now_ms: int,
    list_number: int,
    cancel_id: str | None = None,
    reject: RejectCode | None = None,
) -> dict[str, Any]:
    """``execution``: NEW, TRADE, CANCELED, EXPIRED or REJECTED (with ``reject``, the reason).

    ``cancel_id``: the cancel request's own id, if there was one.
    """
    working = is_working(order)
    report: dict[str, Any] = {
        "e": "executionReport",
        "E": now_ms,
        "s": own_id,
        "c": order.client_order_id if cancel_id is None else cancel_id,
        "S": order.side.name,
        "o": order_type(order),
        "f": order.request.time_in_force.value,
        "q": text(_amount(order)),
        "p": text(order.request.price),
        "P": text(order.trigger_price or order.request.trigger_price),
        "F": text(order.request.iceberg_amount),
        "g": list_number,
        "C": "" if cancel_id is None else order.client_order_id,
        "x": execution,
        "X": order_status(order),
        "r": "NONE" if reject is None else _REJECT_REASONS.get(reject, "NONE"),
        "i": int(order.order_id),
        "l": NOTHING,
        "z": text(order.filled),
        "L": NOTHING,
        "n": "0",
        "N": None,
        "T": order.updated_ms,
        "t": -1,
        "I": sequence,
        "w": working and order.is_open,
        "m": False,
        "M": False,
        "O": order.created_ms,
        "Z": text(order.cost_quote),
        "Y": NOTHING,
        "Q": text(order.request.cost_quote),
        "V": "EXPIRE_MAKER",
    }
    if working:
        report["W"] = order.created_ms
    if order.request.trailing_percent is not None:
        report["d"] = int(order.request.trailing_percent * 100)
    if fill is not None:
        report.update(
            l=text(fill.amount),
            L=text(fill.price),
            n=text(fill.fee.cost),
            N=fill.fee.currency,
            T=fill.time_ms,
            t=fill.trade_id,
            m=fill.maker,
            M=True,
            Y=text(fill.price * fill.amount),
        )
    return report


# ------------------------------------------------------------------ order lists, account


def list_orders(own_id: str, orders: Iterable[SimOrder]) -> list[dict[str, Any]]:
    return [
        {"symbol": own_id, "orderId": int(order.order_id), "clientOrderId": order.client_order_id} for order in orders
    ]


def order_list(
    own_id: str, number: int, contingency: str, client_id: str, orders: Sequence[SimOrder], done: bool
) -> dict[str, Any]:
    return {
        "orderListId": number,
        "contingencyType": contingency,
        "listStatusType": "ALL_DONE" if done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if done else "EXECUTING",
        "listClientOrderId": client_id,
        "transactionTime": max(order.updated_ms for order in orders),
        "symbol": own_id,
        "orders": list_orders(own_id, orders),
    }


def list_event(
    own_id: str,
    number: int,
    contingency: str,
    client_id: str,
    orders: Sequence[SimOrder],
    done: bool,
    now_ms: int,
) -> dict[str, Any]:
    return {
        "e": "listStatus",
        "E": now_ms,
        "s": own_id,
        "g": number,
        "c": contingency,
        "l": "ALL_DONE" if done else "EXEC_STARTED",
        "L": "ALL_DONE" if done else "EXECUTING",
        "r": "NONE",
        "C": client_id,
        "T": now_ms,
        "O": [{"s": own_id, "i": int(order.order_id), "c": order.client_order_id} for order in orders],
    }


def account(balances: Mapping[str, Balance], maker: Decimal, taker: Decimal, updated_ms: int) -> dict[str, Any]:
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": text(maker), "taker": text(taker), "buyer": NOTHING, "seller": NOTHING},
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": updated_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": balance.currency, "free": text(balance.free), "locked": text(balance.used)}
            for balance in balances.values()
        ],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def account_position(balances: Iterable[Balance], time_ms: int, now_ms: int) -> dict[str, Any]:
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": time_ms,
        "B": [{"a": balance.currency, "f": text(balance.free), "l": text(balance.used)} for balance in balances],
    }


def balance_update(currency: str, change: Decimal, now_ms: int) -> dict[str, Any]:
    return {"e": "balanceUpdate", "E": now_ms, "a": currency, "d": text(change), "T": now_ms}


def coin(currency: str, balance: Balance | None) -> dict[str, Any]:
    """One entry of sapi capital/config/getall."""
    return {
        "coin": currency,
        "name": currency,
        "depositAllEnable": False,
        "withdrawAllEnable": False,
        "free": text(ZERO if balance is None else balance.free),
        "locked": text(ZERO if balance is None else balance.used),
        "freeze": "0",
        "withdrawing": "0",
        "ipoing": "0",
        "ipoable": "0",
        "storage": "0",
        "isLegalMoney": False,
        "trading": True,
        "networkList": [],
    }


# ------------------------------------------------------------------ money from and to outside


def deposit(moved: Deposited) -> dict[str, Any]:
    """One entry of sapi capital/deposit/hisrec; status 1 is credited."""
    return {
        "id": str(moved.number), "amount": text(moved.amount), "coin": moved.coin, "network": moved.coin, "status": 1,
        "address": "sim", "addressTag": "", "txId": f"sim{moved.number}", "insertTime": moved.time_ms,
        "completeTime": moved.time_ms, "transferType": 0, "confirmTimes": "1/1", "unlockConfirm": 1, "walletType": 0,
    }  # fmt: skip


def withdrawal(moved: Deposited) -> dict[str, Any]:
    """One entry of sapi capital/withdraw/history; status 6 is completed."""
    applied = datetime.fromtimestamp(moved.time_ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    return {
        "id": f"w{moved.number}", "amount": text(-moved.amount), "transactionFee": "0", "coin": moved.coin, "status": 6,
        "address": "sim", "txId": f"sim{moved.number}", "applyTime": applied, "network": moved.coin, "transferType": 0,
        "withdrawOrderId": "", "info": "", "confirmNo": 1, "walletType": 0, "txKey": "", "completeTime": applied,
    }  # fmt: skip
