"""Hyperliquid's refusals: of a whole action (``status`` err), and of one order in it, each with its order status.

Source: hyperliquid.gitbook.io, "Error responses" and "Query order status".
"""

from __future__ import annotations

from collections.abc import Mapping

from btccxt.matching.records import EngineReject, RejectCode
from btccxt.sim.dialects.base import DialectError

GONE = "Order was never placed, already canceled, or filled."
NO_MATCH = "Order could not immediately match against any resting orders."
# (status of the order, text)
_REJECTS: Mapping[RejectCode, tuple[str, str]] = {
    RejectCode.INSUFFICIENT_FUNDS: ("perpMarginRejected", "Insufficient margin to place order."),
    RejectCode.PRICE_STEP: ("tickRejected", "Price must be divisible by tick size."),
    RejectCode.PRICE_RANGE: ("oracleRejected", "Order price cannot be more than 80% away from the reference price"),
    RejectCode.AMOUNT_STEP: ("rejected", "Order has invalid size."),
    RejectCode.MIN_AMOUNT: ("rejected", "Order has zero size."),
    RejectCode.MAX_AMOUNT: ("rejected", "Order has invalid size."),
    RejectCode.MIN_COST: ("minTradeNtlRejected", "Order must have minimum value of $10."),
    RejectCode.WOULD_TAKE: ("badAloPxRejected", "Post only order would have immediately matched, bbo was {bbo}."),
    RejectCode.WOULD_TRIGGER: ("badTriggerPxRejected", "Invalid TP/SL price."),
    RejectCode.REDUCE_ONLY: ("reduceOnlyRejected", "Reduce only order would increase position."),
    RejectCode.POSITION_LIMIT: ("positionIncreaseAtOpenInterestCapRejected", "Position would exceed its maximum."),
    RejectCode.NO_LIQUIDITY: ("marketOrderNoLiquidityRejected", "No liquidity available for market order."),
    RejectCode.MARKET_CLOSED: ("rejected", "Trading is halted."),
}
_SPOT_FUNDS = ("insufficientSpotBalanceRejected", "Insufficient spot balance asset={asset}")


class ActionRefused(Exception):
    """The whole action is refused; said under HTTP 200."""


class OrderRefused(Exception):
    """One order of an action is refused."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def refused(reject: EngineReject, *, asset: int, is_contract: bool, bbo: str) -> OrderRefused:
    """The engine's reason in Hyperliquid's words."""
    if reject.code is RejectCode.INSUFFICIENT_FUNDS and not is_contract:
        status, text = _SPOT_FUNDS
        return OrderRefused(status, text.format(asset=asset))
    status, text = _REJECTS.get(reject.code, ("rejected", f"Order has invalid size. {reject.message}"))
    return OrderRefused(status, f"{text.format(bbo=bbo)} asset={asset}")


def unreadable(why: str) -> DialectError:
    """What is no request at all; HTTP 422 with plain text."""
    return DialectError(422, f"Failed to deserialize the JSON body into the target type: {why}".encode())
