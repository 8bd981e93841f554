"""A lake with a market of known bars, and a strategy's file beside it."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

from btccxt.bars.lake import DataVenue, Lake
from btccxt.model import Bar
from btccxt.sim.markets import spot_market
from btccxt.timeframe import parse_timeframe

SYMBOL = "BTC/USDT"
HERE = DataVenue("binance")
BEGIN_MS = 1_767_225_600_000  # 2026-01-01
HOUR_MS = 3_600_000

CROSSING = """
import backtrader as bt


class Crossing(bt.Strategy):
    params = (("fast", 5), ("slow", 20), ("size", 0.1))

    def __init__(self):
        averages = [bt.ind.SMA(period=self.p.fast), bt.ind.SMA(period=self.p.slow)]
        self.crossing = bt.ind.CrossOver(*averages)

    def next(self):
        if not self.position and self.crossing[0] > 0:
            self.buy(size=self.p.size)
        elif self.position and self.crossing[0] < 0:
            self.close()
"""


def waves(count: int, begin_ms: int = BEGIN_MS, timeframe: str = "1h") -> list[Bar]:
    """Prices that go up and down, faster and slower."""
    length_ms = parse_timeframe(timeframe).length_ms or 0
    closes = [100 + 10 * math.sin(at / 17) + 5 * math.sin(at / 5.3) + at * 0.01 for at in range(count + 1)]
    return [
        Bar(begin_ms + at * length_ms, before, max(before, close) + 0.5, min(before, close) - 0.5, close, 1.0 + at % 7)
        for at, (before, close) in enumerate(pairwise(closes))
    ]


def make_lake(folder: Path, count: int = 600, timeframe: str = "1h", symbols: tuple[str, ...] = (SYMBOL,)) -> Path:
    lake = Lake(folder / "lake")
    length_ms = parse_timeframe(timeframe).length_ms or 0
    for symbol in symbols:
        series = lake.bars(HERE, symbol, timeframe)
        series.append(BEGIN_MS, BEGIN_MS + count * length_ms, waves(count, timeframe=timeframe))
    lake.keep_markets(HERE, {symbol: spot_market(symbol) for symbol in symbols}, BEGIN_MS)
    return lake.path


def write_strategy(folder: Path, text: str = CROSSING, name: str = "crossing.py") -> Path:
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return path
