"""What a running feed adds to the lake."""

from __future__ import annotations

from pathlib import Path

from btccxt.bars.closing import Correction
from btccxt.bars.lake import DataVenue, Lake
from btccxt.bars.lake_pages import KeptBars
from btccxt.bars.live_tail import KEEP_AFTER_MS, LiveTail, Stretch
from btccxt.bars.seam import Hole, HoleCause
from btccxt.bars.segments import Range
from btccxt.errors import LakeError
from btccxt.model import Bar
from btccxt.timeframe import parse_timeframe
from tests.fakes import SYMBOL, bar

MINUTE = 60_000


def minute(number: int, price: float = 100.0) -> Bar:
    return bar(number * MINUTE, price)


def tail() -> LiveTail:
    return LiveTail(parse_timeframe("1m"))


def test_a_bar_is_told_once_when_it_has_been_closed_for_a_while() -> None:
    live = tail()
    live.take_bars([minute(0), minute(1)])
    live.take_bars([minute(2)])
    assert live.ready(MINUTE + KEEP_AFTER_MS - 1) == []
    assert live.ready(2 * MINUTE + KEEP_AFTER_MS) == [Stretch(0, 2 * MINUTE, [minute(0), minute(1)])]
    assert live.ready(2 * MINUTE + KEEP_AFTER_MS) == []
    assert not live.is_empty
    live.take_bars([minute(3)])
    assert live.ready(99 * MINUTE) == [Stretch(2 * MINUTE, 4 * MINUTE, [minute(2), minute(3)])]
    assert live.ready(99 * MINUTE) == []
    assert live.is_empty


def test_a_hole_of_the_exchange_is_known_as_well_as_its_bars() -> None:
    live = tail()
    live.take_bars([minute(0)])
    live.take_hole(Hole(MINUTE, 5 * MINUTE, HoleCause.NO_TRADES))
    live.take_bars([minute(5)])
    assert live.ready(99 * MINUTE) == [Stretch(0, 6 * MINUTE, [minute(0), minute(5)])]


def test_what_nobody_explained_is_not_claimed_to_be_known() -> None:
    live = tail()
    live.take_bars([minute(0)])
    live.take_hole(Hole(MINUTE, 3 * MINUTE, HoleCause.LOST))
    live.take_bars([minute(3), minute(7)])
    assert [(each.from_ms, each.to_ms) for each in live.ready(99 * MINUTE)] == [
        (0, MINUTE),
        (3 * MINUTE, 4 * MINUTE),
        (7 * MINUTE, 8 * MINUTE),
    ]


def test_a_correction_replaces_what_was_kept(tmp_path: Path) -> None:
    kept = KeptBars(Lake(tmp_path).bars(DataVenue("fake"), SYMBOL, "1m"))
    live = tail()
    live.take_bars([minute(0), minute(1), minute(2)])
    for stretch in live.ready(99 * MINUTE):
        kept.keep_stretch(stretch)
    live.take_correction(Correction(minute(1), minute(1, 500.0)))
    for stretch in live.ready(99 * MINUTE):
        kept.keep_stretch(stretch)
    assert kept.series.read(0, 99 * MINUTE) == [minute(0), minute(1, 500.0), minute(2)]
    assert live.ready(99 * MINUTE) == []


def test_what_the_exchange_was_asked_for_is_not_replaced_by_the_stream(tmp_path: Path) -> None:
    kept = KeptBars(Lake(tmp_path).bars(DataVenue("fake"), SYMBOL, "1m"))
    kept.series.append(MINUTE, 2 * MINUTE, [minute(1, 500.0)])
    kept.keep_stretch(Stretch(0, 3 * MINUTE, [minute(0), minute(1), minute(2)]))
    assert kept.series.read(0, 99 * MINUTE) == [minute(0), minute(1, 500.0), minute(2)]
    assert kept.series.covered() == [Range(0, 3 * MINUTE)]


def test_a_lake_that_cannot_be_written_costs_no_bar(tmp_path: Path) -> None:
    said: list[LakeError] = []
    lake = Lake(tmp_path)
    series = lake.bars(DataVenue("fake"), SYMBOL, "1m")
    kept = KeptBars(series, on_trouble=said.append)
    series.path.parent.mkdir(parents=True)
    series.path.write_text("a file where the folder should be")
    kept.keep_stretch(Stretch(0, MINUTE, [minute(0)]))
    assert kept.next_part(0, MINUTE) == Range(0, MINUTE)
    assert len(said) == 1
    assert "cannot be written" in str(said[0])
