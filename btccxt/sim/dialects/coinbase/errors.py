"""Coinbase Advanced's errors: HTTP refusals, and orders that are refused inside an answer of success.

Source: docs.cdp.coinbase.com, Advanced Trade API (orders, "NewOrderFailureReason", "PreviewFailureReason").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btccxt.matching.records import EngineReject, RejectCode
from btccxt.sim.dialects.base import DialectError

# (error, preview_failure_reason, message)
_REJECTS: Mapping[RejectCode, tuple[str, str, str]] = {
    RejectCode.INSUFFICIENT_FUNDS: (
        "INSUFFICIENT_FUND",
        "PREVIEW_INSUFFICIENT_FUND",
        "Insufficient balance in source account",
    ),
    RejectCode.PRICE_STEP: (
        "INVALID_PRICE_PRECISION",
        "PREVIEW_INVALID_PRICE_PRECISION",
        "Too many decimals in order price",
    ),
    RejectCode.PRICE_RANGE: ("INVALID_LIMIT_PRICE", "PREVIEW_INVALID_LIMIT_PRICE", "Invalid limit price"),
    RejectCode.AMOUNT_STEP: (
        "INVALID_SIZE_PRECISION",
        "PREVIEW_INVALID_SIZE_PRECISION",
        "Too many decimals in order amount",
    ),
    RejectCode.MIN_AMOUNT: ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", "Base size is too small"),
    RejectCode.MAX_AMOUNT: ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE", "Base size is too large"),
    RejectCode.MIN_COST: ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", "Quote size is too small"),
    RejectCode.WOULD_TAKE: (
        "INVALID_LIMIT_PRICE_POST_ONLY",
        "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY",
        "Post only orders must not take liquidity",
    ),
    RejectCode.UNKNOWN_SYMBOL: ("INVALID_PRODUCT_ID", "PREVIEW_INVALID_PRODUCT_ID", "Invalid product_id"),
    RejectCode.MARKET_CLOSED: ("ORDER_ENTRY_DISABLED", "PREVIEW_ORDER_ENTRY_DISABLED", "Orders are disabled"),
}


def refusal(reject: EngineReject, *, stop_above: bool) -> dict[str, str]:
    """``error_response`` of an order. ``stop_above``: its stop lies above the last price."""
    if reject.code is RejectCode.WOULD_TRIGGER:
        where = "ABOVE" if stop_above else "BELOW"
        reason, preview, message = "UNKNOWN_FAILURE_REASON", f"PREVIEW_STOP_PRICE_{where}_LAST_TRADE_PRICE", ""
    else:
        reason, preview, message = _REJECTS.get(
            reject.code, ("UNSUPPORTED_ORDER_CONFIGURATION", "UNKNOWN_PREVIEW_FAILURE_REASON", reject.message)
        )
    return {"error": reason, "message": message, "error_details": "", "preview_failure_reason": preview}


def error(name: str, message: str, status: int = 400) -> DialectError:
    return DialectError(status, {"error": name, "error_details": message, "message": message})


def argument_error(message: str) -> DialectError:
    return error("INVALID_ARGUMENT", message)


def unauthorized() -> DialectError:
    return DialectError(401, b"Unauthorized\n")


def too_much() -> DialectError:
    return DialectError(429, {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]})


def configuration_error(message: str) -> Any:
    """``error_response`` of an order that cannot be meant."""
    reason = "UNSUPPORTED_ORDER_CONFIGURATION"
    return {"error": reason, "message": message, "error_details": message, "preview_failure_reason": reason}
