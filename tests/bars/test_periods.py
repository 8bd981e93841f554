"""Periods of a zone: whole, without a break, with the boundaries that a wall clock shows."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt.bars.periods import Period, PeriodGrid, PeriodUnit

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
U = PeriodUnit
ZONES = [
    None, "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Asia/Tokyo", "Australia/Lord_Howe",
    "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Cairo", "Pacific/Apia", "America/St_Johns", "Atlantic/Azores",
]  # fmt: skip
UNITS = [
    (U.SECOND, 90), (U.MINUTE, 1), (U.MINUTE, 7), (U.MINUTE, 60), (U.MINUTE, 120), (U.MINUTE, 360), (U.MINUTE, 1440),
    (U.DAY, 1), (U.DAY, 3), (U.WEEK, 1), (U.WEEK, 2), (U.MONTH, 1), (U.MONTH, 3), (U.YEAR, 1),
]  # fmt: skip


def zone_of(name: str | None) -> tzinfo | None:
    return None if name is None else zoneinfo.ZoneInfo(name)


def instant(zone: str, *parts: int, fold: int = 0) -> int:
    moment = datetime(*parts, tzinfo=zoneinfo.ZoneInfo(zone), fold=fold)  # type: ignore[misc,arg-type]
    return round(moment.timestamp() * 1000)


def local(time_ms: int, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, timezone.utc).astimezone(zone or timezone.utc)


times = st.integers(1_293_840_000, 1_893_456_000).map(lambda second: second * 1000 + 7)  # 2011 to 2030


@given(st.sampled_from(ZONES), st.sampled_from(UNITS), times)
def test_every_instant_is_in_one_period_and_the_next_begins_where_it_ends(
    name: str | None, unit: tuple[PeriodUnit, int], time_ms: int
) -> None:
    grid, fresh = PeriodGrid(*unit, zone_of(name)), PeriodGrid(*unit, zone_of(name))
    period = grid.period(time_ms)
    assert period.begin_ms <= time_ms < period.end_ms
    after = grid.period(period.end_ms)
    assert after.begin_ms == period.end_ms
    assert fresh.period(period.end_ms) == after  # whatever was asked before
    assert fresh.period(period.begin_ms) == fresh.period(period.end_ms - 1) == period


@given(st.sampled_from(ZONES), st.sampled_from([U.DAY, U.WEEK, U.MONTH, U.YEAR]), times)
def test_instants_of_one_period_have_one_date_key(name: str | None, unit: PeriodUnit, time_ms: int) -> None:
    zone = zone_of(name)
    period = PeriodGrid(unit, 1, zone).period(time_ms)

    def key(instant_ms: int) -> tuple[int, ...]:
        day = local(instant_ms, zone).date()
        if unit is U.WEEK:
            return day.isocalendar()[:2]
        return (day.year, *([day.month] if unit in (U.MONTH, U.DAY) else []), *([day.day] if unit is U.DAY else []))

    first, last = key(period.begin_ms), key(period.end_ms - 1)
    assert first == last == key(time_ms)
    assert key(period.end_ms) > last and key(period.begin_ms - 1) < first


@given(st.sampled_from(ZONES), st.sampled_from([1, 5, 30, 60, 240, 360]), times)
def test_minutes_are_counted_from_the_local_midnight(name: str | None, count: int, time_ms: int) -> None:
    zone = zone_of(name)
    period = PeriodGrid(U.MINUTE, count, zone).period(time_ms)
    begin, end = local(period.begin_ms, zone), local(period.end_ms, zone)
    if begin.utcoffset() == end.utcoffset():  # no change of the clock inside
        assert (begin.hour * 60 + begin.minute) % count == 0
        assert period.end_ms - period.begin_ms == count * MINUTE_MS
    inside = local(time_ms, zone)
    if local(time_ms - DAY_MS, zone).utcoffset() == local(time_ms + DAY_MS, zone).utcoffset():
        assert begin == inside.replace(
            hour=(inside.hour * 60 + inside.minute) // count * count // 60,
            minute=(inside.hour * 60 + inside.minute) // count * count % 60, second=0, microsecond=0,
        )  # fmt: skip


def lengths_of_day(count: int, zone: str, *day: int) -> list[float]:
    """Hours of each period of a local day."""
    grid, begin_ms = PeriodGrid(U.MINUTE, count, zone_of(zone)), instant(zone, *day)
    end_ms = PeriodGrid(U.DAY, 1, zone_of(zone)).period(begin_ms).end_ms
    hours = []
    while begin_ms < end_ms:
        period = grid.period(begin_ms)
        hours.append((period.end_ms - period.begin_ms) / HOUR_MS)
        begin_ms = period.end_ms
    assert begin_ms == end_ms
    return hours


@pytest.mark.parametrize(
    ("count", "zone", "day", "hours"),
    [
        (60, "Europe/Berlin", (2024, 10, 27), [1.0] * 25),
        (60, "Europe/Berlin", (2024, 3, 31), [1.0] * 23),
        (120, "Europe/Berlin", (2024, 10, 27), [2.0, 3.0] + [2.0] * 10),
        (120, "Europe/Berlin", (2024, 3, 31), [2.0, 1.0] + [2.0] * 10),
        (360, "America/New_York", (2024, 11, 3), [7.0, 6.0, 6.0, 6.0]),
        (360, "America/New_York", (2024, 3, 10), [5.0, 6.0, 6.0, 6.0]),
        (1440, "America/New_York", (2024, 3, 10), [23.0]),
        (60, "Australia/Lord_Howe", (2024, 4, 7), [1.0, 1.5] + [1.0] * 22),
        (420, "Asia/Kolkata", (2024, 1, 1), [7.0, 7.0, 7.0, 3.0]),
    ],
)
def test_a_day_on_which_the_clock_changes(count: int, zone: str, day: tuple[int, ...], hours: list[float]) -> None:
    assert lengths_of_day(count, zone, *day) == hours


def test_a_day_whose_midnight_does_not_exist_begins_with_the_jump() -> None:
    zone = "America/Sao_Paulo"
    period = PeriodGrid(U.DAY, 1, zone_of(zone)).period(instant(zone, 2017, 10, 15, 12))
    assert period == Period(instant(zone, 2017, 10, 15, 1), instant(zone, 2017, 10, 16))
    assert period.end_ms - period.begin_ms == 23 * HOUR_MS


def test_a_midnight_that_comes_twice_begins_one_day() -> None:
    zone = "Atlantic/Azores"
    period = PeriodGrid(U.DAY, 1, zone_of(zone)).period(instant(zone, 2024, 10, 27, 12))
    assert period == Period(instant(zone, 2024, 10, 27), instant(zone, 2024, 10, 28))
    assert period.end_ms - period.begin_ms == 25 * HOUR_MS


def test_days_may_end_at_another_time_than_midnight() -> None:
    zone, closes_ms = "America/New_York", 17 * HOUR_MS
    days = PeriodGrid(U.DAY, 1, zone_of(zone), day_ends_ms=closes_ms)
    assert days.period(instant(zone, 2024, 3, 10, 12)) == Period(
        instant(zone, 2024, 3, 9, 17), instant(zone, 2024, 3, 10, 17)
    )
    minutes = PeriodGrid(U.MINUTE, 360, zone_of(zone), day_ends_ms=closes_ms)
    assert minutes.period(instant(zone, 2024, 1, 9, 16)) == Period(
        instant(zone, 2024, 1, 9, 12), instant(zone, 2024, 1, 9, 17)
    )
    assert minutes.period(instant(zone, 2024, 1, 9, 17)) == Period(
        instant(zone, 2024, 1, 9, 17), instant(zone, 2024, 1, 9, 18)
    )


def test_boundaries_may_be_moved() -> None:
    grid = PeriodGrid(U.MINUTE, 60, offset=15)
    assert grid.period(10 * HOUR_MS) == Period(10 * HOUR_MS - 15 * MINUTE_MS, 11 * HOUR_MS - 15 * MINUTE_MS)


@given(st.sampled_from(UNITS[7:]), times)
def test_days_and_longer_are_those_of_the_exchange(unit: tuple[PeriodUnit, int], time_ms: int) -> None:
    if unit[0] is U.WEEK and unit[1] > 1:
        return
    from btccxt.timeframe import parse_timeframe

    name = f"{unit[1]}{ {U.DAY: 'd', U.WEEK: 'w', U.MONTH: 'M', U.YEAR: 'y'}[unit[0]] }"
    frame = parse_timeframe(name)
    period = PeriodGrid(*unit).period(time_ms)
    assert period == Period(frame.floor(time_ms), frame.next_open(frame.floor(time_ms)))


def test_a_period_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 units"):
        PeriodGrid(U.DAY, 0)
