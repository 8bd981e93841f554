"""Backtrader's notion of time: its timeframes in the exchange's notation, its bar stamps, its time zones."""

from __future__ import annotations

import difflib
import zoneinfo
from array import array
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from btccxt.timeframe import Timeframe, parse_timeframe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EPOCH_NUM = 719163  # 1970-01-01 in backtrader's (matplotlib's old) day numbers
_DAY_MS = 86_400_000


def num_of_ms(time_ms: int) -> float:
    """Day number of an instant."""
    days, rest_ms = divmod(time_ms, _DAY_MS)
    return _EPOCH_NUM + days + rest_ms / _DAY_MS


def ms_of_num(num: float) -> int:
    """Milliseconds since the epoch; ``backtrader.num2date`` truncates and is off by one half the time."""
    return round((num - _EPOCH_NUM) * _DAY_MS)


_TF = bt.TimeFrame
_MS_PER = {_TF.Seconds: 1_000, _TF.Minutes: 60_000, _TF.Days: 86_400_000, _TF.Weeks: 604_800_000}
_MONTHS_PER = {_TF.Months: 1, _TF.Years: 12}
_UNITS_MS = (("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))
_OWN_UNIT = {_TF.Seconds: "s", _TF.Minutes: "m", _TF.Days: "d", _TF.Weeks: "w", _TF.Months: "M", _TF.Years: "y"}
DAY_END = bt.utils.date.time2num(bt.utils.date.TIME_MAX)
"""Fraction of a day at which backtrader ends its sessions: 23:59:59.99999."""


# ------------------------------------------------------------------ timeframes


def check_timeframe(timeframe: Any, compression: Any) -> None:
    """Raises ConfigError for what is not one of backtrader's numbers, and says how it is written with them."""
    if timeframe not in range(len(_TF.Names)):  # of strings, too
        raise ConfigError(f"timeframe={timeframe!r}: {_written_with_numbers(str(timeframe))}")
    if isinstance(compression, bool) or not isinstance(compression, int):
        raise ConfigError(f"compression={compression!r}: must be a whole number, as in compression=5")


def _written_with_numbers(word: str) -> str:
    try:
        return f"write {_as_arguments(parse_timeframe(word))}"
    except (ConfigError, StopIteration):
        names = [name for name in _TF.Names if name]
        near = difflib.get_close_matches(word.capitalize(), names, n=1, cutoff=0.5)
        return f"write timeframe=bt.TimeFrame.{near[0] if near else 'Minutes, compression=5'}"


def check_date(name: str, value: Any) -> None:
    """Raises ConfigError for what is neither a date nor a datetime."""
    if value is None or isinstance(value, date):
        return
    try:
        example = repr(datetime.fromisoformat(str(value)))
    except ValueError:
        example = "datetime.datetime(2026, 1, 31)"
    raise ConfigError(f"{name}={value!r}: give a datetime, as in {name}={example}")


def timeframe_names(timeframe: int, compression: int) -> tuple[str, ...]:
    """ccxt's names for a backtrader timeframe, the usual one first: (Minutes, 120) -> '2h', '120m', '7200s'.

    Raises ConfigError where no candle can have that timeframe (Ticks, MicroSeconds, NoTimeFrame).
    """
    if compression < 1:
        raise ConfigError(f"compression={compression}: must be 1 or more")
    if timeframe in _MONTHS_PER:
        months = compression * _MONTHS_PER[timeframe]
        names = [f"{months}M"] + ([f"{months // 12}y"] if months % 12 == 0 else [])
        return tuple(names[::-1] if timeframe == _TF.Years or months >= 12 else names)
    if timeframe not in _MS_PER:
        raise ConfigError(
            f"timeframe {bt.TimeFrame.Names[timeframe]} has no candles; "
            "use Ticks (single trades), Seconds, Minutes, Days, Weeks, Months or Years"
        )
    length_ms = compression * _MS_PER[timeframe]
    names = [f"{length_ms // unit_ms}{unit}" for unit, unit_ms in _UNITS_MS if length_ms % unit_ms == 0]
    if timeframe == _TF.Days:  # '7d' is aligned to the epoch, '1w' to Monday: the user's own unit goes first
        own = f"{compression}d"
        names = [own, *(name for name in names if name != own)]
    return tuple(names)


def offered_name(timeframe: int, compression: int, offered: Collection[str], symbol: str, exchange: str) -> str:
    """The name under which the exchange offers this timeframe; ConfigError naming the nearest ones otherwise."""
    names = timeframe_names(timeframe, compression)
    for name in names:
        if name in offered:
            return name
    wanted = parse_timeframe(names[0])
    known = sorted((parse_timeframe(name) for name in offered), key=lambda frame: frame.approximate_ms)
    by_distance = sorted(known, key=lambda frame: _distance(frame, wanted))
    nearest = " and ".join(frame.name for frame in sorted(by_distance[:2], key=lambda frame: frame.approximate_ms))
    text = f"{exchange} has no {names[0]} candles. Nearest: {nearest}. All: {', '.join(frame.name for frame in known)}."
    base = _largest_part(known, wanted)
    if base is not None:
        unit = bt.TimeFrame.Names[timeframe]
        text += (
            f" To build {names[0]} bars from {base.name}: cerebro.resampledata(store.getdata(dataname={symbol!r}, "
            f"{_as_arguments(base)}), timeframe=bt.TimeFrame.{unit}, compression={compression})."
        )
    raise ConfigError(text)


def _distance(frame: Timeframe, wanted: Timeframe) -> float:
    ratio = frame.approximate_ms / wanted.approximate_ms
    return max(ratio, 1 / ratio)


def _largest_part(known: Iterable[Timeframe], wanted: Timeframe) -> Timeframe | None:
    """The longest offered timeframe of which ``wanted`` is a whole number."""
    length_ms = wanted.length_ms or _DAY_MS  # months and years are whole days
    parts = [frame for frame in known if frame.length_ms and length_ms % frame.length_ms == 0]
    parts = [frame for frame in parts if frame.length_ms != wanted.length_ms]
    return parts[-1] if parts else None


def arguments_of(name: str) -> dict[str, int]:
    """``'4h'`` -> ``{'timeframe': bt.TimeFrame.Minutes, 'compression': 240}``, as ``getdata`` takes it; also 'ticks'.

    Raises ConfigError.
    """
    if name.lower() == "ticks":
        return {"timeframe": _TF.Ticks, "compression": 1}
    frame = parse_timeframe(name)
    unit, count = ("m", frame.count * 60) if frame.unit == "h" else (frame.unit, frame.count)
    timeframe = next(timeframe for timeframe, own in _OWN_UNIT.items() if own == unit)
    return {"timeframe": timeframe, "compression": count}


def _as_arguments(frame: Timeframe) -> str:
    given = arguments_of(frame.name)
    return f"timeframe=bt.TimeFrame.{bt.TimeFrame.Names[given['timeframe']]}, compression={given['compression']}"


# ------------------------------------------------------------------ stamps


def day_num(close_ms: int) -> float:
    """Day number of a close, as the end of the session that it ends: backtrader's 23:59:59.99999 for midnight."""
    return num_of_ms(close_ms - _DAY_MS) + DAY_END


class Stamper:
    """Which day number a bar carries: that of its close, or of its open with ``at_open``.

    An hour bar stamped at its open would be seen 59 minutes too early beside minute bars; whoever wants the exchange's
    stamp nevertheless gets it. A day and longer closes at 23:59:59.99999, since by that backtrader knows which day it
    was; ``beside_shorter`` in a run that has shorter bars or trades too, where equal instants need equal stamps, or the
    day would be seen before its last hour.
    """

    __slots__ = ("_at_open", "_ends_day", "_frame")

    def __init__(self, frame: Timeframe, bt_timeframe: int, at_open: bool, *, beside_shorter: bool = False) -> None:
        self._frame = frame
        self._ends_day = bt_timeframe >= _TF.Days and not beside_shorter
        self._at_open = at_open

    def num(self, open_ms: int) -> float:
        if self._at_open:
            return num_of_ms(open_ms)
        close_ms = self._frame.next_open(open_ms)
        return day_num(close_ms) if self._ends_day else num_of_ms(close_ms)

    def nums(self, opens_ms: Sequence[int]) -> list[float]:
        """``num`` of many, in a tenth of the time."""
        length_ms = self._frame.length_ms
        if length_ms is None:
            return [self.num(open_ms) for open_ms in opens_ms]
        shift_ms, addend = self._shift(length_ms)
        nums = [
            _EPOCH_NUM + days + rest / _DAY_MS for days, rest in [divmod(ms + shift_ms, _DAY_MS) for ms in opens_ms]
        ]
        return [num + addend for num in nums] if addend else nums

    def nums_of(self, opens_ms: NDArray[np.int64]) -> array[float]:
        """The same of a numpy column, to the last bit."""
        length_ms = self._frame.length_ms
        if length_ms is None:
            return array("d", self.nums(opens_ms.tolist()))
        shift_ms, addend = self._shift(length_ms)
        shifted = opens_ms + shift_ms
        days = shifted // _DAY_MS
        nums = (days + _EPOCH_NUM) + (shifted - days * _DAY_MS) / _DAY_MS
        return array("d", (nums + addend if addend else nums).tobytes())

    def _shift(self, length_ms: int) -> tuple[int, float]:
        """What is added to an open (ms), and then to its day number."""
        if self._at_open:
            return 0, 0.0
        return (length_ms - _DAY_MS, DAY_END) if self._ends_day else (length_ms, 0.0)


# ------------------------------------------------------------------ time zones


class LocalizedZone(tzinfo):
    """Any standard ``tzinfo`` with the ``localize`` that backtrader (made for pytz) calls."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone

    def localize(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=self)

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return self.zone.utcoffset(_in_zone(moment, self.zone))

    def dst(self, moment: datetime | None) -> timedelta | None:
        return self.zone.dst(_in_zone(moment, self.zone))

    def tzname(self, moment: datetime | None) -> str | None:
        return self.zone.tzname(_in_zone(moment, self.zone))

    def fromutc(self, moment: datetime) -> datetime:
        return self.zone.fromutc(moment.replace(tzinfo=self.zone)).replace(tzinfo=self)

    def __repr__(self) -> str:
        return f"LocalizedZone({self.zone!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (LocalizedZone, (self.zone,))


def _in_zone(moment: datetime | None, zone: tzinfo) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=zone)


def backtrader_zone(tz: Any) -> Any:
    """A zone that backtrader can use, from a name, a ``zoneinfo``, a ``datetime.timezone`` or pytz; None stays None.

    Raises ConfigError for a name that nobody knows.
    """
    if tz is None or hasattr(tz, "localize"):
        return tz
    if isinstance(tz, tzinfo):
        return LocalizedZone(tz)
    try:
        return LocalizedZone(zoneinfo.ZoneInfo(tz))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        near = difflib.get_close_matches(str(tz), zoneinfo.available_timezones(), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; write it like 'Europe/Berlin', or pass a tzinfo"
        raise ConfigError(f"tz={tz!r} is not a time zone{hint}") from None
