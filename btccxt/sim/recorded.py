"""Recorded markets: bars or trades from a file, played as they were. Holes in the recording stay holes."""

from __future__ import annotations

import csv
import gzip
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import IO, Any, cast

from btccxt.matching.filters import plain
from btccxt.matching.records import Event
from btccxt.model import Bar, Market, Side, Trade, decimal_of
from btccxt.sim.candles import bars_from_bars, bars_from_trades, is_made_of
from btccxt.sim.depth import depth_around
from btccxt.sim.markets import linear_market, spot_market
from btccxt.sim.source import MarketStep, Print
from btccxt.timeframe import Timeframe, parse_timeframe

_NOISE = 1009
_BAR_COLUMNS = ("time", "open", "high", "low", "close", "volume")
_TRADE_COLUMNS = ("id", "time", "side", "price", "amount")
_COLUMN_NAMES = {"timestamp": "time", "timestamp_ms": "time", "trade_id": "id"}


@dataclass(frozen=True, slots=True)
class TapeTrade:
    """One trade as it is played: exact, and as float for bars."""

    trade_id: str
    time_ms: int
    price: Decimal
    amount: Decimal
    side: Side | None


class RecordedSource:
    """What recorded bars and recorded trades have in common: one symbol, a past, the playing of trades."""

    def __init__(self, market: Market, start_ms: int, end_ms: int, typical_amount: Decimal) -> None:
        self.symbol = market.symbol
        self.symbols: Mapping[str, Market] = {market.symbol: market}
        self.start_ms = start_ms
        self.end_ms: int | None = end_ms
        self.flat_bars_when_quiet = False
        self._market = market
        self._now_ms = start_ms
        self._lots = int(typical_amount / (market.amount_step or Decimal(1)))
        rng = Random(f"{market.symbol}|depth")
        self._noise = [rng.random() for _ in range(_NOISE)]

    # -------------------------------------------------------------- what kinds of recordings differ in

    def _tape(self, after_ms: int, to_ms: int) -> Iterator[TapeTrade]:
        """Trades in (after_ms, to_ms], in time order."""
        raise NotImplementedError

    def _tape_back(self, from_ms: int) -> Iterator[TapeTrade]:
        """Trades at or before ``from_ms``, latest first."""
        raise NotImplementedError

    # -------------------------------------------------------------- trades

    def trades(self, symbol: str, since_ms: int, until_ms: int, limit: int) -> list[Trade]:
        found: list[Trade] = []
        for trade in self._tape(since_ms - 1, until_ms):
            if len(found) == limit:
                break
            found.append(self._public(trade))
        return found

    def last_trades(self, symbol: str, until_ms: int, limit: int) -> list[Trade]:
        found: list[Trade] = []
        for trade in self._tape_back(until_ms):
            if len(found) == limit:
                break
            found.append(self._public(trade))
        return found[::-1]

    def _public(self, trade: TapeTrade) -> Trade:
        return Trade(trade.trade_id, trade.time_ms, float(trade.price), float(trade.amount), trade.side, self.symbol)

    # -------------------------------------------------------------- the story

    def seek(self, time_ms: int) -> Iterator[MarketStep]:
        self._now_ms = time_ms
        for trade in self._tape_back(time_ms):
            yield self._step(trade)
            return

    def advance(self, to_ms: int) -> Iterator[MarketStep]:
        after_ms, self._now_ms = self._now_ms, max(to_ms, self._now_ms)
        for trade in self._tape(after_ms, to_ms):
            yield self._step(trade)

    def made_by_accounts(self, symbol: str) -> bool:
        return False

    def on_event(self, event: Event) -> None:
        """Accounts do not change what was recorded."""

    def _step(self, trade: TapeTrade) -> MarketStep:
        ticks = int(trade.price / (self._market.price_step or Decimal(1)))
        bids, asks = depth_around(self._market, ticks, trade.side, self._lots, self._noise, trade.time_ms // 1000 * 7)
        printed = Print(trade.trade_id, trade.price, trade.amount, trade.side)
        return MarketStep(self.symbol, trade.time_ms, (printed,), bids, asks)


class RecordedBars(RecordedSource):
    """A file of bars (``timestamp_ms,open,high,low,close,volume``; .csv, .csv.gz or .parquet) as a market.

    Bars of the file's timeframe come back as they are, higher ones are made of them. Each bar is played as pseudo
    trades: open, the two extremes (low first if it rose), close; their amounts sum exactly to its volume. A bar of
    volume zero has no trades, a missing bar has nothing at all.
    """

    def __init__(
        self,
        path: str | Path,
        symbol: str,
        timeframe: str = "1m",
        *,
        market: Market | None = None,
        start_ms: int | None = None,
    ) -> None:
        """``start_ms``: where playing begins (default: the first bar); earlier bars are history. Raises ValueError
        for a file that is not what it should be."""
        self.timeframe = parse_timeframe(timeframe)
        self._bars = _read_bars(Path(path), self.timeframe)
        self._opens = [bar.open_ms for bar in self._bars]
        market = market or _market_like(symbol, [bar.close for bar in self._bars], [bar.volume for bar in self._bars])
        typical = decimal_of(sum(bar.volume for bar in self._bars[:1000]) / len(self._bars[:1000]) / 4)
        end_ms = self.timeframe.next_open(self._opens[-1])
        super().__init__(market, self._opens[0] if start_ms is None else start_ms, end_ms, typical)

    def history(
        self, symbol: str, timeframe: str, since_ms: int, until_ms: int, limit: int, now_ms: int | None = None
    ) -> list[Bar]:
        frame = self._frame(timeframe)
        now_ms = until_ms if now_ms is None else now_ms
        first = bisect_left(self._opens, _first_open(frame, since_ms))
        found: list[Bar] = []
        for bars in self._groups(frame, first):
            if frame.floor(bars[0].open_ms) > min(until_ms, now_ms) or len(found) == limit:
                break
            found += self._visible(bars, frame, now_ms)
        return found

    def last_bars(self, symbol: str, timeframe: str, until_ms: int, limit: int, now_ms: int | None = None) -> list[Bar]:
        frame = self._frame(timeframe)
        now_ms = until_ms if now_ms is None else now_ms
        last_ms = min(until_ms, now_ms)
        place, count, since_ms = bisect_right(self._opens, last_ms), 0, last_ms
        while place and count <= limit:  # one more than asked for: the latest may not have traded yet
            since_ms = frame.floor(self._opens[place - 1])
            place, count = bisect_left(self._opens, since_ms), count + 1
        return self.history(symbol, timeframe, since_ms, until_ms, limit + 1, now_ms)[-limit:]

    def _frame(self, timeframe: str) -> Timeframe:
        frame = parse_timeframe(timeframe)
        if not is_made_of(frame, self.timeframe):
            raise ValueError(f"bars of {timeframe} cannot be made of recorded bars of {self.timeframe.name}")
        return frame

    def _groups(self, frame: Timeframe, first: int) -> Iterator[list[Bar]]:
        """Recorded bars, bundled by the bar of ``frame`` that they belong to."""
        while first < len(self._bars):
            end_ms = frame.next_open(frame.floor(self._opens[first]))
            after = bisect_left(self._opens, end_ms, first)
            yield self._bars[first:after]
            first = after

    def _visible(self, bars: Sequence[Bar], frame: Timeframe, now_ms: int) -> list[Bar]:
        """One bar of ``frame`` as it stands at ``now_ms``; none if nothing of it has happened."""
        seen: list[Bar] = []
        for bar in bars:
            if self.timeframe.next_open(bar.open_ms) <= now_ms:
                seen.append(bar)
                continue
            happened = [(t.time_ms, float(t.price), t.amount) for t in self._played(bar) if t.time_ms <= now_ms]
            seen += bars_from_trades(happened, self.timeframe)
            break
        return bars_from_bars(seen, frame)

    def _tape(self, after_ms: int, to_ms: int) -> Iterator[TapeTrade]:
        for place in range(max(0, bisect_right(self._opens, after_ms) - 1), len(self._bars)):
            if self._opens[place] > to_ms:
                return
            for trade in self._played(self._bars[place]):
                if after_ms < trade.time_ms <= to_ms:
                    yield trade

    def _tape_back(self, from_ms: int) -> Iterator[TapeTrade]:
        for place in range(bisect_right(self._opens, from_ms) - 1, -1, -1):
            for trade in reversed(self._played(self._bars[place])):
                if trade.time_ms <= from_ms:
                    yield trade

    def _played(self, bar: Bar) -> list[TapeTrade]:
        if not bar.volume:
            return []
        rising = bar.close >= bar.open
        prices = [bar.open, *((bar.low, bar.high) if rising else (bar.high, bar.low)), bar.close]
        quarter = (self.timeframe.next_open(bar.open_ms) - bar.open_ms) // 4
        played, before = [], bar.close if rising else bar.open
        number = bar.open_ms // 1000 * 4
        for n, (price, amount) in enumerate(zip(prices, self._split(decimal_of(bar.volume)), strict=True)):
            side = Side.BUY if price > before or (price == before and rising) else Side.SELL
            time_ms = bar.open_ms + n * quarter + (quarter - 1 if n == 3 else 0)
            played.append(TapeTrade(str(number + n), time_ms, decimal_of(price), amount, side))
            before = price
        return played

    def _split(self, volume: Decimal) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Four amounts that sum to ``volume``: whole amount steps where it has enough of them."""
        step = self._market.amount_step
        quarter = volume / 4
        if step and not volume % step and volume >= 4 * step:
            quarter = quarter // step * step
        return quarter, quarter, quarter, volume - 3 * quarter


class RecordedTrades(RecordedSource):
    """A tape (``id,timestamp_ms,side,price,amount``; .csv, .csv.gz or .parquet) as a market. Bars are exact sums."""

    def __init__(
        self, path: str | Path, symbol: str, *, market: Market | None = None, start_ms: int | None = None
    ) -> None:
        self._trades = _read_trades(Path(path))
        self._times = [trade.time_ms for trade in self._trades]
        if any(later < earlier for earlier, later in pairwise(self._times)):
            raise ValueError(f"{path}: trades are not in time order")
        market = market or _market_like(
            symbol, [trade.price for trade in self._trades], [trade.amount for trade in self._trades]
        )
        typical = sum((trade.amount for trade in self._trades[:1000]), Decimal(0)) / len(self._trades[:1000])
        start_ms = self._times[0] - 1 if start_ms is None else start_ms
        end_ms = self._times[-1] // 60_000 * 60_000 + 60_000  # the last minute may still close
        super().__init__(market, start_ms, end_ms, typical)

    def history(
        self, symbol: str, timeframe: str, since_ms: int, until_ms: int, limit: int, now_ms: int | None = None
    ) -> list[Bar]:
        frame = parse_timeframe(timeframe)
        now_ms = until_ms if now_ms is None else now_ms
        end_ms = min(frame.next_open(frame.floor(until_ms)) - 1, now_ms)
        place = bisect_left(self._times, _first_open(frame, since_ms))
        found: list[Bar] = []
        while place < len(self._times) and self._times[place] <= end_ms and len(found) < limit:
            close_ms = frame.next_open(frame.floor(self._times[place]))
            after = min(bisect_left(self._times, close_ms, place), bisect_right(self._times, end_ms))
            found += self._bars_of(place, after, frame)
            place = after
        return found

    def last_bars(self, symbol: str, timeframe: str, until_ms: int, limit: int, now_ms: int | None = None) -> list[Bar]:
        frame = parse_timeframe(timeframe)
        now_ms = until_ms if now_ms is None else now_ms
        place = bisect_right(self._times, min(frame.next_open(frame.floor(until_ms)) - 1, now_ms))
        found: list[Bar] = []
        while place and len(found) < limit:
            first = bisect_left(self._times, frame.floor(self._times[place - 1]))
            found += self._bars_of(first, place, frame)
            place = first
        return found[::-1]

    def _bars_of(self, first: int, after: int, frame: Timeframe) -> list[Bar]:
        return bars_from_trades(
            ((trade.time_ms, float(trade.price), trade.amount) for trade in self._trades[first:after]), frame
        )

    def _tape(self, after_ms: int, to_ms: int) -> Iterator[TapeTrade]:
        for place in range(bisect_right(self._times, after_ms), bisect_right(self._times, to_ms)):
            yield self._trades[place]

    def _tape_back(self, from_ms: int) -> Iterator[TapeTrade]:
        for place in range(bisect_right(self._times, from_ms) - 1, -1, -1):
            yield self._trades[place]


def _first_open(frame: Timeframe, since_ms: int) -> int:
    """The first bar of ``frame`` that opens at or after ``since_ms``."""
    floor_ms = frame.floor(since_ms)
    return floor_ms if floor_ms == since_ms else frame.next_open(floor_ms)


# ------------------------------------------------------------------ files


def _rows(path: Path, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
    """Rows of the file, the values in the order of ``columns``: found by their names where the file has a header."""
    if path.suffix == ".parquet":
        yield from _parquet_rows(path, columns)
        return
    places = list(range(len(columns)))
    open_text = gzip.open if path.suffix == ".gz" else open
    with cast("IO[str]", open_text(path, "rt", newline="")) as lines:
        for number, row in enumerate(csv.reader(lines), start=1):
            if len(row) < len(columns):
                raise ValueError(f"{path}, line {number}: {len(row)} columns instead of {len(columns)}")
            if number == 1 and not row[places[-1]].replace(".", "", 1).isdigit():
                places = _places(row, columns)
            else:
                yield [row[place] for place in places]


def _places(header: Sequence[str], columns: Sequence[str]) -> list[int]:
    """Where each column stands; a header of other names has them in the usual order."""
    names = [_COLUMN_NAMES.get(name.strip().lower(), name.strip().lower()) for name in header]
    return [names.index(name) for name in columns] if set(columns) <= set(names) else list(range(len(columns)))


def _parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ValueError(f"{path}: parquet files need pyarrow (pip install 'btccxt[history]')") from error
    file = parquet.ParquetFile(path)
    places = _places(file.schema_arrow.names, columns)
    for batch in file.iter_batches():
        yield from zip(*(batch.columns[place].to_pylist() for place in places), strict=True)


def _time_ms(value: Any) -> int:
    """Milliseconds, or a time as exports of the lake write it: a datetime or its text, UTC where no zone is told."""
    if isinstance(value, str) and not value.lstrip("-").isdigit():
        value = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    if not isinstance(value, datetime):
        return int(value)
    return int((value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp() * 1000)


def _read_bars(path: Path, timeframe: Timeframe) -> list[Bar]:
    bars: list[Bar] = []
    for row in _rows(path, _BAR_COLUMNS):
        bar = Bar(_time_ms(row[0]), *(float(value) for value in row[1:6]))
        if bars and bar.open_ms <= bars[-1].open_ms:
            raise ValueError(f"{path}: bar {bar.open_ms} is not after {bars[-1].open_ms}")
        if timeframe.floor(bar.open_ms) != bar.open_ms:
            raise ValueError(f"{path}: bar {bar.open_ms} does not open on a multiple of {timeframe.name}")
        bars.append(bar)
    if not bars:
        raise ValueError(f"{path}: no bars")
    return bars


def _read_trades(path: Path) -> list[TapeTrade]:
    trades = []
    for row in _rows(path, _TRADE_COLUMNS):
        side = Side(row[2]) if row[2] else None
        trades.append(TapeTrade(str(row[0]), _time_ms(row[1]), decimal_of(row[3]), decimal_of(row[4]), side))
    if not trades:
        raise ValueError(f"{path}: no trades")
    return trades


def _market_like(symbol: str, prices: Iterable[float | Decimal], amounts: Iterable[float | Decimal]) -> Market:
    """A market whose steps are as fine as the recorded numbers."""
    make = linear_market if ":" in symbol else spot_market
    return make(symbol, price_step=plain(_finest(prices)), amount_step=plain(_finest(amounts)))


def _finest(numbers: Iterable[float | Decimal]) -> Decimal:
    places = 0
    for number in numbers:
        exponent = decimal_of(number).normalize().as_tuple().exponent
        places = max(places, -exponent if isinstance(exponent, int) else 0)
    return Decimal(1).scaleb(-places)
