"""Binance USD-M's error codes and texts. Source: developers.binance.com, USDⓈ-M futures, "Error Code"."""

from __future__ import annotations

from collections.abc import Mapping

from btccxt.matching.records import EngineReject, RejectCode
from btccxt.sim.dialects.base import DialectError
from btccxt.sim.dialects.binance.errors import error

_REJECTS: Mapping[RejectCode, tuple[int, str]] = {
    RejectCode.INSUFFICIENT_FUNDS: (-2019, "Margin is insufficient."),
    RejectCode.PRICE_STEP: (-4014, "Price not increased by tick size."),
    RejectCode.PRICE_RANGE: (-4001, "Price less than 0 or out of range."),
    RejectCode.AMOUNT_STEP: (-1111, "Precision is over the maximum defined for this asset."),
    RejectCode.MIN_AMOUNT: (-4003, "Quantity less than or equal to zero."),
    RejectCode.MAX_AMOUNT: (-4005, "Quantity greater than max quantity."),
    RejectCode.MIN_COST: (-4164, "Order's notional must be no smaller than 5.0 (unless you choose reduce only)."),
    RejectCode.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    RejectCode.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    RejectCode.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    RejectCode.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    RejectCode.ALREADY_FINAL: (-2011, "Unknown order sent."),
    RejectCode.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    RejectCode.NO_LIQUIDITY: (-2020, "Unable to fill."),
    RejectCode.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    RejectCode.POSITION_LIMIT: (-2027, "Exceeded the maximum allowable position at current leverage."),
    RejectCode.MARKET_CLOSED: (-4140, "Invalid symbol status for opening position."),
}


def refused(reject: EngineReject, *, algo: bool = False) -> DialectError:
    """The engine's reason in the exchange's words. ``algo``: of a conditional order, with its own id space."""
    if algo and reject.code is RejectCode.DUPLICATE_CLIENT_ID:
        return error(-20132, "ClientAlgoId is duplicated.")
    if reject.code is RejectCode.BAD_REQUEST and "position mode" in reject.message:
        return error(-4061, "Order's position side does not match user's setting.")
    if reject.code in _REJECTS:
        return error(*_REJECTS[reject.code])
    return error(-1106, f"Unsupported order combination: {reject.message}")
