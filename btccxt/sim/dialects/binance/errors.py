"""Binance spot's error codes and texts. Source: binance-spot-api-docs, errors.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btccxt.matching.records import EngineReject, RejectCode
from btccxt.sim.dialects.base import DialectError

_REJECTS: Mapping[RejectCode, tuple[int, str]] = {
    RejectCode.INSUFFICIENT_FUNDS: (-2010, "Account has insufficient balance for requested action."),
    RejectCode.PRICE_STEP: (-1013, "Filter failure: PRICE_FILTER"),
    RejectCode.PRICE_RANGE: (-1013, "Filter failure: PRICE_FILTER"),
    RejectCode.AMOUNT_STEP: (-1013, "Filter failure: LOT_SIZE"),
    RejectCode.MIN_AMOUNT: (-1013, "Filter failure: LOT_SIZE"),
    RejectCode.MAX_AMOUNT: (-1013, "Filter failure: LOT_SIZE"),
    RejectCode.MIN_COST: (-1013, "Filter failure: NOTIONAL"),
    RejectCode.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    RejectCode.WOULD_TRIGGER: (-2010, "Stop price would trigger immediately."),
    RejectCode.DUPLICATE_CLIENT_ID: (-2010, "Duplicate order sent."),
    RejectCode.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    RejectCode.ALREADY_FINAL: (-2011, "Unknown order sent."),
    RejectCode.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    RejectCode.NO_LIQUIDITY: (-2010, "Order book liquidity is less than LOT_SIZE filter minimum quantity."),
    RejectCode.MARKET_CLOSED: (-1013, "Market is closed."),
}


def error(code: int, message: str, status: int = 400, **more: Any) -> DialectError:
    return DialectError(status, {"code": code, "msg": message, **more})


def missing(name: str) -> DialectError:
    return error(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def wrong_relation() -> DialectError:
    return error(-2010, "The relationship of the prices for the orders is not correct.")


def refused(reject: EngineReject) -> DialectError:
    """The engine's reason in Binance's words."""
    if reject.code in _REJECTS:
        return error(*_REJECTS[reject.code])
    return error(-2010, f"Unsupported order combination: {reject.message}")
