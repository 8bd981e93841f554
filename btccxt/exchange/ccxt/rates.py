"""Rates as ccxt tells them: what funding was charged, and the fees of the account."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from btccxt.exchange.ccxt.statuses import number_of
from btccxt.exchange.ccxt.times import time_of
from btccxt.exchange.plausibility import Implausible


def funding_rate(row: Mapping[str, Any]) -> tuple[int, Decimal]:
    """When it was charged, and the rate. Raises Implausible."""
    time_ms = time_of(row.get("timestamp"))
    if time_ms is None:
        raise Implausible("a funding rate without a time")
    return time_ms, _rate(row.get("fundingRate"))


def fee_rates(answer: Any) -> dict[str, tuple[Decimal, Decimal]]:
    """ccxt's fees by symbol -> maker and taker rates. Raises Implausible where there are none."""
    rows = answer.items() if isinstance(answer, Mapping) else ()
    found = {
        symbol: (_rate(row["maker"]), _rate(row["taker"]))
        for symbol, row in rows
        if row.get("maker") is not None and row.get("taker") is not None
    }
    if not found:
        raise Implausible("no trading fees")
    return found


def _rate(told: Any) -> Decimal:
    rate = number_of(told)
    if rate is None or abs(rate) >= 1:
        raise Implausible(f"a rate of {told!r}")
    return rate
