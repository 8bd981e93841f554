"""Funding of contract positions: asked for where it may explain a difference, and logged where it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from btccxt.errors import BtccxtError, Retryable, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import FundingPayment, Market
from btccxt.observe.log import EventName, get_logger

log = get_logger(__name__)


async def funding_since(
    exchange: ExchangeAPI,
    markets: Mapping[str, Market],
    since_ms: Mapping[str, int],
    trouble: Callable[[str, BaseException], None],
) -> list[FundingPayment]:
    """Payments of these contracts since then; none where the exchange lists none or refuses to.

    Raises only errors that another try may not meet.
    """
    found: list[FundingPayment] = []
    for symbol in sorted(since_ms):
        if symbol not in markets or not markets[symbol].is_contract:
            continue
        try:
            found += await exchange.fetch_funding(symbol, since_ms[symbol])
        except Unsupported:
            return []
        except Retryable:
            raise
        except BtccxtError as error:  # a key without the right to read it, say: what it would explain is alarmed
            trouble("funding payments", error)
            return []
    return found


def log_funding(exchange: str, payments: Iterable[FundingPayment]) -> None:
    """They explain what the account has, so nobody need be alarmed."""
    for payment in payments:
        log.info(
            EventName.FUNDING, exchange=exchange, symbol=payment.symbol, currency=payment.currency,
            amount=payment.amount, time_ms=payment.time_ms,
        )  # fmt: skip
