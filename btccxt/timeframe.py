"""Timeframes in ccxt's notation ('1s', '1m', '4h', '1d', '1w', '1M', '3M', '1y') and their arithmetic in UTC.

Fixed lengths are aligned to the epoch, weeks to Monday, months and years to the calendar, as exchanges do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache

from btccxt.errors import ConfigError

_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_MONDAY_MS = 4 * _UNIT_MS["d"]  # 1970-01-05 was the first Monday
_MONTHS = {"M": 1, "y": 12}
_PATTERN = re.compile(r"([1-9]\d*)([smhdwMy])")


@dataclass(frozen=True, slots=True)
class Timeframe:
    """A parsed timeframe. ``length_ms`` is None for calendar lengths (months, years)."""

    name: str
    count: int
    unit: str
    length_ms: int | None

    def floor(self, time_ms: int) -> int:
        """Open of the bar that contains ``time_ms``."""
        if self.length_ms is not None:
            anchor = _MONDAY_MS if self.unit == "w" else 0
            return time_ms - (time_ms - anchor) % self.length_ms
        moment = datetime.fromtimestamp(time_ms // 1000, tz=timezone.utc)
        months = moment.year * 12 + moment.month - 1
        return _month_start_ms(months - months % (self.count * _MONTHS[self.unit]))

    def next_open(self, open_ms: int) -> int:
        """Open of the bar after the one that opened at ``open_ms``; also that bar's close."""
        if self.length_ms is not None:
            return open_ms + self.length_ms
        moment = datetime.fromtimestamp(open_ms // 1000, tz=timezone.utc)
        return _month_start_ms(moment.year * 12 + moment.month - 1 + self.count * _MONTHS[self.unit])

    def previous_open(self, open_ms: int) -> int:
        """Open of the bar before the one that opened at ``open_ms``."""
        return self.floor(open_ms - 1)

    @property
    def approximate_ms(self) -> int:
        """Length for estimates (page counts, time-outs); a month counts as 31 days."""
        return self.length_ms or self.count * _MONTHS[self.unit] * 31 * _UNIT_MS["d"]


@lru_cache(maxsize=256)
def parse_timeframe(name: str) -> Timeframe:
    """``'15m'`` -> Timeframe. Raises ConfigError for anything that is not ccxt's notation."""
    match = _PATTERN.fullmatch(name)
    if match is None:
        raise ConfigError(f"timeframe {name!r} is not of the form '1m', '4h', '1d', '1M'")
    count, unit = int(match[1]), match[2]
    return Timeframe(name, count, unit, count * _UNIT_MS[unit] if unit in _UNIT_MS else None)


_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)([dhms]))")


def duration_ms(text: str) -> int:
    """``'90s'``, ``'1h30m'``, ``'2d'``, or a number of seconds -> milliseconds. Raises ConfigError."""
    text = text.strip()
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return int(sum(float(number) * _UNIT_MS[unit] for number, unit in parts))
    try:
        return int(float(text) * 1000)
    except (ValueError, OverflowError):
        raise ConfigError(f"{text!r} is no length of time; write it as 90s, 15m, 1h30m or 2d") from None


def _month_start_ms(months: int) -> int:
    return int(datetime(months // 12, months % 12 + 1, 1, tzinfo=timezone.utc).timestamp()) * 1000
