"""What the lake has of a range, without asking anybody: for backtests and for stores that need not connect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from btccxt.bars.columns import Columns
from btccxt.bars.lake import Lake, SeriesKey
from btccxt.bars.mapped import map_file, open_mapped
from btccxt.bars.seam import closed_until, first_open
from btccxt.bars.segments import Range
from btccxt.bars.series import BarSeries
from btccxt.errors import LakeError
from btccxt.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class Found:
    """Bars of a range, and what of it was never fetched."""

    columns: Columns
    asked: Range
    missing: Sequence[Range]

    @property
    def to_ms(self) -> int:
        """Until when the bars are without a hole of our making."""
        return self.missing[0].from_ms if self.missing else self.asked.to_ms

    @property
    def lacks_only_its_end(self) -> bool:
        """Whether only what came after the last fetch is missing."""
        return not self.missing or (
            len(self.missing) == 1
            and self.asked.from_ms < self.missing[0].from_ms
            and self.missing[0].to_ms >= self.asked.to_ms
        )


def find(series: BarSeries, timeframe: Timeframe, from_ms: int | None, end_ms: int, count: int | None = None) -> Found:
    """The closed bars from ``from_ms``, or the last ``count``, that open before ``end_ms``; neither: all there are."""
    covered = series.covered()
    begin_ms = covered[0].from_ms if covered else end_ms
    if from_ms is None:
        from_ms = begin_ms if count is None else _opens_back(timeframe, count, end_ms)
    start_ms = first_open(timeframe, from_ms)
    asked = Range(start_ms, max(start_ms, closed_until(timeframe, start_ms, end_ms)))
    columns = series.columns(asked.from_ms, asked.to_ms)
    missing = series.missing(asked.from_ms, asked.to_ms)  # after reading: a damaged file is missing
    while count is not None and len(columns) < count and not missing and asked.from_ms > begin_ms:
        back_ms = max(begin_ms, asked.from_ms - 2 * (asked.to_ms - asked.from_ms))
        asked = Range(first_open(timeframe, back_ms), asked.to_ms)
        columns = series.columns(asked.from_ms, asked.to_ms)
        missing = series.missing(asked.from_ms, asked.to_ms)
    return Found(columns if count is None else columns[-count:], asked, missing)


def open_columns(
    lake: Lake, key: SeriesKey, from_ms: int | None = None, to_ms: int | None = None, *, mapped: bool = False
) -> Columns:
    """The bars of a range (None: from the first, to the last) as columns.

    ``mapped``: in a file that all processes of this machine map, made by the first that asks for it. Raises LakeError
    where a part of the range was never fetched.
    """
    if key.timeframe is None:
        raise LakeError(f"{key}: trades are no bars")
    series = lake.bars(key.venue, key.symbol, key.timeframe)
    covered = series.covered()
    if not covered:
        raise LakeError(f"the lake at {lake.path} has no {key}; btccxt data ls shows what it has")
    begin_ms = covered[0].from_ms if from_ms is None else from_ms
    end_ms = covered[-1].to_ms if to_ms is None else to_ms
    if mapped:
        columns = open_mapped(map_file(series, begin_ms, end_ms))
    else:
        columns = series.columns(begin_ms, end_ms)
    if missing := series.missing(begin_ms, end_ms):
        raise not_fetched(key, missing)
    return columns


def _opens_back(timeframe: Timeframe, count: int, end_ms: int) -> int:
    open_ms = timeframe.floor(end_ms)
    if timeframe.length_ms is not None:
        return max(0, open_ms - count * timeframe.length_ms)
    for _ in range(count):
        open_ms = timeframe.previous_open(open_ms)
    return open_ms


def not_fetched(key: SeriesKey, missing: Sequence[Range], why: str = "") -> LakeError:
    """The error that says what is missing, and the command that fetches it."""
    wanted = [part for part in missing if part.from_ms < part.to_ms]
    shown = ", ".join(f"{iso(part.from_ms)} to {iso(part.to_ms)}" for part in wanted[:3])
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    what = "--trades" if key.timeframe is None else f"--timeframe {key.timeframe}"
    command = f"btccxt download {key.symbol} --exchange {key.venue.exchange} {what}"
    if not wanted:
        return LakeError(f"the lake has nothing of {key}{why}; fetch it: {command}")
    command += f" --from {iso(missing[0].from_ms)[:10]} --to {iso(missing[-1].to_ms)[:10]}"
    return LakeError(f"the lake has not {key} from {shown}{more}{why}; fetch it: {command}")


def iso(time_ms: int) -> str:
    """For people: UTC, to the minute."""
    return datetime.fromtimestamp(time_ms / 1000, tz=timezone.utc).strftime("%Y-%m-%d %H:%M")
