"""What ``btccxt download`` was asked for, as jobs."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from btccxt.bars.download import DownloadJob
from btccxt.bars.lake import LakeView
from btccxt.bars.live_tail import KEEP_AFTER_MS
from btccxt.bars.seam import first_open
from btccxt.bars.segments import Range
from btccxt.errors import ConfigError
from btccxt.model import Market, MarketType
from btccxt.store.startup import did_you_mean
from btccxt.timeframe import parse_timeframe

_DEFAULT_BACK_MS = 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class Wish:
    """``symbols`` may be patterns (``*/USDT``). ``from_ms`` None: where each series ends, or 30 days ago.

    ``to_ms`` None: now. ``prepend``: only what lies before the oldest of each series.
    """

    symbols: Sequence[str]
    timeframes: Sequence[str]
    from_ms: int | None = None
    to_ms: int | None = None
    trades: bool = False
    prepend: bool = False


def symbols_of(patterns: Sequence[str], markets: Mapping[str, Market], kind: MarketType, exchange: str) -> list[str]:
    """Symbols of one market type, in the order asked for. Raises ConfigError for one that does not exist."""
    offered = {symbol: market for symbol, market in markets.items() if market.type is kind}
    found: dict[str, None] = {}
    for pattern in patterns:
        if any(sign in pattern for sign in "*?["):
            matching = [
                symbol
                for symbol, market in offered.items()
                if market.active and (_matches(symbol, pattern) or _matches(symbol.partition(":")[0], pattern))
            ]
            if not matching:
                raise ConfigError(f"{exchange} has no {kind.value} market like {pattern!r}")
            found |= dict.fromkeys(sorted(matching))
        elif pattern in offered:
            found[pattern] = None
        elif pattern in markets:
            other = markets[pattern].type.value
            raise ConfigError(f"{pattern} is a {other} market of {exchange}: add --market-type {other}")
        else:
            raise ConfigError(
                f"{exchange} has no {kind.value} market {pattern!r}{did_you_mean(pattern.upper(), offered)}"
            )
    return list(found)


def _matches(symbol: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(symbol, pattern.upper())


def check_timeframes(timeframes: Sequence[str], offered: Collection[str], exchange: str) -> None:
    """Raises ConfigError for one that the exchange has no candles of."""
    for name in timeframes:
        if not offered:
            parse_timeframe(name)
        elif name not in offered:
            known = sorted(offered, key=lambda each: parse_timeframe(each).approximate_ms)
            raise ConfigError(f"{exchange} has no {name} candles; it has {', '.join(known)}")


def jobs_of(wish: Wish, symbols: Sequence[str], lake: LakeView, now_ms: int) -> list[DownloadJob]:
    """One job per series; none for a series that has everything already. Raises ConfigError for an empty range."""
    newest_ms = now_ms - KEEP_AFTER_MS  # a candle may change just after its close
    to_ms = newest_ms if wish.to_ms is None else min(wish.to_ms, newest_ms)
    if wish.from_ms is not None and wish.from_ms >= to_ms:
        raise ConfigError("nothing lies between --from and --to: the beginning must be earlier, and in the past")
    if wish.prepend and wish.from_ms is None:
        raise ConfigError("--prepend needs --from: how far back?")
    lengths: list[str | None] = [*wish.timeframes, *([None] if wish.trades else [])]
    jobs = [_job(wish, symbol, length, lake, to_ms) for symbol in symbols for length in lengths]
    return [job for job in jobs if job.range.from_ms < job.range.to_ms]


def _job(wish: Wish, symbol: str, timeframe: str | None, lake: LakeView, to_ms: int) -> DownloadJob:
    series = lake.trades(symbol) if timeframe is None else lake.bars(symbol, timeframe)
    covered = series.covered()
    from_ms = wish.from_ms
    if from_ms is None:
        from_ms = covered[-1].to_ms if covered else to_ms - _DEFAULT_BACK_MS
    if wish.prepend and covered:
        to_ms = min(to_ms, covered[0].from_ms)
    if timeframe is None:
        return DownloadJob(symbol, None, Range(from_ms, to_ms))
    frame = parse_timeframe(timeframe)
    return DownloadJob(symbol, timeframe, Range(first_open(frame, from_ms), frame.floor(to_ms)))
