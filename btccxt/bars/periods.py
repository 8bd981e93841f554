"""Which bars belong together (pure): periods of seconds to years, counted from the midnights of a time zone.

A period is a range of instants, so that lengths, order and "is it over" are never judged in local time.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from enum import Enum

_DAY_MS = 86_400_000
_MONDAY = 4  # 1970-01-05 was a Monday
_EPOCH = date(1970, 1, 1).toordinal()


class PeriodUnit(Enum):
    MILLISECOND = 1
    SECOND = 1_000
    MINUTE = 60_000
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Period:
    """Every instant with ``begin_ms <= instant < end_ms``."""

    begin_ms: int
    end_ms: int


class PeriodGrid:
    """Periods of ``count`` units in ``zone`` (None: UTC).

    Minutes and seconds are counted on the wall clock from the local midnight, the last period of a day being as long as
    the day allows; where a change of summer time repeats an hour, a boundary is not repeated sooner than a period is
    long. Days are counted from 1970-01-01, weeks from Monday, months and years from January, as exchanges do.
    ``day_ends_ms``: wall time at which a day ends, 0 for midnight (New York's 17:00 is 61_200_000). ``offset``: moves
    the boundaries of minutes and seconds to so many units earlier.
    """

    def __init__(
        self, unit: PeriodUnit, count: int, zone: tzinfo | None = None, *, day_ends_ms: int = 0, offset: int = 0
    ) -> None:
        if count < 1:
            raise ValueError(f"a period of {count} units")
        self._unit = unit
        self._count = count
        self._zone = zone
        self._day_ends_ms = day_ends_ms
        self._length_ms = unit.value * count if isinstance(unit.value, int) else 0
        self._offset_ms = offset * unit.value if isinstance(unit.value, int) else 0
        self._newest = Period(0, 0)
        self._wall_day = _WallDay(0, 0, 0, [])
        self._days: dict[int, int] = {}

    def period(self, time_ms: int) -> Period:
        """The one that contains this instant."""
        newest = self._newest
        if not newest.begin_ms <= time_ms < newest.end_ms:
            newest = self._newest = self._find(time_ms)
        return newest

    # -------------------------------------------------------------- inside

    def _find(self, time_ms: int) -> Period:
        day = self._day_of(time_ms)
        if not self._length_ms:
            first, after = self._days_of_period(day)
            return Period(self._begin_of(first), self._begin_of(after))
        wall_day = self._wall_day
        if not wall_day.begin_ms <= time_ms < wall_day.end_ms:
            wall_day = self._wall_day = self._find_wall_day(time_ms)
        place = bisect_right(wall_day.edges_ms, time_ms)
        begin_ms, end_ms = wall_day.edges_ms[place - 1], wall_day.edges_ms[place]
        if wall_day.length_ms:  # an even day: its boundaries need no list
            wall_ms = time_ms - wall_day.begin_ms + self._offset_ms
            begin_ms = max(begin_ms, time_ms - wall_ms % wall_day.length_ms)
            end_ms = min(end_ms, time_ms - wall_ms % wall_day.length_ms + wall_day.length_ms)
        if self._day_ends_ms:  # a period of two sessions there is not
            begin_ms, end_ms = max(begin_ms, self._begin_of(day)), min(end_ms, self._begin_of(day + 1))
        return Period(begin_ms, end_ms)

    def _days_of_period(self, day: int) -> tuple[int, int]:
        count = self._count
        if self._unit is PeriodUnit.DAY:
            first = day - day % count
            return first, first + count
        if self._unit is PeriodUnit.WEEK:
            first = day - (day - _MONDAY) % (7 * count)
            return first, first + 7 * count
        months = count if self._unit is PeriodUnit.MONTH else 12 * count
        local = date.fromordinal(_EPOCH + day)
        number = local.year * 12 + local.month - 1
        number -= number % months
        return _month_begin(number), _month_begin(number + months)

    # -------------------------------------------------------------- days

    def _day_of(self, time_ms: int) -> int:
        """Days since 1970-01-01 of the local day (that ends at ``day_ends_ms``) that contains the instant."""
        day = (self._wall_ms(time_ms) - self._day_ends_ms) // _DAY_MS + (1 if self._day_ends_ms else 0)
        # A clock put back over midnight shows yesterday once more; a day that has begun stays.
        while time_ms >= self._begin_of(day + 1):
            day += 1
        while time_ms < self._begin_of(day):
            day -= 1
        return day

    def _begin_of(self, day: int) -> int:
        begin_ms = self._days.get(day)
        if begin_ms is None:
            if len(self._days) > 1_000:
                self._days.clear()
            wall_ms = day * _DAY_MS if not self._day_ends_ms else (day - 1) * _DAY_MS + self._day_ends_ms
            begin_ms = self._days[day] = self._instant_of(wall_ms)
        return begin_ms

    def _instant_of(self, wall_ms: int) -> int:
        """The instant after which the wall clock does not show less again; where it jumps over it, the jump."""
        if self._zone is None:
            return wall_ms
        offsets = {self._offset_at(wall_ms - _DAY_MS), self._offset_at(wall_ms + _DAY_MS)}
        candidates = sorted((wall_ms - offset_ms for offset_ms in offsets), reverse=True)
        for instant_ms in candidates:
            if self._wall_ms(instant_ms) >= wall_ms > self._wall_ms(instant_ms - 1):
                return instant_ms
        return candidates[0]

    def _wall_ms(self, time_ms: int) -> int:
        return time_ms if self._zone is None else time_ms + self._offset_at(time_ms)

    def _offset_at(self, time_ms: int) -> int:
        if self._zone is None:
            return 0
        local = datetime.fromtimestamp(time_ms // 1000, timezone.utc).astimezone(self._zone)
        return round((local.utcoffset() or timedelta()).total_seconds() * 1000)

    # -------------------------------------------------------------- minutes and seconds

    def _find_wall_day(self, time_ms: int) -> _WallDay:
        """The local day, midnight to midnight, that contains the instant."""
        day = self._wall_ms(time_ms) // _DAY_MS
        while time_ms >= (end_ms := self._instant_of((day + 1) * _DAY_MS)):
            day += 1
        while time_ms < (begin_ms := self._instant_of(day * _DAY_MS)):
            end_ms = begin_ms
            day -= 1
        length_ms = self._length_ms
        parts = self._even_parts(begin_ms, end_ms)
        if len(parts) == 1 and begin_ms + parts[0].offset_ms == day * _DAY_MS:
            return _WallDay(begin_ms, end_ms, length_ms, [begin_ms, end_ms])
        edges = [begin_ms]
        highest_ms = -_DAY_MS  # on the wall, counted from midnight, in the parts before
        for part in parts:
            wall_ms = part.begin_ms + part.offset_ms - day * _DAY_MS + self._offset_ms
            if part.begin_ms > begin_ms and wall_ms // length_ms > (highest_ms - 1) // length_ms:
                edges.append(part.begin_ms)  # the clock jumped over a boundary
            edge_ms = part.begin_ms + -wall_ms % length_ms
            while edge_ms < part.end_ms:
                is_repeated = wall_ms + edge_ms - part.begin_ms < highest_ms
                if edge_ms > edges[-1] and not (is_repeated and edge_ms - edges[-1] < length_ms):
                    edges.append(edge_ms)
                edge_ms += length_ms
            highest_ms = wall_ms + part.end_ms - part.begin_ms
        return _WallDay(begin_ms, end_ms, 0, [*edges, end_ms])

    def _even_parts(self, begin_ms: int, end_ms: int) -> list[_Part]:
        first_ms, last_ms = self._offset_at(begin_ms), self._offset_at(end_ms - 1)
        if first_ms == last_ms:
            return [_Part(begin_ms, end_ms, first_ms)]
        low_ms, high_ms = begin_ms, end_ms - 1
        while high_ms - low_ms > 1:
            middle_ms = (low_ms + high_ms) // 2
            low_ms, high_ms = (middle_ms, high_ms) if self._offset_at(middle_ms) == first_ms else (low_ms, middle_ms)
        return [_Part(begin_ms, high_ms, first_ms), _Part(high_ms, end_ms, last_ms)]


@dataclass(frozen=True, slots=True)
class _Part:
    """Part of a day without a change of the clock."""

    begin_ms: int
    end_ms: int
    offset_ms: int


@dataclass(frozen=True, slots=True)
class _WallDay:
    """A local day and where its periods begin; ``length_ms`` 0: all of them are among ``edges_ms``."""

    begin_ms: int
    end_ms: int
    length_ms: int
    edges_ms: list[int]


def _month_begin(number: int) -> int:
    return date(number // 12, number % 12 + 1, 1).toordinal() - _EPOCH
