"""What the lake has for a study: bars, and what the exchange says of its markets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from btccxt.bars.columns import FIELDS, Columns
from btccxt.bars.lake import Lake, SeriesKey
from btccxt.bars.market_file import plain
from btccxt.bars.offline import iso, open_columns
from btccxt.bars.segments import Range
from btccxt.bt.compat import bt
from btccxt.bt.lake_source import find_venue
from btccxt.bt.time import arguments_of, ms_of_num
from btccxt.errors import ConfigError, LakeError
from btccxt.model import Market
from btccxt.sweep.backtest import Bars


@dataclass(frozen=True, slots=True)
class DataWish:
    """Which bars. None: as ``CCXTData.from_lake``; without ``start`` and ``end`` what all series have."""

    symbols: tuple[str, ...]
    timeframes: tuple[str, ...]
    exchange: str | None
    market_type: str | None
    mode: str | None
    lake: str | Path | None
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Material:
    """``digest``: of all the values, and of the markets' fees and steps."""

    bars: Bars
    markets: Mapping[str, Market]
    span: Range
    names: tuple[str, ...]
    digest: str


def material_of(wish: DataWish) -> Material:
    """Raises ConfigError and LakeError for what is not there, with the command that fetches it."""
    _check(wish)
    lake = Lake(wish.lake, create=False)
    keys = [
        SeriesKey(find_venue(lake, symbol, wish.exchange, wish.market_type, wish.mode), symbol, timeframe)
        for symbol in wish.symbols
        for timeframe in wish.timeframes
    ]
    span = _span(lake, keys, wish)
    bars = {
        (key.symbol, str(key.timeframe)): open_columns(lake, key, span.from_ms, span.to_ms, mapped=True) for key in keys
    }
    for key, columns in zip(keys, bars.values(), strict=True):
        if not len(columns):
            raise ConfigError(f"{key} has no bars from {iso(span.from_ms)} to {iso(span.to_ms)}")
    markets: dict[str, Market] = {}
    for key in keys:
        market = lake.markets(key.venue).get(key.symbol)
        if market is None:
            raise LakeError(
                f"the lake does not know the fees and steps of {key.symbol} on {key.venue}; btccxt download, and every "
                "start of a store with this lake, note those of the markets that the exchange has"
            )
        markets[key.symbol] = market
    return Material(bars, markets, span, tuple(map(str, keys)), _digest(bars, markets))


def _check(wish: DataWish) -> None:
    for name, given in (("symbol", wish.symbols), ("timeframe", wish.timeframes)):
        if not given:
            raise ConfigError(f"{name}: give at least one")
        if twice := {each for each in given if given.count(each) > 1}:
            raise ConfigError(f"{name}: {', '.join(sorted(twice))} is given twice")
    for timeframe in wish.timeframes:
        if arguments_of(timeframe)["timeframe"] == bt.TimeFrame.Ticks:
            raise ConfigError("a study takes bars; trades are not offered")


def _span(lake: Lake, keys: Sequence[SeriesKey], wish: DataWish) -> Range:
    covered = [lake.bars(key.venue, key.symbol, str(key.timeframe)).covered() for key in keys]
    for key, ranges in zip(keys, covered, strict=True):
        if not ranges:
            raise LakeError(f"the lake at {lake.path} has no {key}; btccxt data ls shows what it has")
    from_ms = max(ranges[0].from_ms for ranges in covered) if wish.start is None else _ms(wish.start)
    to_ms = min(ranges[-1].to_ms for ranges in covered) if wish.end is None else _ms(wish.end)
    if from_ms >= to_ms:
        raise ConfigError(f"the study begins at {iso(from_ms)} and ends at {iso(to_ms)}: nothing lies between")
    return Range(from_ms, to_ms)


def _ms(moment: datetime) -> int:
    """A naive one is UTC."""
    return ms_of_num(bt.date2num(moment))


def _digest(bars: Mapping[tuple[str, str], Columns], markets: Mapping[str, Market]) -> str:
    told = hashlib.sha256()
    for key, columns in bars.items():
        told.update(repr((key, len(columns))).encode())
        for name in FIELDS:
            told.update(getattr(columns, name).tobytes())
    for symbol, market in sorted(markets.items()):
        told.update(repr((symbol, sorted(plain(market).items()))).encode())
    return told.hexdigest()[:24]
