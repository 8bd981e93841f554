"""Longer bars of shorter ones, or of trades: what ``resampledata`` and ``replaydata`` put on a data of ours.

Backtrader's own judge in two clocks (whether a bar is over in UTC, where its edges are in local time) and wait with a
day for the first bar of the next one. These go by ``bars/periods.py``: every bar belongs to the period that contains
its last instant, and the period is delivered, stamped at its end, with the bar that reaches it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Any, Protocol

from btccxt.bars.periods import PeriodGrid, PeriodUnit
from btccxt.bt.compat import bt
from btccxt.bt.time import day_num, ms_of_num, num_of_ms
from btccxt.errors import ConfigError

_TF = bt.TimeFrame
_UNITS = {
    _TF.Seconds: PeriodUnit.SECOND,
    _TF.Minutes: PeriodUnit.MINUTE,
    _TF.Days: PeriodUnit.DAY,
    _TF.Weeks: PeriodUnit.WEEK,
    _TF.Months: PeriodUnit.MONTH,
    _TF.Years: PeriodUnit.YEAR,
}
_APPROXIMATE_MS = {
    _TF.Ticks: 0,
    _TF.Seconds: 1_000,
    _TF.Minutes: 60_000,
    _TF.Days: 86_400_000,
    _TF.Weeks: 604_800_000,
    _TF.Months: 31 * 86_400_000,
    _TF.Years: 366 * 86_400_000,
}
_OPTIONS = ("bar2edge", "adjbartime", "rightedge", "boundoff", "takelate", "sessionend", "timeframe", "compression")


class GroupedData(Protocol):
    """What a grouping needs of the data that it is put on."""

    replaying: int
    _timeframe: int
    _compression: int
    _row_lines: tuple[bt.LineBuffer, ...]
    _all_lines: tuple[bt.LineBuffer, ...]
    stamps_begin: bool
    label: str

    @property
    def zone(self) -> tzinfo | None: ...
    @property
    def day_ends_ms(self) -> int:
        """Local wall time at which a day ends; 0: midnight."""

    @property
    def stamps_day_ends(self) -> bool:
        """Whether this run stamps a close with 23:59:59.99999 of the day that it ends."""

    def row_end_ms(self, stamp_ms: int) -> int:
        """Close of the bar with this stamp; the instant itself for a trade."""

    def backwards(self, size: int = 1, force: bool = False) -> None: ...
    def _add2stack(self, bar: list[float], stash: bool = False) -> None: ...
    def grow(self, values: list[float], *, begins: bool) -> None: ...


class _Sum:
    """Adds floats without losing what rounding drops (Neumaier), so that volume in equals volume out."""

    __slots__ = ("_lost", "_total")

    def __init__(self, first: float) -> None:
        self._total, self._lost = first, 0.0

    def add(self, value: float) -> None:
        total = self._total + value
        if abs(self._total) >= abs(value):
            self._lost += (self._total - total) + value
        else:
            self._lost += (value - total) + self._total
        self._total = total

    @property
    def value(self) -> float:
        return self._total + self._lost


class _Forming:
    """A longer bar under way. ``end_ms`` None: it ends with its ``count``-th part."""

    __slots__ = ("begin_ms", "close", "end_ms", "high", "interest", "low", "more", "open", "parts", "stamp", "volume")

    def __init__(self, begin_ms: int, end_ms: int | None, row: Sequence[float], more: Sequence[float]) -> None:
        self.begin_ms, self.end_ms, self.parts = begin_ms, end_ms, 1
        self.stamp, self.open, self.high, self.low, self.close, volume, self.interest = row
        self.volume = _Sum(volume)
        self.more = more

    def add(self, row: Sequence[float], more: Sequence[float]) -> None:
        self.parts += 1
        self.stamp, _, high, low, self.close, volume, self.interest = row
        self.high = high if high > self.high else self.high
        self.low = low if low < self.low else self.low
        self.volume.add(volume)
        self.more = more


class Grouping:
    """The common half; as backtrader's filters, an instance is called with its data after every row."""

    replaying = False

    def __init__(self, data: GroupedData, **options: Any) -> None:
        _check_options(options, self.replaying)
        self.timeframe: int = options.get("timeframe", _TF.Days)
        self.compression: int = options.get("compression", 1)
        self._offset: int = options.get("boundoff", 0)
        self._right_edge: bool = options.get("rightedge", True)
        self._adjusts_time: bool = options.get("adjbartime", True)
        self._by_count = self.timeframe == _TF.Ticks or not options.get("bar2edge", True)
        self._count = _parts_per_bar(data, self.timeframe, self.compression) if self._by_count else 0
        _check_longer(data, self.timeframe, self.compression)
        data.replaying = int(self.replaying)
        data._timeframe = self.timeframe
        data._compression = self.compression
        self.restart()

    def restart(self) -> None:
        """A new run begins."""
        self._grid: PeriodGrid | None = None
        self._places: tuple[int, ...] = ()
        self._more: tuple[bt.LineBuffer, ...] = ()
        self._forming: _Forming | None = None
        self.closed_to_ms = -(2**62)
        """End of the last period delivered: what closed earlier comes too late."""

    def begin(self, data: GroupedData) -> None:
        """The data's zone is known."""
        rows, lines = {id(line) for line in data._row_lines}, data._all_lines
        self._more = tuple(line for line in lines if id(line) not in rows)
        order = {id(line): place for place, line in enumerate((*data._row_lines, *self._more))}
        self._places = tuple(order[id(line)] for line in lines)
        if not self._by_count:
            unit, count = _UNITS[self.timeframe], self.compression
            self._grid = PeriodGrid(unit, count, data.zone, day_ends_ms=data.day_ends_ms, offset=self._offset)

    @property
    def due_ms(self) -> int | None:
        """When the forming bar is over; None without one, or if only a row can tell."""
        return None if self._forming is None else self._forming.end_ms

    def last_instant_ms(self, data: GroupedData, stamp_ms: int) -> int:
        """The instant by which a row is counted to its period."""
        return stamp_ms if data.stamps_begin else stamp_ms - 1

    def _lines_of(self, data: GroupedData, forming: _Forming, stamp: float) -> list[float]:
        row = (
            stamp, forming.open, forming.high, forming.low, forming.close, forming.volume.value, forming.interest,
            *forming.more,
        )  # fmt: skip
        return [row[place] for place in self._places]

    def _take_row(self, data: GroupedData) -> tuple[_Forming, bool, bool]:
        """The bar that the newest row is part of, whether it begins with it, and whether it ends with it."""
        if not self._places:
            self.begin(data)
        row = [line[0] for line in data._row_lines]
        more = [line[0] for line in self._more]
        stamp_ms = ms_of_num(row[0])
        forming = self._forming
        if self._grid is None:
            begins = forming is None
            if forming is None:
                forming = self._forming = _Forming(stamp_ms, None, row, more)
            else:
                forming.add(row, more)
            return forming, begins, forming.parts >= self._count
        if forming is not None and forming.end_ms is not None:
            # Late, and let through: it counts to what has not been delivered yet.
            instant_ms = max(self.last_instant_ms(data, stamp_ms), forming.begin_ms)
            if instant_ms >= forming.end_ms:
                self._over(data)
                forming = None
        else:
            instant_ms = max(self.last_instant_ms(data, stamp_ms), self.closed_to_ms)
        begins = forming is None
        if forming is None:
            period = self._grid.period(instant_ms)
            forming = self._forming = _Forming(period.begin_ms, period.end_ms, row, more)
        else:
            forming.add(row, more)
        assert forming.end_ms is not None
        return forming, begins, data.row_end_ms(stamp_ms) >= forming.end_ms

    def _over(self, data: GroupedData) -> None:
        """The forming bar gets no more rows."""
        raise NotImplementedError

    def check(self, data: GroupedData, until_ms: float) -> None:
        """Everything that closed until ``until_ms`` has arrived: end the forming bar if that is its end."""
        if self.due_ms is not None and self.due_ms <= until_ms:
            self._over(data)


class ResampledBars(Grouping):
    """Only whole longer bars are seen."""

    def __call__(self, data: GroupedData) -> bool:
        _, _, ends = self._take_row(data)
        data.backwards()
        if ends:
            self._over(data)
        return True

    def _over(self, data: GroupedData) -> None:
        forming, self._forming = self._forming, None
        assert forming is not None
        stamp = forming.stamp
        if forming.end_ms is not None:
            self.closed_to_ms = forming.end_ms
            if self._adjusts_time:
                edge_ms = forming.end_ms if self._right_edge else forming.begin_ms
                stamp = (day_num if data.stamps_day_ends and self._right_edge else num_of_ms)(edge_ms)
        data._add2stack(self._lines_of(data, forming, stamp))


class ReplayedBars(Grouping):
    """The longer bar is seen while it grows, at the stamp of its newest part; the next one begins a new bar."""

    replaying = True

    def __call__(self, data: GroupedData) -> bool:
        forming, begins, ends = self._take_row(data)
        data.grow(self._lines_of(data, forming, forming.stamp), begins=begins)
        if ends:
            self._over(data)
        return False

    def _over(self, data: GroupedData) -> None:
        self._forming = None


def replacement_of(stock: Any) -> type[Grouping] | None:
    """Ours for a class of backtrader's (or of somebody's, derived from it)."""
    if issubclass(stock, bt.resamplerfilter.Replayer):
        return ReplayedBars
    return ResampledBars if issubclass(stock, bt.resamplerfilter.Resampler) else None


def options_of(stock: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The options of such a class with what was given."""
    pairs: Callable[[], dict[str, Any]] = stock.params._getpairs
    return {"timeframe": pairs().get("timeframe", _TF.Days), **given}


def _check_options(options: dict[str, Any], replaying: bool) -> None:
    what = "replaydata" if replaying else "resampledata"
    for name in options:
        if name not in _OPTIONS:
            near = difflib.get_close_matches(name, _OPTIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_OPTIONS)}"
            raise ConfigError(f"{what}() has no argument {name!r}; {hint}")
    timeframe, compression = options.get("timeframe", _TF.Days), options.get("compression", 1)
    if timeframe not in _APPROXIMATE_MS:
        raise ConfigError(
            f"{what}(timeframe={timeframe!r}): use bt.TimeFrame.Ticks, Seconds, Minutes, Days, Weeks, Months or Years"
        )
    if isinstance(compression, bool) or not isinstance(compression, int) or compression < 1:
        raise ConfigError(f"{what}(compression={compression!r}): must be a whole number of 1 or more")
    if replaying and options.get("adjbartime", False):
        raise ConfigError("replaydata(adjbartime=True): a replayed bar carries the stamp of its newest part")


def _check_longer(data: GroupedData, timeframe: int, compression: int) -> None:
    own, wanted = _length_ms(data._timeframe, data._compression), _length_ms(timeframe, compression)
    if wanted < own:
        names = bt.TimeFrame.Names
        raise ConfigError(
            f"{data.label}: {compression} {names[timeframe]} cannot be made of {data._compression} "
            f"{names[data._timeframe]}: take shorter bars, or trades (timeframe=bt.TimeFrame.Ticks)"
        )


def _parts_per_bar(data: GroupedData, timeframe: int, compression: int) -> int:
    """How many rows make a bar that is counted, not cut at the edges of a clock."""
    own, wanted = _length_ms(data._timeframe, data._compression), _length_ms(timeframe, compression)
    if timeframe == data._timeframe:
        own, wanted = data._compression, compression
    if not own or wanted % own:
        raise ConfigError(f"{data.label}: bar2edge=False needs bars of which a longer one is a whole number")
    return wanted // own


def _length_ms(timeframe: int, compression: int) -> int:
    return _APPROXIMATE_MS.get(timeframe, 0) * compression
