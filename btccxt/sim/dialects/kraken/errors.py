"""Kraken's error texts; they come with HTTP 200. Source: docs.kraken.com, "Spot Errors"."""

from __future__ import annotations

from collections.abc import Mapping

from btccxt.matching.records import EngineReject, RejectCode
from btccxt.sim.dialects.base import DialectError

_REJECTS: Mapping[RejectCode, str] = {
    RejectCode.INSUFFICIENT_FUNDS: "EOrder:Insufficient funds",
    RejectCode.PRICE_STEP: "EOrder:Tick size check failed",
    RejectCode.PRICE_RANGE: "EOrder:Invalid price",
    RejectCode.AMOUNT_STEP: "EGeneral:Invalid arguments:volume",
    RejectCode.MIN_AMOUNT: "EOrder:Order minimum not met",
    RejectCode.MAX_AMOUNT: "EGeneral:Invalid arguments:volume",
    RejectCode.MIN_COST: "EOrder:Cost minimum not met",
    RejectCode.WOULD_TAKE: "EOrder:Post only order",
    RejectCode.WOULD_TRIGGER: "EOrder:Invalid price",
    RejectCode.DUPLICATE_CLIENT_ID: "EOrder:Duplicate cl_ord_id",
    RejectCode.UNKNOWN_ORDER: "EOrder:Unknown order",
    RejectCode.ALREADY_FINAL: "EOrder:Unknown order",
    RejectCode.UNKNOWN_SYMBOL: "EQuery:Unknown asset pair",
    RejectCode.MARKET_CLOSED: "EService:Market in cancel_only mode",
}


def error(*texts: str, status: int = 200) -> DialectError:
    return DialectError(status, {"error": list(texts)})


def invalid(name: str) -> DialectError:
    return error(f"EGeneral:Invalid arguments:{name}")


def refused(reject: EngineReject) -> DialectError:
    """The engine's reason in Kraken's words."""
    return error(_REJECTS.get(reject.code, "EGeneral:Invalid arguments"))
