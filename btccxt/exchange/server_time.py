"""The exchange's time, measured: a few questions, and the clock takes the best of the answers."""

from __future__ import annotations

from btccxt.errors import Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.resilience.clock import ExchangeClock, resolution_of

_SAMPLES = 3


async def measure_clock(exchange: ExchangeAPI, clock: ExchangeClock) -> None:
    """Does nothing where the exchange does not tell its time. Raises the exchange's other errors."""
    for _ in range(_SAMPLES):
        sent_ms = clock.local_ms()
        try:
            server_ms = await exchange.fetch_time()
        except Unsupported:
            return
        clock.add_sample(sent_ms, clock.local_ms(), server_ms, resolution_ms=resolution_of(server_ms))
