"""Which frame closes a bar."""

from dataclasses import replace

from btccxt.bars.closing import BarCloser, Correction
from btccxt.model import Bar, BarUpdate
from btccxt.timeframe import parse_timeframe
from tests.fakes import SYMBOL, bar

MINUTE = 60_000
TF = parse_timeframe("1m")


def frame(content: Bar, closed: bool | None) -> BarUpdate:
    return BarUpdate(SYMBOL, "1m", content, closed)


def fed(closer: BarCloser, *frames: BarUpdate) -> list[Bar | Correction]:
    return [event for one in frames for event in closer.on_update(one)]


def test_the_exchanges_own_flag_closes_a_bar_and_nothing_else_does() -> None:
    closer = BarCloser(TF)
    forming, final, following = bar(0, volume=1), bar(0, volume=2), bar(MINUTE)
    assert fed(closer, frame(forming, False), frame(following, False)) == []
    assert closer.due(10 * MINUTE) == ()
    assert fed(closer, frame(final, True)) == [final]


def test_without_a_flag_the_first_frame_of_a_newer_bar_closes_the_forming_one() -> None:
    closer = BarCloser(TF)
    early, final, following = bar(0, 100, 1), bar(0, 105, 2), bar(MINUTE)
    assert fed(closer, frame(early, None), frame(final, None)) == []
    assert fed(closer, frame(following, None)) == [final]


def test_without_a_flag_the_clock_closes_a_bar_after_its_grace_and_only_once() -> None:
    closer = BarCloser(TF, grace_ms=500)
    forming = bar(0)
    assert closer.deadline_ms is None
    fed(closer, frame(forming, None))
    assert closer.deadline_ms == MINUTE + 500
    assert closer.due(MINUTE + 499) == ()
    assert closer.due(MINUTE + 500) == (forming,)
    assert closer.due(MINUTE + 501) == ()
    assert fed(closer, frame(forming, None), frame(bar(MINUTE), None)) == []


def test_calendar_months_close_at_their_own_length() -> None:
    closer = BarCloser(parse_timeframe("1M"), grace_ms=0)
    february_2024, march_2024 = 1706745600000, 1709251200000
    fed(closer, frame(bar(february_2024), None))
    assert closer.deadline_ms == march_2024


def test_a_late_frame_that_changes_a_closed_bar_is_reported_and_not_emitted_again() -> None:
    for closed in (None, True):
        closer = BarCloser(TF)
        final, changed = bar(0, 100, 5), bar(0, 103, 6)
        fed(closer, frame(final, closed), frame(bar(MINUTE), None))
        assert fed(closer, frame(final, closed)) == []
        assert fed(closer, frame(changed, closed)) == [Correction(final, changed)]


def test_an_older_state_of_a_bar_that_comes_late_is_neither_kept_nor_reported() -> None:
    closer = BarCloser(TF)
    first, second = bar(0, 100, 1), bar(0, 104, 2)
    fed(closer, frame(second, None), frame(first, None))
    assert fed(closer, frame(bar(MINUTE), None)) == [second]
    assert fed(closer, frame(first, None)) == []


def test_a_snapshot_with_history_closes_all_its_rows_but_the_last() -> None:
    closer = BarCloser(TF)
    rows = [bar(position * MINUTE) for position in range(5)]
    assert fed(closer, *(frame(row, None) for row in rows)) == rows[:4]
    assert fed(closer, *(frame(row, None) for row in rows)) == []


def test_after_a_cut_the_last_known_state_of_a_bar_is_not_taken_for_its_final_one() -> None:
    closer = BarCloser(TF, grace_ms=0)
    fed(closer, frame(bar(0, volume=1), None))
    closer.reset()
    assert closer.due(2 * MINUTE) == ()
    assert fed(closer, frame(bar(MINUTE), None)) == []


def test_a_flat_bar_without_volume_follows_its_last_frame() -> None:
    closer = BarCloser(TF)
    index_bar = replace(bar(0, 100), volume=0.0)
    moved = replace(index_bar, close=99.0)
    fed(closer, frame(index_bar, None), frame(moved, None))
    assert fed(closer, frame(bar(MINUTE), None)) == [moved]
