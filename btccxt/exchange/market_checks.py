"""Candles and trades are judged by the exchange's clock.

Where one seems to come from the future the clock is measured anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from btccxt.exchange.plausibility import AheadOfUs, check_bar, check_trade
from btccxt.model import Bar, Trade
from btccxt.resilience.clock import ExchangeClock
from btccxt.resilience.supervised import Tasks
from btccxt.timeframe import parse_timeframe

_DOUBTED_S = 5.0  # between two measurements because something seemed to come from the future


class MarketChecks:
    """Of one exchange. ``measure`` measures ``clock``, in one of ``tasks``."""

    def __init__(self, clock: ExchangeClock, measure: Callable[[], Coroutine[Any, Any, None]], tasks: Tasks) -> None:
        self._clock = clock
        self._measure = measure
        self._tasks = tasks
        self._doubted_at = float("-inf")

    def of(self, timeframe: str) -> Callable[[Bar], Bar]:
        """The check of candles of this timeframe. It raises Implausible."""
        clock, parsed = self._clock, parse_timeframe(timeframe)

        def check(bar: Bar) -> Bar:
            try:
                return check_bar(bar, parsed, clock.now_ms(), self._slack_ms())
            except AheadOfUs:
                self._doubt_clock()
                raise

        return check

    def trade(self, trade: Trade) -> Trade:
        """The trade, if it can be one. Raises Implausible."""
        try:
            return check_trade(trade, self._clock.now_ms(), self._slack_ms())
        except AheadOfUs:
            self._doubt_clock()
            raise

    def _slack_ms(self) -> float:
        ahead_ms = self._clock.stamps_ahead_ms
        return float("inf") if ahead_ms is None else ahead_ms

    def _doubt_clock(self) -> None:
        """This machine may have slept, or the exchange's clock has stepped: measured before the next is judged."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._doubted_at >= _DOUBTED_S:
            self._doubted_at = now_s
            self._tasks.start(self._measure(), "clock")
