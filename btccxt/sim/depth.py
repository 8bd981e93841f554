"""Ambient depth around a price: what an anonymous market would offer. The same numbers give the same depth."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from btccxt.model import Market, Side
from btccxt.sim.source import Level

LEVELS = 10
SPACING = 0.0001  # between levels, as a part of the price


def depth_around(
    market: Market, ticks: int, side: Side | None, lots: int, noise: Sequence[float], offset: int
) -> tuple[list[Level], list[Level]]:
    """Bids and asks, best first, around a last price of ``ticks`` price steps.

    That price is the best ask after a buy, else the best bid. About ``lots`` amount steps lie at the best price, more
    with the distance; ``noise`` (numbers from 0 to 1, read from ``offset`` on) varies them.
    """
    step = market.price_step or Decimal("0.00000001")
    lot = market.amount_step or Decimal("0.00000001")
    spacing = max(1, int(ticks * SPACING))
    bid = ticks - 1 if side is Side.BUY else ticks
    size, varied = len(noise), max(lots, 10)
    bids: list[Level] = []
    asks: list[Level] = []
    for n in range(LEVELS):
        here, away = varied * (n + 2) // 2, n * spacing
        if bid > away:
            bids.append(((bid - away) * step, (1 + int(here * noise[(offset + n) % size])) * lot))
        asks.append(((bid + 1 + away) * step, (1 + int(here * noise[(offset + LEVELS + n) % size])) * lot))
    return bids, asks
