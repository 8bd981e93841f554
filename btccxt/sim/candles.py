"""Bars from trades and from smaller bars, exactly: volumes are summed in Decimal and become floats once."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from btccxt.model import ZERO, Bar, decimal_of
from btccxt.timeframe import Timeframe


class Candle:
    """A bar that is being built."""

    __slots__ = ("close", "high", "low", "open", "open_ms", "volume")

    def __init__(self, open_ms: int, price: float, volume: Decimal = ZERO) -> None:
        self.open_ms = open_ms
        self.open = self.high = self.low = self.close = price
        self.volume = volume

    @classmethod
    def of(cls, bar: Bar) -> Candle:
        candle = cls(bar.open_ms, bar.open, decimal_of(bar.volume))
        candle.high, candle.low, candle.close = bar.high, bar.low, bar.close
        return candle

    def add_trade(self, price: float, amount: Decimal) -> None:
        if price > self.high:
            self.high = price
        if price < self.low:
            self.low = price
        self.close = price
        self.volume += amount

    def add_bar(self, bar: Bar) -> None:
        self.high = max(self.high, bar.high)
        self.low = min(self.low, bar.low)
        self.close = bar.close
        self.volume += decimal_of(bar.volume)

    def bar(self) -> Bar:
        return Bar(self.open_ms, self.open, self.high, self.low, self.close, float(self.volume))


def bars_from_trades(trades: Iterable[tuple[int, float, Decimal]], timeframe: Timeframe) -> list[Bar]:
    """``trades``: (time_ms, price, amount) in time order. Intervals without trades have no bar."""
    candles: list[Candle] = []
    close_ms = None
    for time_ms, price, amount in trades:
        if close_ms is None or time_ms >= close_ms:
            open_ms = timeframe.floor(time_ms)
            close_ms = timeframe.next_open(open_ms)
            candles.append(Candle(open_ms, price, amount))
        else:
            candles[-1].add_trade(price, amount)
    return [candle.bar() for candle in candles]


def bars_from_bars(bars: Iterable[Bar], timeframe: Timeframe) -> list[Bar]:
    """Higher timeframe from smaller bars in time order. Intervals without any bar have none."""
    candles: list[Candle] = []
    close_ms = None
    for bar in bars:
        if close_ms is None or bar.open_ms >= close_ms:
            candle = Candle.of(bar)
            candle.open_ms = timeframe.floor(bar.open_ms)
            close_ms = timeframe.next_open(candle.open_ms)
            candles.append(candle)
        else:
            candles[-1].add_bar(bar)
    return [candle.bar() for candle in candles]


def is_made_of(timeframe: Timeframe, base: Timeframe) -> bool:
    """Whether every bar of ``timeframe`` consists of whole bars of ``base``."""
    if base.length_ms is None:
        return timeframe.length_ms is None and (timeframe.approximate_ms % base.approximate_ms == 0)
    if timeframe.length_ms is None:
        return 86_400_000 % base.length_ms == 0
    if timeframe.length_ms % base.length_ms:
        return False
    return base.unit != "w" or timeframe.unit == "w"
