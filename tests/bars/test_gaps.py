"""Why a bar is not in the lake."""

from __future__ import annotations

from pathlib import Path

from btccxt.bars.gaps import gaps_of
from btccxt.bars.lake import DataVenue, Lake
from btccxt.bars.segments import Range
from btccxt.bars.series import BarSeries, GapCause, LakeGap
from btccxt.timeframe import parse_timeframe
from tests.fakes import SYMBOL, bar

MINUTE, DAY = 60_000, 86_400_000


def series_in(folder: Path, timeframe: str = "1m") -> BarSeries:
    return Lake(folder).bars(DataVenue("binance"), SYMBOL, timeframe)


def gaps(series: BarSeries, from_ms: int, to_ms: int, timeframe: str = "1m") -> list[LakeGap]:
    return gaps_of(series.pieces(from_ms, to_ms), parse_timeframe(timeframe), Range(from_ms, to_ms))


def test_each_gap_is_told_with_its_cause(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    series.append(10 * MINUTE, 15 * MINUTE, [], missing=GapCause.HISTORY_BEGINS_LATER)
    series.append(15 * MINUTE, 20 * MINUTE, [bar(n * MINUTE) for n in (15, 16, 19)])
    series.append(20 * MINUTE, 25 * MINUTE, [bar(23 * MINUTE)], missing=GapCause.NO_TRADES)
    assert gaps(series, 5 * MINUTE, 30 * MINUTE) == [
        LakeGap(5 * MINUTE, 10 * MINUTE, GapCause.NOT_FETCHED),
        LakeGap(10 * MINUTE, 15 * MINUTE, GapCause.HISTORY_BEGINS_LATER),
        LakeGap(17 * MINUTE, 19 * MINUTE, GapCause.EXCHANGE_DOWN),
        LakeGap(20 * MINUTE, 23 * MINUTE, GapCause.NO_TRADES),
        LakeGap(24 * MINUTE, 25 * MINUTE, GapCause.NO_TRADES),
        LakeGap(25 * MINUTE, 30 * MINUTE, GapCause.NOT_FETCHED),
    ]


def test_a_gap_over_several_files_is_one(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    series.append(0, 5 * MINUTE, [bar(0), bar(MINUTE)])
    series.append(5 * MINUTE, 9 * MINUTE, [bar(8 * MINUTE)])
    assert gaps(series, 0, 9 * MINUTE) == [LakeGap(2 * MINUTE, 8 * MINUTE, GapCause.EXCHANGE_DOWN)]


def test_where_older_bars_were_found_since_history_did_not_begin_later(tmp_path: Path) -> None:
    series = series_in(tmp_path)
    series.append(5 * MINUTE, 7 * MINUTE, [], missing=GapCause.HISTORY_BEGINS_LATER)
    series.append(7 * MINUTE, 8 * MINUTE, [bar(7 * MINUTE)])
    series.append(4 * MINUTE, 5 * MINUTE, [bar(4 * MINUTE)])
    assert gaps(series, 4 * MINUTE, 8 * MINUTE) == [LakeGap(5 * MINUTE, 7 * MINUTE, GapCause.EXCHANGE_DOWN)]


def test_months_are_counted_by_the_calendar(tmp_path: Path) -> None:
    series = series_in(tmp_path, "1M")
    january, april = 1_767_225_600_000, 1_775_001_600_000
    series.append(january, april + 30 * DAY, [bar(january), bar(april)])
    february = january + 31 * DAY
    assert gaps(series, january, april + 30 * DAY, "1M") == [LakeGap(february, april, GapCause.EXCHANGE_DOWN)]


def test_bars_that_lie_off_the_grid_are_no_gaps(tmp_path: Path) -> None:
    series = series_in(tmp_path, "1w")
    thursday = 0  # weeks that begin on Thursday
    rows = [bar(thursday + n * 7 * DAY) for n in range(5)]
    series.append(0, 35 * DAY, rows)
    assert gaps(series, 0, 35 * DAY, "1w") == []
