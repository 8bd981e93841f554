"""OKX v5's error codes and texts. Source: www.okx.com/docs-v5, "Error Code"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btccxt.matching.records import EngineReject, RejectCode
from btccxt.sim.dialects.base import DialectError

NOT_FOUND = (51603, "Order does not exist")
_REJECTS: Mapping[RejectCode, tuple[int, str]] = {
    RejectCode.INSUFFICIENT_FUNDS: (51008, "Order failed. Insufficient {coin} balance in account."),
    RejectCode.PRICE_STEP: (51000, "Parameter px error"),
    RejectCode.PRICE_RANGE: (51006, "Order price is not within the price limit"),
    RejectCode.AMOUNT_STEP: (51121, "Order quantity must be a multiple of the lot size."),
    RejectCode.MIN_AMOUNT: (51020, "Your order should meet or exceed the minimum order amount."),
    RejectCode.MIN_COST: (51020, "Your order should meet or exceed the minimum order amount."),
    RejectCode.MAX_AMOUNT: (51202, "The amount of the order exceeds the maximum."),
    RejectCode.POSITION_LIMIT: (
        51004,
        "Order amount exceeds current tier limit: the position would be larger than its leverage allows.",
    ),
    RejectCode.REDUCE_ONLY: (51169, "Order failed because you don't have any positions in this direction to reduce."),
    RejectCode.DUPLICATE_CLIENT_ID: (51016, "Client order ID already exists."),
    RejectCode.UNKNOWN_SYMBOL: (51001, "Instrument ID, Instrument ID code, or Spread ID doesn't exist."),
    RejectCode.MARKET_CLOSED: (51028, "Contract under delivery. Trading is suspended."),
    RejectCode.WOULD_TRIGGER: (51280, "The trigger price would be reached at once."),
}


class OrderRefused(Exception):
    """One order of a request is refused: OKX says so inside ``data`` (``sCode``), whatever became of the others."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def error(code: int, message: str, status: int = 200) -> DialectError:
    return DialectError(status, {"code": str(code), "msg": message, "data": []})


def parameter_error(name: str) -> DialectError:
    return error(51000, f"Parameter {name} error", 400)


def refused(reject: EngineReject, coin: str = "") -> OrderRefused:
    """The engine's reason in OKX's words."""
    code, message = _REJECTS.get(reject.code, (51000, f"Parameter error: {reject.message}"))
    return OrderRefused(code, message.format(coin=coin))


def ws_error(code: int, message: str, connection_id: str, **more: Any) -> dict[str, Any]:
    return {"event": "error", "code": str(code), "msg": message, "connId": connection_id, **more}
