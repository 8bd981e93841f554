"""Bybit v5's error codes and texts (docs/v5/error): spot and contracts have their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btccxt.matching.records import EngineReject, RejectCode
from btccxt.sim.dialects.base import DialectError

_SPOT: Mapping[RejectCode, tuple[int, str]] = {
    RejectCode.INSUFFICIENT_FUNDS: (170131, "Insufficient balance."),
    RejectCode.PRICE_STEP: (170134, "Order price has too many decimals."),
    RejectCode.PRICE_RANGE: (170133, "Order price lower than the minimum."),
    RejectCode.AMOUNT_STEP: (170137, "Order quantity has too many decimals."),
    RejectCode.MIN_AMOUNT: (170136, "Order quantity exceeded lower limit."),
    RejectCode.MAX_AMOUNT: (170135, "Order quantity exceeded upper limit."),
    RejectCode.MIN_COST: (170140, "Order value exceeded lower limit."),
    RejectCode.DUPLICATE_CLIENT_ID: (170141, "Duplicate clientOrderId"),
    RejectCode.UNKNOWN_ORDER: (170213, "Order does not exist."),
    RejectCode.ALREADY_FINAL: (170142, "Order has been canceled."),
    RejectCode.UNKNOWN_SYMBOL: (170121, "Invalid symbol."),
    RejectCode.MARKET_CLOSED: (170151, "This trading pair has not been launched yet."),
}
_CONTRACT: Mapping[RejectCode, tuple[int, str]] = {
    RejectCode.INSUFFICIENT_FUNDS: (110007, "ab not enough for new order"),
    RejectCode.PRICE_STEP: (10001, "params error: price invalid"),
    RejectCode.PRICE_RANGE: (110003, "Order price exceeds the allowable range."),
    RejectCode.AMOUNT_STEP: (10001, "Qty invalid"),
    RejectCode.MIN_AMOUNT: (10001, "The number of contracts exceeds minimum limit allowed"),
    RejectCode.MAX_AMOUNT: (10001, "The number of contracts exceeds maximum limit allowed: too large"),
    RejectCode.MIN_COST: (110094, "Order does not meet minimum order value"),
    RejectCode.POSITION_LIMIT: (
        110090,
        "Order placement failed as your position may exceed the max limit. "
        "Please adjust your leverage to increase the max. position limit.",
    ),
    RejectCode.REDUCE_ONLY: (110017, "current position is zero, cannot fix reduce-only order qty"),
    RejectCode.DUPLICATE_CLIENT_ID: (110072, "OrderLinkedID is duplicate"),
    RejectCode.UNKNOWN_ORDER: (110001, "order not exists or too late to cancel"),
    RejectCode.ALREADY_FINAL: (110001, "order not exists or too late to cancel"),
    RejectCode.UNKNOWN_SYMBOL: (10001, "params error: symbol invalid"),
    RejectCode.MARKET_CLOSED: (110066, "Trading is currently not allowed."),
}


def error(code: int, message: str, status: int = 200, headers: Mapping[str, str] | None = None) -> DialectError:
    """Bybit refuses with HTTP 200; the dialect adds the time."""
    return DialectError(status, {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}}, headers)


def parameter_error(what: str) -> DialectError:
    return error(10001, f"params error: {what}")


def refused(reject: EngineReject, category: str) -> DialectError:
    """The engine's reason in Bybit's words."""
    if reject.code is RejectCode.BAD_REQUEST and "position mode" in reject.message:
        return error(10001, "position idx not match position mode")
    known = (_SPOT if category == "spot" else _CONTRACT).get(reject.code)
    return error(*known) if known is not None else parameter_error(reject.message)


def body_of(refusal: DialectError, now_ms: int) -> Any:
    """With the time that each answer carries."""
    return {**refusal.body, "time": now_ms} if isinstance(refusal.body, dict) else refusal.body
